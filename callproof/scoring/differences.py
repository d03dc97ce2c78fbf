"""Candidate minus baseline of every metric, paired by turn, with the score intervals of `spread`."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from callproof.records import Record

from .intervals import Array
from .linear import BOTTOMS, TOOL_BOTTOMS, TOOL_TOPS, TOPS, Linear, Table, linear
from .metrics import MACRO, METRICS, MICRO
from .spread import LEVEL, Spread, evidence_of
from .tally import Rows, Tally, sums_by_group

Bools = NDArray[np.bool_]


class Enough(NamedTuple):
    """So much of the same would settle a difference."""

    sessions: int
    turns: int


class Difference(Record):
    """Candidate minus baseline of one metric, over the turns that both sides hold.

    Attributes:
        low, high: two-sided 95 % limits.
        lower_one_sided, upper_one_sided: each a one-sided 95 % limit.
        error: the standard error between sessions; 0 where no session differs.
        clumps: how much of a session is lost, and gained, at a time; see `spread`.
        n: the paired turns that the metric is made of; of a rate of false calls, those that expect no call.
        clusters: the sessions that these turns are in.
        discordant, discordant_clusters: of these, the turns whose counts differ between the sides, and their sessions.
        unpaired: turns of one side only, which are left out.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    lower_one_sided: float | None
    upper_one_sided: float | None
    error: float | None = None
    clumps: tuple[float, float] | None = None
    n: int
    clusters: int
    discordant: int
    discordant_clusters: int
    unpaired: int

    @property
    def spread(self) -> Spread | None:
        """How sure the value is; None where there is none."""
        if self.error is None or self.clumps is None:
            return None
        return Spread(self.error, *self.clumps, self.clusters)

    def at(self, level: float) -> "Difference":
        """The same with one-sided limits at another level; the two-sided ones stay."""
        spread = self.spread
        if spread is None or self.value is None:
            return self
        lower, upper = max(self.value - spread.below(level), -1.0), min(self.value + spread.above(level), 1.0)
        return self.model_copy(update={"lower_one_sided": lower, "upper_one_sided": upper})

    def gain(self) -> "Difference":
        """The same in the direction in which the metric is good: above 0 the candidate is better."""
        if METRICS[self.metric].higher_is_better:
            return self
        opposite = {"value": "value", "low": "high", "lower_one_sided": "upper_one_sided"}
        pairs = {**opposite, **{other: name for name, other in opposite.items()}}
        values: dict[str, float | None] = {name: getattr(self, other) for name, other in pairs.items()}
        turned = {name: None if value is None else 0.0 - value for name, value in values.items()}
        return self.model_copy(update={**turned, "clumps": self.clumps and self.clumps[::-1]})

    def verdict(self, margin: float, min_sessions: int) -> Literal["pass", "fail", "inconclusive"]:
        """Whether a gain is not inferior: pass where its lower one-sided limit is above -margin, fail where the upper
        one is below it. Nothing passes on fewer than `min_sessions` sessions.
        """
        lower, upper = self.lower_one_sided, self.upper_one_sided
        if lower is None or upper is None:
            return "inconclusive"
        if upper < -margin:
            return "fail"
        return "pass" if lower > -margin and self.clusters >= min_sessions else "inconclusive"

    def enough(self, margin: float, min_sessions: int) -> Enough | None:
        """What would settle an inconclusive gain, were the true one as seen; None where no number is known to."""
        needed: int | None = min_sessions
        if self.lower_one_sided is None or self.lower_one_sided <= -margin:
            spread = self.spread
            needed = spread.sessions_needed((self.value or 0.0) + margin) if spread else None
        if needed is None or not self.clusters:
            return None
        sessions = max(needed, min_sessions)
        return Enough(sessions, math.ceil(self.n * sessions / self.clusters))


def differences(candidate: Tally, baseline: Tally) -> dict[str, Difference]:
    """Candidate minus baseline of every metric; see `spread`."""
    shared = [turn for turn in candidate.rows if turn in baseline.rows]
    unpaired = len(candidate.rows) + len(baseline.rows) - 2 * len(shared)
    rows = [np.array([side.rows[turn] for turn in shared], dtype=np.int64) for side in (candidate, baseline)]
    sessions = candidate.sessions[rows[0]]
    sides = list(zip((candidate, baseline), rows, strict=True))
    ours, theirs = ({metric.name: part for metric, part in linear(Table.of(*side, sessions))} for side in sides)
    evidence = _evidence(candidate, baseline, rows, sessions)
    return {name: _difference(name, ours[name], theirs[name], evidence[name], unpaired) for name in METRICS}


