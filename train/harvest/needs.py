"""Where a model needs more data: its mistakes by tool, argument and slice, beside how much training shows of each."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from callproof.calls import ToolCall
from callproof.config import RunConfig
from callproof.records import Record
from callproof.scoring import Outcome, argument_names, match, pair_differences
from callproof.turns import Turn, catalog_of, split_sessions

from ..rows.hub_data import read_records
from .failures import Answered, AnsweredSession

SHOWN = 3
"""Mistakes in an argument, and confusions of a tool, that are shown."""


class Need(Record):
    """One tool, argument (`tool.argument`) or slice: answers that carry it, those of them that are wrong in it.

    `kinds`: of the mistakes. `examples`: the commonest, `expected -> got`. `trained`: calls of the tool in the training
    sessions of the configuration; None where that says nothing.
    """

    name: str
    answers: int
    wrong: int
    kinds: dict[str, int] = Field(default_factory=dict)
    examples: tuple[str, ...] = ()
    trained: int | None = None

    @property
    def line(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.kinds.items())
        seen = "" if self.trained is None else f"; {self.trained} calls in training"
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{self.name}: {self.wrong} of {self.answers} wrong{': ' + kinds if kinds else ''}{seen}{shown}"


class Needs(Record):
    """What went wrong, most mistakes first; what has none is left out."""

    tools: tuple[Need, ...]
    arguments: tuple[Need, ...]
    slices: tuple[Need, ...]

    def lines(self) -> Iterator[str]:
        """For people, a heading and a line each."""
        for heading, needs in (("tools", self.tools), ("arguments", self.arguments), ("slices", self.slices)):
            yield f"{heading} that need more data: {len(needs) or 'none'}"
            yield from (f"  {need.line}" for need in needs)


class _Count:
    """Answers, wrong ones, kinds and examples of one name."""

    def __init__(self) -> None:
        self.answers = self.wrong = 0
        self.kinds: Counter[str] = Counter()
        self.examples: Counter[str] = Counter()

    def need(self, name: str, trained: int | None = None) -> Need:
        kinds = dict(sorted(self.kinds.items(), key=lambda item: (-item[1], item[0])))
        examples = tuple(text for text, _ in self.examples.most_common(SHOWN))
        return Need(name=name, answers=self.answers, wrong=self.wrong, kinds=kinds, examples=examples, trained=trained)


Counts = defaultdict[str, _Count]


def needs_of(sessions: Iterable[AnsweredSession], config: RunConfig) -> Needs:
    """The needs that answers show; training sessions are those of `config`."""
    tools, arguments, slices = Counts(_Count), Counts(_Count), Counts(_Count)
    for answered in (turn for session in sessions for turn in session.turns.values()):
        for outcome in answered.outcomes:
            _count_tools(outcome, tools)
            _count_arguments(answered.turn, outcome, arguments)
            _count_slices(answered, outcome, slices)
    trained = _trained_calls(config)
    return Needs(
        tools=_sorted(tools, {name: trained[name] for name in tools}),
        arguments=_sorted(arguments),
        slices=_sorted(slices),
    )


def _count_tools(outcome: Outcome, counts: Counts) -> None:
    """A call of a tool is wrong where it is missing, has other arguments, or should not be there."""
    for name, tool in outcome.per_tool.items():
        mistakes = {
            "missing": tool.gold_calls - tool.name_matches,
            "wrong arguments": tool.name_matches - tool.exact_matches,
            "not asked for": tool.predicted_calls - tool.name_matches,
        }
        count = counts[name]
        count.answers += 1
        count.wrong += any(mistakes.values())
        count.kinds.update({kind: number for kind, number in mistakes.items() if number})
        if mistakes["missing"] and (others := [other for other in outcome.per_tool if other != name]):
            surplus = [other for other in others if outcome.per_tool[other].predicted_calls]
            count.examples.update(f"{other} called in its place" for other in surplus)


def _count_arguments(turn: Turn, outcome: Outcome, counts: Counts) -> None:
    catalog = catalog_of(turn)
    calls = [call for call in outcome.calls if isinstance(call, ToolCall)]
    for pair in match(calls, outcome.gold, catalog, turn.order).pairs:
        gold, call = outcome.gold[pair.gold], calls[pair.predicted]
        differing: dict[str, str] = {}
        for difference in () if pair.exact else pair_differences(gold, call, catalog):
            differing.setdefault(difference.path.partition(".")[0].partition("[")[0], str(difference))
        for name in argument_names(gold, call, catalog):
            count = counts[f"{gold.name}.{name}"]
            count.answers += 1
            if name in differing:
                count.wrong += 1
                count.examples[differing[name][:200]] += 1


def _count_slices(answered: Answered, outcome: Outcome, counts: Counts) -> None:
    turn = answered.turn
    calls = len(turn.gold)
    expected = "any call" if turn.any_call else "no call" if not turn.allows_call else f"{min(calls, 2)} calls"
    names = [f"tag {tag}" for tag in turn.tags]
    names += [{"1 calls": "one call", "2 calls": "several calls"}.get(expected, expected)]
    names += ["first answer" if turn.position <= 1 else "later answer"]
    for name in names:
        count = counts[name]
        count.answers += 1
        if outcome.outcome != "ok":
            count.wrong += 1
            count.kinds[outcome.outcome] += 1


def _trained_calls(config: RunConfig) -> Counter[str]:
    sessions = split_sessions(config, "train", read_records)
    messages = (message for _, session in sessions for message in session.messages if message.train)
    return Counter(call.name for message in messages for call in message.tool_calls)


def _sorted(counts: Counts, trained: dict[str, Any] | None = None) -> tuple[Need, ...]:
    found = [count.need(name, (trained or {}).get(name)) for name, count in counts.items() if count.wrong]
    return tuple(sorted(found, key=lambda need: (-need.wrong, need.name)))
