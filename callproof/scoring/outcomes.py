"""The outcome of a turn: what an answer got right or wrong against the gold calls.

An outcome keeps every label that applies; the first in the order of `LABELS` is `outcome`, so outcomes are mutually
exclusive. A turn is exact if and only if its outcome is `ok`.

- `infra_error`: no answer after retries; no other label. The turn counts: its gold calls are missed, it is not exact.
  It proves neither a call nor an abstention, so rates about the decision to call leave it out.
- `truncated`: the token limit cut an open block, or thinking never ended. `parse_error`: another malformed attempt.
- `unknown_tool`: a call of a tool that the turn's own catalog lacks. `schema_invalid`: arguments that it refuses.
- `hallucinated_call`: an attempt where gold has no call; malformed attempts count.
- On turns with gold calls: `missed_call`: fewer attempts than gold calls; `wrong_tool`: a call in the place of a gold
  call of another name; `extra_call`: more calls than gold calls.
- `wrong_args`: a call of the right tool with arguments that differ.

On a turn where any call is right (`Turn.any_call`), valid calls of known tools are `ok`, and none is `missed_call`.

With the match profile `bfcl`, `ok` is BFCL's verdict (see callproof.scoring.bfcl), and the other labels tell where it
fails: arguments are compared as BFCL does, and `schema_invalid` is not given. One malformed call undoes an answer, so
on turns that expect no call, or any call, only whether the whole answer can be read and holds calls counts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError, model_validator
from pydantic_core import to_json

from callproof.calls import (
    Completion,
    MalformedCall,
    ParsedAnswer,
    RefusedJSON,
    ToolCall,
    parse_answer,
    parse_served,
    writable_value,
)
from callproof.catalog import Catalog, Difference, Tool, shown
from callproof.errors import UserError
from callproof.records import Number, Positive, Record, explain
from callproof.turns import GoldCall, Turn

from .bfcl import bfcl_differences, match_bfcl
from .counts import Counts, ToolCounts
from .match import Matching, match, pair_differences

SCORER_VERSION = 1
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
    "ok",
]
LABELS: tuple[OutcomeLabel, ...] = get_args(OutcomeLabel)
DIFFERENCES: dict[MatchProfile, Callable[[GoldCall, ToolCall, Catalog], Iterator[Difference]]] = {
    "strict": pair_differences,
    "bfcl": bfcl_differences,
}


class Answer(Record):
    """What the endpoint gave back, as it came; only lone surrogates, which no UTF-8 file can hold, are replaced.

    `tool_calls`: the server's own, if it sent any. `error`: no answer came after retries, and why.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    tool_calls: tuple[dict[str, Any], ...] | None = None
    requests: Positive | None = Field(
        default=None, description="how many requests it took, those that failed included; None where nobody counted"
    )
    latency_s: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="seconds from request to end of answer"
    )
    error: str | None = None

    @classmethod
    def of(cls, completion: Completion, latency_s: float | None = None) -> "Answer":
        """The answer that a chat completion holds."""
        return cls(
            text=completion.text,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            tool_calls=completion.tool_calls,
            latency_s=latency_s,
        )

    @model_validator(mode="before")
    @classmethod
    def _writable(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = dict(value)
        if isinstance(value.get("tool_calls"), tuple):
            value["tool_calls"] = list(value["tool_calls"])
        try:
            return writable_value(value)
        except RefusedJSON:
            return writable_value({**value, "usage": None, "tool_calls": [{"function": None}]})


class Outcome(Record):
    """One judged answer. `reasons` say for people what was wrong; what else is needed can be derived.

    Version 2 has `answer.requests`; lines of version 1 are read like it, and nothing is known of their requests.
    """

    schema_version: Literal[1, 2] = 2
    turn_id: str
    session_id: str
    model: str
    channel: Channel
    repeat: Number = Field(default=0, description="which of the answers to this turn, where it was asked repeatedly")
    position: Number
    tags: tuple[str, ...]
    catalog_size: Number
    gold: tuple[GoldCall, ...]
    outcome: OutcomeLabel
    labels: tuple[OutcomeLabel, ...]
    reasons: tuple[str, ...]
    calls: tuple[ToolCall | MalformedCall, ...]
    counts: Counts
    per_tool: dict[str, ToolCounts]
    answer: Answer


class _Finding(NamedTuple):
    """What was found out about one answer, on the way to its outcome."""

    turn: Turn
    profile: MatchProfile
    answered: bool
    parsed: ParsedAnswer
    calls: tuple[ToolCall, ...]
    known: tuple[ToolCall, ...]
    problems: tuple[tuple[ToolCall, list[str]], ...]
    compared: tuple[ToolCall, ...]
    matching: Matching

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
    """
    finding = _find(turn, answer, catalog, channel, profile)
    labels = _labels(finding) if finding.answered else ("infra_error",)
    reasons = _reasons(finding, catalog) if finding.answered else iter([f"no answer: {answer.error}"])
    return Outcome.model_construct(
        turn_id=turn.turn_id,
        session_id=turn.session_id,
        model=model,
        channel=channel,
        repeat=repeat,
        position=turn.position,
        tags=turn.tags,
        catalog_size=len(catalog.tools),
        gold=turn.gold,
        outcome=labels[0],
        labels=labels,
        reasons=() if labels == ("ok",) else tuple(islice(reasons, MAX_REASONS)),
        calls=finding.parsed.calls,
        counts=_counts(finding, exact=labels == ("ok",)),
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


def catalog_of(turn: Turn) -> Catalog:
    """The turn's own catalog; one object for all turns with the same tools in whatever order.

    Raises:
        UserError: a tool without a name, or a name twice.
    """
    try:
        return _catalog(tuple(sorted(map(to_json, turn.catalog))))
    except ValueError as error:
        problem = explain(error) if isinstance(error, ValidationError) else str(error)
        raise UserError(f"turn {turn.turn_id!r}", f"tools: {problem}", "see OpenAI's function form") from None


@lru_cache(maxsize=4096)
def _catalog(tools: tuple[bytes, ...]) -> Catalog:
    return Catalog(tools=tuple(map(_tool, tools)))


@lru_cache(maxsize=65536)
def _tool(text: bytes) -> Tool:
    return Catalog.from_wire([json.loads(text)]).tools[0]


def _find(turn: Turn, answer: Answer, catalog: Catalog, channel: Channel, profile: MatchProfile) -> _Finding:
    answered = answer.error is None
    if not answered:
        parsed = parse_answer("")
    elif channel == "served":
        parsed = parse_served(answer.tool_calls or (), answer.text, answer.finish_reason)
    else:
        parsed = parse_answer(answer.text, answer.finish_reason)
    calls = tuple(call for call in parsed.calls if isinstance(call, ToolCall))
    known = tuple(call for call in calls if call.name in catalog.by_name)
    problems = tuple((call, refusals) for call in known if (refusals := catalog.problems(call)))
    compared = () if turn.any_call else calls
    matching = pair_calls(compared, turn.gold, catalog, turn.order, profile)
    return _Finding(turn, profile, answered, parsed, calls, known, problems, compared, matching)


def _labels(finding: _Finding) -> tuple[OutcomeLabel, ...]:
    bfcl = finding.profile == "bfcl"
    if bfcl and not finding.turn.gold:
        return (_bfcl_decision(finding),)
    malformed, attempts, expected = finding.malformed, finding.parsed.attempts, finding.turn.expects_call
    surplus, missing = len(finding.matching.surplus), len(finding.matching.missing)
    applies: dict[OutcomeLabel, bool] = {
        "truncated": finding.parsed.truncated,
        "parse_error": any(call.reason != "truncated" for call in malformed),
        "unknown_tool": len(finding.known) < len(finding.calls),
        "schema_invalid": bool(finding.problems) and not bfcl,
        "hallucinated_call": not expected and attempts > 0,
        "missed_call": missing > surplus + len(malformed) or (finding.turn.any_call and not attempts),
        "wrong_tool": surplus > 0 and missing > 0,
        "extra_call": expected and surplus > missing,
        "wrong_args": not all(pair.exact for pair in finding.matching.pairs),
    }
    return tuple(label for label, true in applies.items() if true) or ("ok",)


def _bfcl_decision(finding: _Finding) -> OutcomeLabel:
    """BFCL's irrelevance and relevance: whether the answer calls at all."""
    called = bool(finding.calls) and not finding.malformed
    if not finding.turn.any_call:
        return "hallucinated_call" if called else "ok"
    return "ok" if called else "parse_error" if finding.malformed else "missed_call"


def _reasons(finding: _Finding, catalog: Catalog) -> Iterator[str]:
    """What was wrong, for people, in the order of the labels."""
    if finding.parsed.truncated:
        yield "cut off by the token limit or inside unclosed thinking"
    yield from (f"malformed call ({call.reason}): {shown(call.text)}" for call in finding.malformed)
    yield from (f"unknown tool {shown(call.name)}" for call in finding.calls if call.name not in catalog.by_name)
    for call, problems in finding.problems:
        yield from (f"{call.name}: refused by its schema: {problem}" for problem in problems)
    yield from _match_reasons(finding, catalog)


def _match_reasons(finding: _Finding, catalog: Catalog) -> Iterator[str]:
    gold, calls, matching = finding.turn.gold, finding.compared, finding.matching
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
    names = Counter(call.name for call in finding.turn.gold) & Counter(call.name for call in finding.calls)
    return Counts(
        infra=not answered,
        exact=exact,
        call_turn=call_turn,
        no_call_turn=not call_turn,
        answered_call_turn=answered and call_turn,
        answered_no_call_turn=answered and not call_turn,
        attempted=attempted,
        attempted_call_turn=attempted and call_turn,
        attempted_no_call_turn=attempted and not call_turn,
        truncated=parsed.truncated,
        text_beside=attempted and bool(parsed.text),
        attempts=parsed.attempts,
        parsed=len(finding.calls),
        known=len(finding.known),
        schema_valid=len(finding.known) - len(finding.problems),
        unclosed=parsed.unclosed,
        decoded_strings=parsed.decoded_strings,
        gold_calls=len(finding.turn.gold),
        predicted_calls=len(finding.compared),
        name_matches=names.total(),
        exact_matches=sum(pair.exact for pair in pairs),
        relaxed_matches=sum(pair.relaxed for pair in pairs),
        gold_args=sum(pair.gold_args for pair in pairs),
        predicted_args=sum(pair.predicted_args for pair in pairs),
        matched_args=sum(pair.matched_args for pair in pairs),
    )


def _per_tool(finding: _Finding) -> dict[str, ToolCounts]:
    """Counts of each tool that gold calls, or that is called and in the catalog."""
    gold = Counter(call.name for call in finding.turn.gold)
    predicted = Counter(call.name for call in finding.compared)
    exact = Counter(finding.turn.gold[pair.gold].name for pair in finding.matching.pairs if pair.exact)
    return {
        name: ToolCounts(
            gold_calls=gold[name],
            predicted_calls=predicted[name],
            name_matches=min(gold[name], predicted[name]),
            exact_matches=exact[name],
        )
        for name in dict.fromkeys((*gold, *(call.name for call in finding.known)))
    }
