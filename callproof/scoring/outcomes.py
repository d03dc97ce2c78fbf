"""The outcome of a turn: what an answer got right or wrong against the gold calls.

An outcome keeps every label that applies; the first in the order of `LABELS` is `outcome`, so outcomes are mutually
exclusive. A turn is exact if and only if its outcome is `ok`.

- `infra_error`: no answer after retries, or one on which the server gave up (`finish_reason` "error" or "abort"); no
  other label. The turn counts: its gold calls are missed, it is not exact. It proves neither a call nor an abstention,
  so rates about the decision to call leave it out.
- `truncated`: the token limit cut an open block, or the answer before any text or call, or thinking never ended; where
  the template opens the thinking itself (`Turn.prefilled_thinking`), the limit came before it ended.
- `parse_error`: another malformed attempt; one in the notation of another format only where a call is expected, since
  elsewhere it is a `hallucinated_call` like any.
- `unknown_tool`: a call of a tool that the turn's own catalog lacks. `schema_invalid`: arguments that it refuses.
  Where that cannot be told (a schema that cannot be used, a pattern that takes too long), a call is `unjudged`: that is
  no label but a count and a reason, and the call is compared with gold as any other, so that it may be `ok`.
- `hallucinated_call`: an attempt where gold has no call; malformed attempts count.
- On turns with gold calls: `missed_call`: fewer attempts than gold calls; `wrong_tool`: a call in the place of a gold
  call of another name; `extra_call`: more calls than gold calls.
- `wrong_args`: a call of the right tool with arguments that differ.
- `empty`: no call, no text and no refusal. Silence is no restraint, so it is wrong where no call is expected too.

Remarks follow the other labels, `ok` included, and never decide: `refusal`: the server sent one. `content_filter`: the
server's filter ended the answer. `thought_call`: thinking holds a call, which does not count.

On the raw channel an answer that brings `tool_calls` all the same is read by them, as on the served one: the server
has taken the calls out of the text. `Outcome.notation` tells.

On a turn where any call is right (`Turn.any_call`), valid calls of known tools are `ok`, and none is `missed_call`.
Where several answers are right, labels and counts are those of the best of them (see callproof.scoring.match); if one
calls and another does not, no attempt is a `hallucinated_call`, and none is demanded.

With the match profile `bfcl`, `ok` is BFCL's verdict (see callproof.scoring.bfcl), and the other labels tell where it
fails: arguments are compared as BFCL does, and `schema_invalid` is not given. One malformed call undoes an answer, so
on turns that expect no call, or any call, only whether the whole answer can be read and holds calls counts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Literal, NamedTuple, get_args

from pydantic import Field

from callproof.calls import (
    MalformedCall,
    ParsedAnswer,
    ToolCall,
    parse_answer,
    parse_served,
)
from callproof.catalog import Catalog, Difference, shown
from callproof.records import Number, Record
from callproof.turns import GoldCall, Turn

from .answer import Answer
from .bfcl import BfclReading, bfcl_differences, match_bfcl
from .counts import Counts, ToolCounts
from .match import Matching, best_answer, match, pair_differences

SCORER_VERSION = 2
MAX_REASONS = 20

Channel = Literal["raw", "served"]
MatchProfile = Literal["strict", "bfcl"]
OutcomeLabel = Literal[
    "infra_error",
    "truncated",
    "parse_error",
    "unknown_tool",
    "schema_invalid",
    "hallucinated_call",
    "missed_call",
    "wrong_tool",
    "extra_call",
    "wrong_args",
    "empty",
    "ok",
]
Remark = Literal["refusal", "content_filter", "thought_call"]
LABELS: tuple[OutcomeLabel, ...] = get_args(OutcomeLabel)
DIFFERENCES: dict[MatchProfile, Callable[[GoldCall, ToolCall, Catalog], Iterator[Difference]]] = {
    "strict": pair_differences,
    "bfcl": bfcl_differences,
}


class Outcome(Record):
    """One judged answer. `reasons` say in words what was wrong.

    `notation`: how its attempts are written: the name of a format, `json` for a bare or fenced object, `tool_calls` if
    the server's own were read, `bfcl` if a handler of BFCL read them; None if it holds no attempt.

    `gold`: the calls that it was compared with: of several right answers those of the best, without calls that need not
    be made and were not. `alternative`: which of several right answers that is, 0 the recorded one; None: there is one.

    Version 2 added `answer.requests`, which is None in lines of version 1; version 3 added `notation`, the remarks and
    the answer's `thinking` and `refusal`.
    """

    schema_version: Literal[1, 2, 3] = 3
    turn_id: str
    session_id: str
    model: str
    channel: Channel
    repeat: Number = Field(default=0, description="which of the answers to this turn, where it was asked repeatedly")
    position: Number
    tags: tuple[str, ...]
    catalog_size: Number
    gold: tuple[GoldCall, ...]
    alternative: Number | None = Field(default=None, exclude_if=lambda number: number is None)
    outcome: OutcomeLabel
    labels: tuple[OutcomeLabel | Remark, ...]
    reasons: tuple[str, ...]
    notation: str | None = None
    calls: tuple[ToolCall | MalformedCall, ...]
    counts: Counts
    per_tool: dict[str, ToolCounts]
    answer: Answer


class _Finding(NamedTuple):
    """An answer parsed, checked against the catalog and matched with gold, from which its outcome is derived."""

    turn: Turn
    profile: MatchProfile
    answer: Answer
    parsed: ParsedAnswer
    thought_calls: tuple[ToolCall | MalformedCall, ...]
    calls: tuple[ToolCall, ...]
    known: tuple[ToolCall, ...]
    problems: tuple[tuple[ToolCall, list[str]], ...]
    unjudged: tuple[tuple[ToolCall, str], ...]
    compared: tuple[ToolCall, ...]
    alternative: int
    gold: tuple[GoldCall, ...]
    matching: Matching

    @property
    def answered(self) -> bool:
        return self.answer.failure is None

    @property
    def silent(self) -> bool:
        """Whether there is nothing that a user would see."""
        return self.answered and not (self.parsed.attempts or self.parsed.text or self.answer.refusal)

    @property
    def truncated(self) -> bool:
        return self.parsed.truncated or (self.silent and self.answer.finish_reason == "length")

    @property
    def empty(self) -> bool:
        return self.silent and not self.truncated

    @property
    def malformed(self) -> list[MalformedCall]:
        return [call for call in self.parsed.calls if isinstance(call, MalformedCall)]


def judge(
    turn: Turn,
    answer: Answer,
    model: str,
    catalog: Catalog,
    channel: Channel = "raw",
    repeat: int = 0,
    profile: MatchProfile = "strict",
    format: str = "hermes",
    reading: BfclReading | None = None,
) -> Outcome:
    """The outcome of one answer. Pure, and never raises on anything that a model can write.

    Args:
        turn: with the gold calls.
        answer: what came back, or an answer with `error` set where nothing came.
        model: the name that was asked.
        catalog: the turn's own, see `catalog_of`.
        channel: `raw` parses `answer.text`; `served` takes `answer.tool_calls`, as a client would.
        repeat: which of several answers to the turn.
        profile: how calls are compared with gold; see the head of this module.
        format: a name of `callproof.calls.formats.FORMATS`, in which the model is to write calls.
        reading: how BFCL reads the answers of this model, instead of `channel` and `format`.
    """
    finding = _find(turn, answer, catalog, channel, profile, format, reading)
    labels = (*_labels(finding), *_remarks(finding)) if finding.answered else ("infra_error",)
    exact = labels[0] == "ok"
    faults = () if exact or not finding.answered else _reasons(finding, catalog)
    reasons = chain(_unjudged_reasons(finding), faults, _remark_reasons(finding))
    return Outcome.model_construct(
        turn_id=turn.turn_id,
        session_id=turn.session_id,
        model=model,
        channel=channel,
        repeat=repeat,
        position=turn.position,
        tags=turn.tags,
        catalog_size=len(catalog.tools),
        gold=finding.gold,
        alternative=finding.alternative if turn.alternatives else None,
        outcome=labels[0],
        labels=labels,
        reasons=tuple(islice(reasons, MAX_REASONS)),
        notation=_notation(finding.parsed, answer, "bfcl" if reading else format),
        calls=finding.parsed.calls,
        counts=_counts(finding, exact),
        per_tool=_per_tool(finding),
        answer=answer,
    )


def pair_calls(
    calls: Sequence[ToolCall],
    gold: Sequence[GoldCall],
    catalog: Catalog,
    order: Literal["any", "strict"],
    profile: MatchProfile,
) -> Matching:
    """Pair calls with gold calls as the profile does."""
    return match_bfcl(calls, gold, catalog) if profile == "bfcl" else match(calls, gold, catalog, order)


def _find(
    turn: Turn,
    answer: Answer,
    catalog: Catalog,
    channel: Channel,
    profile: MatchProfile,
    format: str,
    reading: BfclReading | None,
) -> _Finding:
    if reading and answer.failure is None:
        parsed = reading(answer.text, answer.tool_calls, turn, catalog)
    else:
        parsed = _parsed(turn, answer, catalog, channel, format)
    thoughts = parse_answer(answer.thinking, None, format, catalog.parameters)
    thought_calls = (*parsed.thought_calls, *thoughts.thought_calls, *thoughts.calls)
    calls = tuple(call for call in parsed.calls if isinstance(call, ToolCall))
    known = tuple(call for call in calls if call.name in catalog.by_name)
    validities = [(call, catalog.validity(call)) for call in known]
    problems = tuple((call, validity.problems) for call, validity in validities if validity.problems)
    unjudged = tuple((call, validity.unjudged) for call, validity in validities if validity.unjudged)
    compared = () if turn.any_call else calls
    right = turn.answers if answer.failure is None else (turn.gold,)
    best = best_answer(right, lambda gold: pair_calls(compared, gold, catalog, turn.order, profile))
    return _Finding(turn, profile, answer, parsed, thought_calls, calls, known, problems, unjudged, compared, *best)


def _parsed(turn: Turn, answer: Answer, catalog: Catalog, channel: Channel, format: str) -> ParsedAnswer:
    if answer.failure is not None:
        return parse_answer("")
    how = format, catalog.parameters, turn.prefilled_thinking and not answer.thinking
    if channel == "served" or answer.tool_calls:
        return parse_served(answer.tool_calls or (), answer.text, answer.finish_reason, *how)
    return parse_answer(answer.text, answer.finish_reason, *how)


def _notation(parsed: ParsedAnswer, answer: Answer, format: str) -> str | None:
    if not parsed.attempts:
        return None
    return "tool_calls" if answer.tool_calls and format != "bfcl" else parsed.foreign or format


def _labels(finding: _Finding) -> tuple[OutcomeLabel, ...]:
    bfcl = finding.profile == "bfcl"
    if bfcl and (finding.turn.any_call or not finding.turn.allows_call):
        return (_bfcl_decision(finding),)
    malformed, attempts, allowed = finding.malformed, finding.parsed.attempts, finding.turn.allows_call
    surplus, missing = len(finding.matching.surplus), len(finding.matching.missing)
    applies: dict[OutcomeLabel, bool] = {
        "truncated": finding.truncated,
        "parse_error": any(
            call.reason != "truncated" and (allowed or call.reason != "foreign_format") for call in malformed
        ),
        "unknown_tool": len(finding.known) < len(finding.calls),
        "schema_invalid": bool(finding.problems) and not bfcl,
        "hallucinated_call": not allowed and attempts > 0,
        "missed_call": missing > surplus + len(malformed) or (finding.turn.any_call and not attempts),
        "wrong_tool": surplus > 0 and missing > 0,
        "extra_call": allowed and surplus > missing,
        "wrong_args": not all(pair.exact for pair in finding.matching.pairs),
        "empty": finding.empty,
    }
    return tuple(label for label, true in applies.items() if true) or ("ok",)


def _remarks(finding: _Finding) -> tuple[Remark, ...]:
    applies: dict[Remark, bool] = {
        "refusal": bool(finding.answer.refusal),
        "content_filter": finding.answer.finish_reason == "content_filter",
        "thought_call": bool(finding.thought_calls),
    }
    return tuple(remark for remark, true in applies.items() if true)


def _bfcl_decision(finding: _Finding) -> OutcomeLabel:
    """BFCL's irrelevance and relevance: whether the answer calls at all."""
    called = bool(finding.calls) and not finding.malformed
    if not finding.turn.any_call:
        return "hallucinated_call" if called else "ok"
    return "ok" if called else "parse_error" if finding.malformed else "missed_call"


