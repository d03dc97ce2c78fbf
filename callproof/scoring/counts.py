"""What a judged turn adds to the sums that metrics are made of, and whether that can be so.

Outcomes are files, and files can be damaged or edited. `contradiction` finds the counts that no answer can have: every
metric of those that it lets pass is a proper fraction.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter, gt
from typing import Annotated, Literal

from pydantic import Field

from callproof.records import Number, Record

Flag = Annotated[int, Field(ge=0, le=1)]


class ToolCounts(Record):
    """What a turn adds for one tool of its catalog; fields as in `Counts`."""

    gold_calls: Number
    predicted_calls: Number
    name_matches: Number
    exact_matches: Number


class Counts(ToolCounts):
    """Whole numbers that a turn adds; every metric is a function of their sums.

    Of the turn, each 0 or 1:
        turn: always 1. infra: no answer. exact: outcome `ok`.
        call_turn, no_call_turn, either_turn: a call is expected, or none, or both are right.
        answered_call_turn, answered_no_call_turn, answered_either_turn: likewise, and there was an answer.
        attempted: at least one attempt.
        attempted_call_turn, attempted_no_call_turn, attempted_either_turn: likewise, on each of these turns.
        truncated: the token limit cut the answer. empty: neither text nor attempt. text_beside: an attempt with text
        beside it.
    Of calls:
        attempts: blocks opened. parsed: of them, calls. known: of them, of tools in the catalog. schema_valid: of them,
        with arguments that their schema accepts; unjudged: of the known, those of which that cannot be told. unclosed,
        decoded_strings: see ParsedAnswer.
        gold_calls: those that the answer is compared with, see `Outcome.gold`. predicted_calls: the same as parsed, but
        0 where any call is right. name_matches: size of the common multiset of names.
        exact_matches: gold calls with an exact partner. relaxed_matches: of them, those that need `x-match`.
    Of arguments, in pairs of one name (see match.Pair):
        gold_args, predicted_args, matched_args.
    """

    turn: Literal[1] = 1
    infra: Flag
    exact: Flag
    call_turn: Flag
    no_call_turn: Flag
    either_turn: Flag = 0
    answered_call_turn: Flag
    answered_no_call_turn: Flag
    answered_either_turn: Flag = 0
    attempted: Flag
    attempted_call_turn: Flag
    attempted_no_call_turn: Flag
    attempted_either_turn: Flag = 0
    truncated: Flag
    empty: Flag = 0
    text_beside: Flag
    attempts: Number
    parsed: Number
    known: Number
    schema_valid: Number
    unjudged: Number = 0
    unclosed: Number
    decoded_strings: Number
    relaxed_matches: Number
    gold_args: Number
    predicted_args: Number
    matched_args: Number


_TOOL_PARTS = (("name_matches", "gold_calls"), ("name_matches", "predicted_calls"), ("exact_matches", "name_matches"))
_PARTS = (
    *_TOOL_PARTS,
    ("answered_call_turn", "call_turn"),
    ("answered_no_call_turn", "no_call_turn"),
    ("answered_either_turn", "either_turn"),
    ("attempted_call_turn", "answered_call_turn"),
    ("attempted_no_call_turn", "answered_no_call_turn"),
    ("attempted_either_turn", "answered_either_turn"),
    ("attempted", "attempts"),
    ("text_beside", "attempted"),
    ("parsed", "attempts"),
    ("known", "parsed"),
    ("schema_valid", "known"),
    ("unclosed", "parsed"),
    ("decoded_strings", "parsed"),
    ("predicted_calls", "parsed"),
    ("relaxed_matches", "exact_matches"),
    ("matched_args", "gold_args"),
    ("matched_args", "predicted_args"),
)
_SUMS = tuple(
    (whole, parts, attrgetter(whole, *parts))
    for whole, parts in (
        ("turn", ("call_turn", "no_call_turn", "either_turn")),
        ("turn", ("answered_call_turn", "answered_no_call_turn", "answered_either_turn", "infra")),
        ("attempted", ("attempted_call_turn", "attempted_no_call_turn", "attempted_either_turn")),
    )
)
_SHARED = attrgetter("gold_calls", "name_matches", "exact_matches")


class _Parts:
    """Pairs of fields of which the first is a part of the second."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)
        self._smaller, self._larger = (attrgetter(*names) for names in zip(*self._pairs, strict=True))

    def broken(self, counts: ToolCounts) -> str | None:
        if not any(map(gt, self._smaller(counts), self._larger(counts))):
            return None
        part, whole = next((one, other) for one, other in self._pairs if getattr(counts, one) > getattr(counts, other))
        return f"{part} is {getattr(counts, part)}, more than {whole}, {getattr(counts, whole)}"


_OF_TURN, _OF_TOOL = _Parts(_PARTS), _Parts(_TOOL_PARTS)


def contradiction(counts: Counts, per_tool: Mapping[str, ToolCounts], gold_calls: int, outcome: str) -> str | None:
    """Why no answer to a turn of `gold_calls` calls can have these counts and this outcome, or None.

    Args:
        counts: of the whole turn.
        per_tool: of each of its tools.
        gold_calls: how many calls are expected.
        outcome: the label.
    """
    if problem := _OF_TURN.broken(counts):
        return f"counts: {problem}"
    for whole, parts, read in _SUMS:
        total, *values = read(counts)
        if total != sum(values):
            return f"counts: {whole} is not the sum of {', '.join(parts)}"
    if problem := _inconsistency(counts):
        return f"counts: {problem}"
    if counts.gold_calls != gold_calls:
        return f"counts: gold_calls is {counts.gold_calls}, where gold holds {gold_calls}"
    for label, count in (("ok", counts.exact), ("infra_error", counts.infra)):
        if count != (outcome == label):
            return f"counts: {'exact' if label == 'ok' else 'infra'} is {count}, where the outcome is {outcome}"
    return _tool_contradiction(counts, per_tool)


def _inconsistency(counts: Counts) -> str | None:
    if counts.schema_valid + counts.unjudged > counts.known:
        return f"schema_valid and unjudged are more than known, {counts.known}"
    if counts.empty and (counts.attempted or counts.infra):
        return "empty is 1, where there is an attempt or no answer"
    return None


def _tool_contradiction(counts: Counts, per_tool: Mapping[str, ToolCounts]) -> str | None:
    for tool, of_tool in per_tool.items():
        if problem := _OF_TOOL.broken(of_tool):
            return f"per_tool: {tool[:80]!r}: {problem}"
    sums = tuple(map(sum, zip(*map(_SHARED, per_tool.values()), strict=True))) if per_tool else (0, 0, 0)
    if sums != _SHARED(counts):
        return "per_tool: gold_calls, name_matches and exact_matches are not those of the turn"
    return None
