"""How much each session moves a metric: the step from sums of counts to standard errors.

A ratio of sums is not a sum, but for small changes it moves like one (linearisation, the delta method): a session that
adds `top` and `bottom` moves the ratio `v` by `(top - v * bottom) / total bottom`. The squares of these residuals, a
session each, give a variance that respects that turns of one session resemble each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .intervals import Array
from .metrics import MACRO, MICRO, Metric
from .tally import COUNTS, TOOL_COUNTS, Rows, Tally, sums_by_group


@dataclass(frozen=True)
class Linear:
    """A metric over S sessions.

    Attributes:
        value: the ratio.
        residuals: (S,) by how much each session moves it; they add up to 0.
        shares: (S,) the part of the bottom that each session holds; they add up to 1.
        units: the sum in the bottom, over all sessions.
        clusters: how many sessions have anything in the bottom.
    """

    value: float
    residuals: Array
    shares: Array
    units: float
    clusters: int

    @property
    def variance(self) -> float:
        """Of the value, between sessions, with the small-sample factor clusters / (clusters - 1)."""
        return float(np.square(self.residuals).sum()) * self.clusters / max(self.clusters - 1, 1)


@dataclass(frozen=True)
class Table:
    """Sums over the turns of each of S sessions: `sums` (S, COUNTS); `cells` (C, 2) session and tool; their counts."""

    sums: Array
    cells: Rows
    tool_counts: Array

    @classmethod
    def of(cls, tally: Tally, rows: Rows | slice, sessions: Rows) -> "Table":
        """Of the turns in `rows`, which are in the `sessions` (rows,) of these numbers."""
        clusters = np.unique(sessions, return_inverse=True)[1]
        session_of = np.full(len(tally.counts), -1)
        session_of[rows] = clusters
        inside = session_of[tally.cells[:, 0]] >= 0
        cells = np.column_stack([session_of[tally.cells[inside, 0]], tally.cells[inside, 1]])
        return cls(sums_by_group(tally.counts[rows], clusters), cells, tally.tool_counts[inside])

    @cached_property
    def tool_sums(self) -> Array:
        """(tools, TOOL_COUNTS), by tool number."""
        return sums_by_group(self.tool_counts, self.cells[:, 1])

    def count(self, name: str) -> float:
        """The sum of one of COUNTS over all sessions."""
        return float(self.sums[:, COUNTS.index(name)].sum())

    def n(self, metric: Metric) -> int:
        """How many turns, calls or arguments a metric rests on."""
        return round(sum(weight * self.count(name) for name, weight in metric.n_weights.items()))


def weights(metrics: tuple[Metric, ...], fields: tuple[str, ...]) -> tuple[Array, Array]:
    """Of tops and of bottoms, each (fields, metrics)."""
    tops = [[float(metric.top.get(name, 0)) for metric in metrics] for name in fields]
    bottoms = [[float(metric.bottom.get(name, 0)) for metric in metrics] for name in fields]
    return np.array(tops), np.array(bottoms)


TOPS, BOTTOMS = weights(MICRO, COUNTS)
TOOL_TOPS, TOOL_BOTTOMS = weights(MACRO, TOOL_COUNTS)


def linear(table: Table) -> Iterator[tuple[Metric, Linear | None]]:
    """Every metric of a table, None where it is undefined."""
    tops, bottoms = table.sums @ TOPS, table.sums @ BOTTOMS
    totals = bottoms.sum(axis=0)
    values = _ratios(tops.sum(axis=0), totals)
    every = np.broadcast_to(totals, tops.shape)
    residuals, shares = _ratios(tops - values * bottoms, every), _ratios(bottoms, every)
    for column, metric in enumerate(MICRO):
        clusters, units = int(np.count_nonzero(bottoms[:, column] > 0)), float(totals[column])
        part = Linear(float(values[column]), residuals[:, column], shares[:, column], units, clusters)
        yield metric, part if clusters else None
    for column, metric in enumerate(MACRO):
        yield metric, _linear_by_tool(table, TOOL_TOPS[:, column], TOOL_BOTTOMS[:, column])


def _ratios(tops: Array, bottoms: Array) -> Array:
    """Top over bottom, nan where it is undefined."""
    return np.divide(tops, bottoms, out=np.full(tops.shape, np.nan), where=bottoms > 0)


def _linear_by_tool(table: Table, top: Array, bottom: Array) -> Linear | None:
    """The mean of a ratio over the tools in gold; None where there is none."""
    totals = table.tool_sums @ bottom
    in_gold = (table.tool_sums[:, TOOL_COUNTS.index("gold_calls")] > 0) & (totals > 0)
    if not in_gold.any():
        return None
    ratios = _ratios(table.tool_sums @ top, totals)
    inside = in_gold[table.cells[:, 1]]
    sessions, tools, counts = table.cells[inside, 0], table.cells[inside, 1], table.tool_counts[inside]
    tops, bottoms, scale = counts @ top, counts @ bottom, totals[tools] * int(in_gold.sum())

    def by_session(values: Array) -> Array:
        return np.bincount(sessions, weights=values, minlength=len(table.sums)).astype(np.float64)

    return Linear(
        value=float(ratios[in_gold].mean()),
        residuals=by_session((tops - ratios[tools] * bottoms) / scale),
        shares=by_session(bottoms / scale),
        units=float(totals[in_gold].sum()),
        clusters=len(np.unique(sessions[bottoms > 0])),
    )