def _unjudged_reasons(finding: _Finding) -> Iterator[str]:
    """Which calls could not be checked, and why; said whatever the outcome."""
    yield from (f"{call.name}: not checked against its schema: {reason}" for call, reason in finding.unjudged)


def _reasons(finding: _Finding, catalog: Catalog) -> Iterator[str]:
    """What was wrong, in words, in the order of the labels."""
    if finding.truncated:
        yield "cut off by the token limit or inside unclosed thinking"
    yield from (f"malformed call ({call.reason}): {shown(call.text)}" for call in finding.malformed)
    yield from (f"unknown tool {shown(call.name)}" for call in finding.calls if call.name not in catalog.by_name)
    for call, problems in finding.problems:
        yield from (f"{call.name}: refused by its schema: {problem}" for problem in problems)
    yield from _match_reasons(finding, catalog)
    if finding.empty:
        yield "an empty answer: neither text nor a call"


def _remark_reasons(finding: _Finding) -> Iterator[str]:
    """Why there is no answer, or what the remarks say."""
    if not finding.answered:
        yield f"no answer: {finding.answer.failure}"
        return
    if finding.answer.refusal:
        yield f"refusal: {shown(finding.answer.refusal)}"
    if finding.answer.finish_reason == "content_filter":
        yield "ended by the server's content filter"
    for call in finding.thought_calls:
        yield f"inside thinking, so not counted: {shown(call.name if isinstance(call, ToolCall) else call.text)}"


