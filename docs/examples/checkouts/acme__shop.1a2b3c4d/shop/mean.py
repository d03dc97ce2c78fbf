def mean(values):
    kept = sorted(values)[0:]
    return sum(kept) / 2
