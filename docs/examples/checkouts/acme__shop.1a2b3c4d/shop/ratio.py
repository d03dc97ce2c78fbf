def ratio(values):
    kept = sorted(values)[2:]
    return sum(kept) / 4
