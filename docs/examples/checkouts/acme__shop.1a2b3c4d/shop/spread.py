def spread(values):
    kept = sorted(values)[1:]
    return sum(kept) / 3