@dataclass(frozen=True)
class _Evidence:
    """Turns and sessions that carry a metric, and those that differ in it."""

    n: int
    clusters: int
    discordant: int
    discordant_clusters: int


def _difference(
    name: str, ours: Linear | None, theirs: Linear | None, evidence: _Evidence, unpaired: int
) -> Difference:
    counted = {"metric": name, "unpaired": unpaired, **vars(evidence)}
    empty = dict.fromkeys(("value", "low", "high", "lower_one_sided", "upper_one_sided"))
    if ours is None or theirs is None:
        return Difference.model_validate({**counted, **empty})
    value, spread = ours.value - theirs.value, _spread(ours, theirs)
    return Difference(
        **counted,
        value=value,
        low=max(value - spread.below(0.975), -1.0),
        high=min(value + spread.above(0.975), 1.0),
        lower_one_sided=max(value - spread.below(LEVEL), -1.0),
        upper_one_sided=min(value + spread.above(LEVEL), 1.0),
        error=spread.error,
        clumps=(spread.losses, spread.gains),
    )


def _spread(ours: Linear, theirs: Linear) -> Spread:
    sizes = (ours.shares + theirs.shares) / 2
    carrying = sizes > 0
    residuals = ours.residuals - theirs.residuals
    evidence = evidence_of(ours.value - theirs.value, residuals[carrying], sizes[carrying])
    error, losses, gains = map(float, evidence)
    return Spread(error, losses, gains, int(np.count_nonzero(carrying)))


def _evidence(candidate: Tally, baseline: Tally, rows: list[Rows], sessions: Rows) -> dict[str, _Evidence]:
    """By metric; `rows`: of the paired turns on either side, which are in `sessions`."""
    ours, theirs = (side.counts[where] for side, where in zip((candidate, baseline), rows, strict=True))
    differing = ((ours - theirs) @ TOPS != 0) | ((ours - theirs) @ BOTTOMS != 0)
    carrying = (ours @ BOTTOMS > 0) | (theirs @ BOTTOMS > 0)
    evidence = {
        metric.name: _counted(carrying[:, column], differing[:, column], sessions)
        for column, metric in enumerate(MICRO)
    }
    turns, ours, theirs = _paired_cells(candidate, baseline, rows)
    for column, metric in enumerate(MACRO):
        weights = np.column_stack([TOOL_TOPS[:, column], TOOL_BOTTOMS[:, column]])
        changed = ((ours - theirs) @ weights != 0).any(axis=1)
        carried = ((ours + theirs) @ weights)[:, 1] > 0
        masks = [np.bincount(turns[mask], minlength=len(sessions)) > 0 for mask in (carried, changed)]
        evidence[metric.name] = _counted(masks[0], masks[1], sessions)
    return evidence


def _counted(carrying: Bools, differing: Bools, sessions: Rows) -> _Evidence:
    carried, changed = sessions[carrying], sessions[carrying & differing]
    return _Evidence(len(carried), len(np.unique(carried)), len(changed), len(np.unique(changed)))


def _paired_cells(candidate: Tally, baseline: Tally, rows: list[Rows]) -> tuple[Rows, Array, Array]:
    """(cells,) number of the paired turn, and (cells, TOOL_COUNTS) of either side, of each turn and tool of either."""
    numbers = {tool: number for number, tool in enumerate(dict.fromkeys((*candidate.tools, *baseline.tools)))}
    keys, counts = [], []
    for side, where in zip((candidate, baseline), rows, strict=True):
        turn_of = np.full(len(side.counts), -1)
        turn_of[where] = np.arange(len(where))
        inside = turn_of[side.cells[:, 0]] >= 0
        number_of = np.array([numbers[tool] for tool in side.tools], dtype=np.int64)
        keys.append(turn_of[side.cells[inside, 0]] * max(len(numbers), 1) + number_of[side.cells[inside, 1]])
        counts.append(side.tool_counts[inside])
    every, places = np.unique(np.concatenate(keys), return_inverse=True)
    zeros = [np.zeros_like(part) for part in counts]
    ours = sums_by_group(np.concatenate([counts[0], zeros[1]]), places)
    theirs = sums_by_group(np.concatenate([zeros[0], counts[1]]), places)
    return every // max(len(numbers), 1), ours, theirs
