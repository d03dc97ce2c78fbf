"""The numbers of one model's outcomes, a row a turn: all that metrics need, however long the answers are.

An outcome leaves about half a kilobyte here and none of its text. Repeated answers to one turn are averaged within it.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

from callproof.records import Number

from .counts import Counts, ToolCounts, contradiction
from .intervals import Array
from .outcomes import Channel, Outcome, OutcomeLabel

Rows = NDArray[np.int64]

COUNTS = (*Counts.model_fields, "always_exact")
TOOL_COUNTS = tuple(ToolCounts.model_fields)
_read_counts, _read_tool_counts = attrgetter(*Counts.model_fields), attrgetter(*TOOL_COUNTS)
_EXACT, _ALWAYS_EXACT = COUNTS.index("exact"), COUNTS.index("always_exact")


class _Named(BaseModel):
    name: str


class _Answered(BaseModel):
    requests: int | None = None


class Countable(BaseModel):
    """The part of an `Outcome` that is counted; read from a line of outcomes.jsonl in a third of the time.

    Counts that no answer can have are refused; see `callproof.scoring.counts`.
    """

    model_config = ConfigDict(frozen=True)

    turn_id: str
    session_id: str
    model: str
    channel: Channel
    position: Number
    tags: tuple[str, ...]
    catalog_size: Number
    gold: tuple[_Named, ...]
    alternative: Number | None = None
    outcome: OutcomeLabel
    reasons: tuple[str, ...]
    notation: str | None = None
    counts: Counts
    per_tool: dict[str, ToolCounts]
    answer: _Answered

    @model_validator(mode="after")
    def _possible(self) -> "Countable":
        if problem := contradiction(self.counts, self.per_tool, len(self.gold), self.outcome):
            raise ValueError(problem)
        return self


@dataclass(frozen=True)
class Tally:
    """Sums and memberships of T turns, in an order of their own: sums are equal to the last bit however outcomes came.

    Attributes:
        rows: turn id -> row, in the order of the ids.
        sessions: (T,) number of each turn's session, from 0 in the order of their ids.
        counts: (T, COUNTS) what each turn adds; `always_exact` is 1 where every repeat of the turn is exact.
        tools: names by tool number, sorted.
        cells: (C, 2) row and tool number of each turn's tools, sorted.
        tool_counts: (C, TOOL_COUNTS) what the turn adds for that tool.
        slices: name -> rows of its turns, by kind, then in natural order; see `callproof.scoring.estimates.slices`.
        labels: how many answers had each outcome.
        notations: how many answers wrote their calls in each notation (see `Outcome.notation`), None: held no attempt;
            unanswered turns are left out.
        alternatives: of turns with several right answers, how many answers each of them matched in full, by its number.
        retried: how many answers took more than one request.
    """

    rows: Mapping[str, int]
    sessions: Rows
    counts: Array
    tools: tuple[str, ...]
    cells: Rows
    tool_counts: Array
    slices: Mapping[str, Rows]
    labels: Mapping[str, int]
    notations: Mapping[str | None, int]
    alternatives: Mapping[int, int]
    retried: int

    @classmethod
    def of(cls, outcomes: Iterable[Outcome | Countable]) -> "Tally":
        counter = TallyCounter()
        for outcome in outcomes:
            counter.add(outcome)
        return counter.tally()


_SliceKey = tuple[int, int, str]


class TallyCounter:
    """Takes outcomes of one model one at a time, in any order."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._sessions: dict[str, int] = {}
        self._tools: dict[str, int] = {}
        self._session, self._row = array("i"), array("i")
        self._counts, self._cells = array("i"), array("i")
        self._slices: dict[_SliceKey, array[int]] = defaultdict(lambda: array("i"))
        self._labels: Counter[str] = Counter()
        self._notations: Counter[str | None] = Counter()
        self._alternatives: Counter[int] = Counter()
        self._retried = 0

    def add(self, outcome: Outcome | Countable) -> None:
        row = self._rows.setdefault(outcome.turn_id, len(self._rows))
        if row == len(self._session):
            self._session.append(self._sessions.setdefault(outcome.session_id, len(self._sessions)))
            for key in _slice_keys(outcome):
                self._slices[key].append(row)
        self._row.append(row)
        self._counts.extend(_read_counts(outcome.counts))
        for tool, counts in outcome.per_tool.items():
            number = self._tools.setdefault(tool, len(self._tools))
            self._cells.extend((row, number, *_read_tool_counts(counts)))
        self._labels[outcome.outcome] += 1
        if not outcome.counts.infra:
            self._notations[outcome.notation] += 1
        if outcome.alternative is not None and outcome.counts.exact:
            self._alternatives[outcome.alternative] += 1
        self._retried += (outcome.answer.requests or 1) > 1

    def tally(self) -> Tally:
        """What was added so far."""
        turns, row_of = _in_order(self._rows)
        _, session_of = _in_order(self._sessions)
        tools, tool_of = _in_order(self._tools)
        rows = row_of[_numbers(self._row)]
        repeats = np.bincount(rows, minlength=len(turns)).astype(np.float64)
        cells = _numbers(self._cells).reshape(-1, 2 + len(TOOL_COUNTS))
        cells[:, 0], cells[:, 1] = row_of[cells[:, 0]], tool_of[cells[:, 1]]
        cells = cells[np.lexsort(cells.T[::-1])]
        return Tally(
            rows={turn: row for row, turn in enumerate(turns)},
            sessions=session_of[_numbers(self._session)][np.argsort(row_of)],
            counts=self._means(rows, repeats),
            tools=tuple(tools),
            cells=cells[:, :2],
            tool_counts=cells[:, 2:] / repeats[cells[:, 0], None],
            slices={key[2]: np.sort(row_of[_numbers(self._slices[key])]) for key in sorted(self._slices)},
            labels=dict(sorted(self._labels.items())),
            notations=dict(sorted(self._notations.items(), key=lambda item: item[0] or "")),
            alternatives=dict(sorted(self._alternatives.items())),
            retried=self._retried,
        )

    def _means(self, rows: Rows, repeats: Array) -> Array:
        """(T, COUNTS) of each turn, over its repeats."""
        added = np.frombuffer(self._counts, dtype=np.intc).reshape(-1, len(COUNTS) - 1)
        means = np.zeros((len(repeats), len(COUNTS)))
        np.divide(sums_by_group(added, rows), repeats[:, None], out=means[:, :_ALWAYS_EXACT])
        means[:, _ALWAYS_EXACT] = means[:, _EXACT] == 1
        return means


