"""The JSON of benchmarks in the words of a table."""

from collections.abc import Sequence

from .parts import Result


def ratio(median: float, spread: Sequence[float]) -> str:
    """A ratio with its lowest and highest."""
    low, high = spread
    return f"{median:.2f} times" if low == high else f"{median:.2f} times ({low:.2f} to {high:.2f})"


def amount(median: float, spread: Sequence[float]) -> str:
    """A median with its lowest and highest; two digits after the point below 10."""
    one, low, high = (f"{value:,.{0 if median >= 100 else 1 if median >= 10 else 2}f}" for value in (median, *spread))
    return f"{one} ({low} to {high})"


def of_training(found: Result) -> str:
    """Rate, MFU and memory of `ours`, and how many times the others' rates that is."""
    parts = [f"{found['tokens_per_s']['ours']:,.0f} tokens/s"]
    if found["mfu"]:
        parts.append(f"MFU {found['mfu']['ours']:.1%}")
    if found["peak_gib"]["ours"]:
        parts.append(f"{found['peak_gib']['ours']:.1f} GiB")
    against = (
        f"{ratio(value['median'], (value['min'], value['max']))} {name}"
        for name, value in found["ours_against"].items()
    )
    return f"ours {', '.join(parts)}: {', '.join(against)}"


def of_slots(found: Result) -> str:
    """Tokens a second of one adapter and of many, and what is left."""
    (_, one), (count, many) = found["tokens_per_s"].items()
    return f"{one:,.0f} tokens/s of one, {many:,.0f} of {count}: {ratio(found['kept'], found['spread'])} as many"
