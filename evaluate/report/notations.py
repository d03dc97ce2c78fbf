"""How the answers of a run write their calls: in the format that is scored, in another one, or not at all."""

from collections.abc import Iterator, Mapping

from callproof.scoring import Channel

_NAMES = {"tool_calls": "as tool_calls of the server", "json": "as bare JSON", "bfcl": "as BFCL reads them"}


def notation_line(format: str, notations: Mapping[str, int]) -> str:
    """`calls in hermes in 40 answers, as bare JSON in 2; none in 57`: how many answers hold calls of each notation.

    Args:
        format: the one that is scored, which comes first.
        notations: notation -> answers; `none` for those that hold no attempt.
    """
    counts = {format: 0} | dict(sorted(notations.items(), key=lambda item: (-item[1], item[0])))
    without = counts.pop("none", 0)
    if counts.keys() & {"tool_calls", "bfcl"} and not counts[format]:
        del counts[format]
    first, *others = counts
    words = [
        f"calls {_where(first)} in {counts[first]} answers",
        *(f"{_where(name)} in {counts[name]}" for name in others),
    ]
    return f"{', '.join(words)}; no call in {without}"


def notation_warnings(format: str, channel: Channel, notations: Mapping[str, int]) -> Iterator[str]:
    """What a reader must know of answers that do not write calls as they were expected to."""
    foreign = {name: count for name, count in notations.items() if name not in ("none", "tool_calls", "bfcl", format)}
    if foreign:
        parts = ", ".join(f"{_where(name)} {count}" for name, count in foreign.items())
        yield (
            f"{sum(foreign.values())} answers write calls otherwise than {format} does ({parts}); these calls are "
            "malformed. Is the format right? See serve.tool_call_parser, and score --format"
        )
    if channel == "raw" and (served := notations.get("tool_calls")):
        yield (
            f"{served} answers bring tool_calls though raw text was asked for: the server takes calls out of the text, "
            "so they are scored as on the served channel"
        )


def _where(notation: str) -> str:
    return _NAMES.get(notation, f"in {notation}")