def _in_order(numbers: Mapping[str, int]) -> tuple[list[str], Rows]:
    """The names in their order, and the place there of each number (from 0, none left out)."""
    names = sorted(numbers)
    places = np.empty(len(names), dtype=np.int64)
    places[[numbers[name] for name in names]] = np.arange(len(names))
    return names, places


def sums_by_group(values: NDArray[np.generic], groups: Rows) -> Array:
    """Sums of the rows of `values` (N, columns) by their number in `groups` (N,), from 0.

    Column by column, so that no copy of `values` is made.
    """
    return np.stack([np.bincount(groups, weights=column) for column in values.T], axis=1).astype(np.float64, copy=False)


def _numbers(values: "array[int]") -> Rows:
    return np.array(values, dtype=np.int64)


def _slice_keys(outcome: Outcome | Countable) -> Iterator[_SliceKey]:
    """(kind, order within the kind, name) of each slice that the outcome is in."""
    for tool in dict.fromkeys(call.name for call in outcome.gold):
        yield 0, 0, f"tool={tool}"
    if outcome.counts.call_turn and not outcome.gold:
        yield 1, 0, "gold_calls=any"
    else:
        yield 1, *_bucket("gold_calls", len(outcome.gold))
    yield 2, *_bucket("position", outcome.position)
    yield 3, *_bucket("catalog_size", outcome.catalog_size)
    for tag in dict.fromkeys(outcome.tags):
        yield 4, 0, f"tag={tag}"


@lru_cache(maxsize=1024)
def _bucket(name: str, number: int) -> tuple[int, str]:
    """(top, name) of the slice that a number is in; see `callproof.scoring.estimates.slices`."""
    if number <= 4:
        return number, f"{name}={number}"
    top = 1 << (number - 1).bit_length()
    return top, f"{name}={top // 2 + 1}-{top}"