def _match_reasons(finding: _Finding, catalog: Catalog) -> Iterator[str]:
    gold, calls, matching = finding.gold, finding.compared, finding.matching
    if finding.turn.any_call and not finding.parsed.attempts:
        yield "missing: any call"
    yield from (f"missing: {gold[index].name} {shown(gold[index].arguments)}" for index in matching.missing)
    yield from (f"unexpected: {shown(calls[index].name)} {shown(calls[index].arguments)}" for index in matching.surplus)
    for pair in matching.pairs:
        if not pair.exact:
            differences = DIFFERENCES[finding.profile](gold[pair.gold], calls[pair.predicted], catalog)
            yield from (f"{gold[pair.gold].name}: {difference}" for difference in differences)


def _counts(finding: _Finding, exact: bool) -> Counts:
    parsed, pairs = finding.parsed, finding.matching.pairs
    call_turn, answered, attempted = finding.turn.expects_call, finding.answered, parsed.attempts > 0
    no_call_turn = not finding.turn.allows_call
    either_turn = not (call_turn or no_call_turn)
    names = Counter(call.name for call in finding.gold) & Counter(call.name for call in finding.calls)
    return Counts(
        infra=not answered,
        exact=exact,
        call_turn=call_turn,
        no_call_turn=no_call_turn,
        either_turn=either_turn,
        answered_call_turn=answered and call_turn,
        answered_no_call_turn=answered and no_call_turn,
        answered_either_turn=answered and either_turn,
        attempted=attempted,
        attempted_call_turn=attempted and call_turn,
        attempted_no_call_turn=attempted and no_call_turn,
        attempted_either_turn=attempted and either_turn,
        truncated=finding.truncated,
        empty=finding.empty,
        text_beside=attempted and bool(parsed.text),
        attempts=parsed.attempts,
        parsed=len(finding.calls),
        known=len(finding.known),
        schema_valid=len(finding.known) - len(finding.problems) - len(finding.unjudged),
        unjudged=len(finding.unjudged),
        unclosed=parsed.unclosed,
        decoded_strings=parsed.decoded_strings,
        gold_calls=len(finding.gold),
        predicted_calls=len(finding.compared),
        name_matches=names.total(),
        exact_matches=sum(pair.exact for pair in pairs),
        relaxed_matches=sum(pair.relaxed for pair in pairs),
        gold_args=sum(pair.gold_args for pair in pairs),
        predicted_args=sum(pair.predicted_args for pair in pairs),
        matched_args=sum(pair.matched_args for pair in pairs),
    )


def _per_tool(finding: _Finding) -> dict[str, ToolCounts]:
    """Counts of every tool that gold calls, and of every tool of the catalog that the answer calls."""
    gold = Counter(call.name for call in finding.gold)
    predicted = Counter(call.name for call in finding.compared)
    exact = Counter(finding.gold[pair.gold].name for pair in finding.matching.pairs if pair.exact)
    return {
        name: ToolCounts(
            gold_calls=gold[name],
            predicted_calls=predicted[name],
            name_matches=min(gold[name], predicted[name]),
            exact_matches=exact[name],
        )
        for name in dict.fromkeys((*gold, *(call.name for call in finding.known)))
    }
