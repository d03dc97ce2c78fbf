"""Metrics: pure functions of sums over turns, with n and 95 % intervals that respect sessions.

Every metric is a ratio of two weighted sums of counts (micro), or the mean over tools of such a ratio (macro).
Undefined is None, never 0 or 1. Outcomes come as a `Tally`, in which repeats of a turn are averaged.

Intervals of one model (`summarise`, `slices`): Wilson's score interval with the effective number of observations
n_eff = v (1 - v) / var(v), where var is the ratio's linearised variance between sessions, and Student's t with
(sessions - 1) degrees of freedom. n_eff is at most n; where every observation agrees (v is 0 or 1), the sessions are
taken for the observations. In simulations (10 to 150 sessions, v from 0.5 to 0.99, intra-session correlation 0.05 to
0.6) it covered 86 to 98 %, most often 93 to 97 %; the percentile bootstrap over sessions covered 16 to 97 %, since it
cannot see what it did not draw.

Intervals of a difference (`differences`): paired cluster bootstrap over sessions, percentiles, 10,000 resamples, fixed
seed, as the gate wants it; one draw serves all metrics. Macro metrics, whose sums are as wide as there are tools, take
the linearised variance between sessions and Student's t instead. Two runs that agree in every session differ by
exactly 0, with limits 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from callproof.records import Record

from .intervals import Array, resampled_sums, t_quantile, wilson
from .tally import COUNTS, TOOL_COUNTS, Rows, Tally, sums_by_group


class Estimate(Record):
    """A metric of one model: value, n of what it counts (see `Metric.n`), 95 % limits, sessions that it rests on."""

    value: float | None
    n: int
    low: float | None
    high: float | None
    clusters: int


class Difference(Record):
    """Candidate minus baseline of one metric, over the turns that both sides hold.

    `low` and `high` are two-sided 95 % limits; `lower_one_sided` and `upper_one_sided` are each a one-sided 95 % limit.
    `n` counts paired turns, `clusters` their sessions, `unpaired` the turns of one side only, which are left out.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    lower_one_sided: float | None
    upper_one_sided: float | None
    n: int
    clusters: int
    unpaired: int


@dataclass(frozen=True)
class Metric:
    """Top over bottom, each a weighted sum of `Counts`; `by_tool`: of `ToolCounts`, averaged over the tools in gold.

    `n_field`: the count that `n` is, where that is not the bottom: of an F1, those in gold.
    """

    name: str
    description: str
    top: Mapping[str, int]
    bottom: Mapping[str, int]
    higher_is_better: bool = True
    by_tool: bool = False
    n_field: str | None = None


def _ratio(name: str, top: str, bottom: str, description: str, better: bool = True) -> Metric:
    return Metric(name, description, {top: 1}, {bottom: 1}, better)


def _f1(name: str, both: str, predicted: str, gold: str, description: str, by_tool: bool = False) -> Metric:
    return Metric(name, description, {both: 2}, {predicted: 1, gold: 1}, by_tool=by_tool, n_field=gold)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _ratio("turn_exact", "exact", "turn", "turns answered exactly right, correct abstention included / turns"),
        _ratio("pass_k", "always_exact", "turn", "turns answered exactly right in each of their repeats / turns"),
        _f1("name_f1", "name_matches", "predicted_calls", "gold_calls", "F1 of function names, as multisets a turn"),
        _ratio("name_precision", "name_matches", "predicted_calls", "common names / predicted calls"),
        _ratio("name_recall", "name_matches", "gold_calls", "common names / gold calls"),
        _f1("decision_f1", "attempted_call_turn", "attempted", "call_turn", "F1 of attempting where gold has a call"),
        _ratio("decision_precision", "attempted_call_turn", "attempted", "attempting turns where gold has a call"),
        _ratio("decision_recall", "attempted_call_turn", "call_turn", "turns with gold calls that attempt one"),
        _ratio("parse_rate", "parsed", "attempts", "parsed blocks / attempted blocks"),
        Metric(
            "schema_valid",
            "schema-valid calls / parsed calls of known tools, but for unjudged ones",
            {"schema_valid": 1},
            {"known": 1, "unjudged": -1},
        ),
        _ratio("arg_exact", "exact_matches", "gold_calls", "gold calls matched exactly / gold calls"),
        _ratio("arg_exact_given_name", "exact_matches", "name_matches", "gold calls matched exactly / name matches"),
        _f1("arg_f1", "matched_args", "predicted_args", "gold_args", "F1 of arguments in calls of one name"),
        _ratio("arg_precision", "matched_args", "predicted_args", "matched / predicted arguments"),
        _ratio("arg_recall", "matched_args", "gold_args", "matched / gold arguments"),
        _ratio(
            "hallucination_rate",
            "attempted_no_call_turn",
            "answered_no_call_turn",
            "answered no-call turns with an attempt, malformed ones included / answered no-call turns",
            better=False,
        ),
        Metric(
            "unknown_tool_rate",
            "parsed calls of tools that are not in the turn's catalog / parsed calls",
            {"parsed": 1, "known": -1},
            {"parsed": 1},
            higher_is_better=False,
        ),
        Metric(
            "false_abstention",
            "answered call turns without an attempt / answered call turns",
            {"answered_call_turn": 1, "attempted_call_turn": -1},
            {"answered_call_turn": 1},
            higher_is_better=False,
        ),
        _ratio("infra_error_rate", "infra", "turn", "turns without answer after retries / turns", better=False),
        _ratio("empty_rate", "empty", "turn", "turns answered with neither text nor a call / turns", better=False),
        _ratio(
            "truncated_rate",
            "truncated",
            "turn",
            "turns cut off in a call, in thinking or before it / turns",
            better=False,
        ),
        _ratio("text_beside_rate", "text_beside", "attempted", "attempts with text beside them", better=False),
        _ratio("unclosed_rate", "unclosed", "attempts", "accepted blocks without end tag / attempts", better=False),
        _ratio("decoded_string_rate", "decoded_strings", "parsed", "calls with arguments as a string", better=False),
        _ratio("unjudged_rate", "unjudged", "known", "calls that no schema could judge / known ones", better=False),
        _ratio("relaxed_rate", "relaxed_matches", "exact_matches", "exact only as `x-match` allows", better=False),
        _f1(
            "name_f1_macro",
            "name_matches",
            "predicted_calls",
            "gold_calls",
            "mean of the name F1 of each tool in gold",
            by_tool=True,
        ),
        Metric(
            "arg_exact_macro",
            "mean over the tools in gold of gold calls matched exactly / gold calls",
            {"exact_matches": 1},
            {"gold_calls": 1},
            by_tool=True,
        ),
    )
}

_MICRO = tuple(metric for metric in METRICS.values() if not metric.by_tool)
_MACRO = tuple(metric for metric in METRICS.values() if metric.by_tool)


def summarise(tally: Tally) -> dict[str, Estimate]:
    """Every metric of one model's outcomes, with 95 % intervals clustered by session."""
    return _summarised(_Table.of(tally, slice(None), tally.sessions))


def slices(tally: Tally) -> dict[str, dict[str, Estimate]]:
    """`summarise` of each slice: `tool=<in gold>`, `gold_calls=<n>`, `position=<n>`, `tag=<tag>`, `catalog_size=<n>`.

    A turn is in every slice that fits it; where any call is right, in `gold_calls=any`. Numbers beyond 4 share slices:
    `5-8`, `9-16` and so on by powers of two.
    """
    tables = ((name, _Table.of(tally, rows, tally.sessions[rows])) for name, rows in tally.slices.items())
    return {name: _summarised(table) for name, table in tables}


def proportion(hits: NDArray[np.bool_], sessions: Rows) -> Estimate:
    """The share of `hits` (N,) with a 95 % interval clustered by `sessions` (N,), numbered from 0."""
    value, clusters = float(hits.mean()), int(sessions.max()) + 1
    residuals = np.bincount(sessions, weights=(hits - value) / len(hits)).astype(np.float64)
    return _interval(_Linear(value, residuals, len(hits), clusters), len(hits), len(hits))


def differences(candidate: Tally, baseline: Tally) -> dict[str, Difference]:
    """Candidate minus baseline of every metric, paired by turn; see the module's docstring."""
    shared = [turn for turn in candidate.rows if turn in baseline.rows]
    rows = [np.array([side.rows[turn] for turn in shared], dtype=np.int64) for side in (candidate, baseline)]
    sessions = candidate.sessions[rows[0]]
    tables = [_Table.of(side, which, sessions) for side, which in zip((candidate, baseline), rows, strict=True)]
    limits = _bootstrapped(*tables) | _linearised(*tables) if shared else {}
    return {
        name: _difference(name, limits.get(name), tables[0], len(candidate.rows) + len(baseline.rows) - 2 * len(shared))
        for name in METRICS
    }


def _difference(metric: str, limits: tuple[float, ...] | None, table: "_Table", unpaired: int) -> Difference:
    value, low, high, lower, upper = limits or (None,) * 5
    return Difference(
        metric=metric,
        value=value,
        low=low,
        high=high,
        lower_one_sided=lower,
        upper_one_sided=upper,
        n=table.turns,
        clusters=len(table.sums),
        unpaired=unpaired,
    )


@dataclass(frozen=True)
class _Table:
    """Sums over the turns of each of S sessions: `sums` (S, COUNTS); `cells` (C, 2) session and tool; their counts."""

    turns: int
    sums: Array
    cells: Rows
    tool_counts: Array

    @classmethod
    def of(cls, tally: Tally, rows: Rows | slice, sessions: Rows) -> "_Table":
        """Of the turns in `rows`, which are in the `sessions` (rows,) of these numbers."""
        clusters = np.unique(sessions, return_inverse=True)[1]
        session_of = np.full(len(tally.counts), -1)
        session_of[rows] = clusters
        chosen = session_of[tally.cells[:, 0]] >= 0
        cells = np.column_stack([session_of[tally.cells[chosen, 0]], tally.cells[chosen, 1]])
        sums = sums_by_group(tally.counts[rows], clusters)
        return cls(len(sessions), sums, cells, tally.tool_counts[chosen])

    @cached_property
    def tool_sums(self) -> Array:
        """(tools, TOOL_COUNTS), by tool number."""
        return sums_by_group(self.tool_counts, self.cells[:, 1])

    def n(self, metric: Metric) -> int:
        """How many turns, calls or arguments a metric rests on."""
        weights = {metric.n_field: 1} if metric.n_field else metric.bottom
        return round(sum(weight * float(self.sums[:, COUNTS.index(name)].sum()) for name, weight in weights.items()))


@dataclass(frozen=True)
class _Linear:
    """A metric whose value moves by `residuals` (S,) with each session; `units` in its bottom, `clusters` with any."""

    value: float
    residuals: Array
    units: float
    clusters: int

    @property
    def variance(self) -> float:
        return float(np.square(self.residuals).sum()) * self.clusters / max(self.clusters - 1, 1)


def _weights(metrics: tuple[Metric, ...], fields: tuple[str, ...]) -> tuple[Array, Array]:
    """Of tops and of bottoms, each (fields, metrics)."""
    tops = [[float(metric.top.get(name, 0)) for metric in metrics] for name in fields]
    bottoms = [[float(metric.bottom.get(name, 0)) for metric in metrics] for name in fields]
    return np.array(tops), np.array(bottoms)


_TOPS, _BOTTOMS = _weights(_MICRO, COUNTS)
_TOOL_TOPS, _TOOL_BOTTOMS = _weights(_MACRO, TOOL_COUNTS)


def _ratios(tops: Array, bottoms: Array) -> Array:
    """Top over bottom, nan where it is undefined."""
    return np.divide(tops, bottoms, out=np.full(tops.shape, np.nan), where=bottoms > 0)


def _linear(table: _Table) -> Iterator[tuple[Metric, _Linear | None]]:
    """Every metric, None where it is undefined."""
    tops, bottoms = table.sums @ _TOPS, table.sums @ _BOTTOMS
    totals = bottoms.sum(axis=0)
    values = _ratios(tops.sum(axis=0), totals)
    residuals = _ratios(tops - values * bottoms, np.broadcast_to(totals, tops.shape))
    clusters = (bottoms > 0).sum(axis=0)
    for column, metric in enumerate(_MICRO):
        found = _Linear(float(values[column]), residuals[:, column], float(totals[column]), int(clusters[column]))
        yield metric, found if found.clusters else None
    for column, metric in enumerate(_MACRO):
        yield metric, _linear_by_tool(table, _TOOL_TOPS[:, column], _TOOL_BOTTOMS[:, column])


def _linear_by_tool(table: _Table, top: Array, bottom: Array) -> _Linear | None:
    totals = table.tool_sums @ bottom
    chosen = (table.tool_sums[:, TOOL_COUNTS.index("gold_calls")] > 0) & (totals > 0)
    if not chosen.any():
        return None
    ratios = _ratios(table.tool_sums @ top, totals)
    cells = table.cells[:, 1]
    inside = chosen[cells]
    sessions, tools, counts = table.cells[inside, 0], cells[inside], table.tool_counts[inside]
    tops, bottoms, number = counts @ top, counts @ bottom, int(chosen.sum())
    residuals = (tops - ratios[tools] * bottoms) / totals[tools] / number
    return _Linear(
        value=float(ratios[chosen].mean()),
        residuals=np.bincount(sessions, weights=residuals, minlength=len(table.sums)).astype(np.float64),
        units=float(totals[chosen].sum()),
        clusters=len(np.unique(sessions[bottoms > 0])),
    )


def _summarised(table: _Table) -> dict[str, Estimate]:
    found = {metric.name: _estimate(metric, linear, table.n(metric)) for metric, linear in _linear(table)}
    return {name: found[name] for name in METRICS}


def _estimate(metric: Metric, found: _Linear | None, n: int) -> Estimate:
    if found is None:
        return Estimate(value=None, n=n, low=None, high=None, clusters=0)
    return _interval(found, found.units / max(metric.top.values()), n)


def _interval(found: _Linear, units: float, n: int) -> Estimate:
    """Wilson's, worth at most `units` observations; see the module's docstring."""
    value = found.value
    spread = value * (1 - value) / max(found.variance, 1e-12)
    effective = min(units, spread if 0 < value < 1 else found.clusters)
    low, high = wilson(value, effective, t_quantile(0.975, max(found.clusters - 1, 2)))
    return Estimate(value=value, n=n, low=low, high=high, clusters=found.clusters)


_LEVELS = (0.025, 0.975, 0.05, 0.95)


def _bootstrapped(candidate: _Table, baseline: _Table) -> dict[str, tuple[float, ...]]:
    """Difference, two-sided low and high, one-sided lower and upper limit of each micro metric that is defined."""
    columns, width = np.concatenate([candidate.sums, baseline.sums], axis=1), len(COUNTS)

    def differ(sums: Array) -> Array:
        sides = sums[:, :width], sums[:, width:]
        ratios = [_ratios(side @ _TOPS, side @ _BOTTOMS) for side in sides]
        return ratios[0] - ratios[1]

    values = differ(columns.sum(axis=0, keepdims=True))[0]
    defined = np.flatnonzero(~np.isnan(values))
    draws = np.concatenate([differ(sums)[:, defined] for sums in resampled_sums(columns)])
    limits = np.nanquantile(draws, _LEVELS, axis=0)
    return {
        _MICRO[column].name: (float(values[column]), *map(float, limits[:, place]))
        for place, column in enumerate(defined)
    }


def _linearised(candidate: _Table, baseline: _Table) -> dict[str, tuple[float, ...]]:
    """The same of each macro metric, from the variance of its linearised difference."""
    found = {}
    for (metric, ours), (_, theirs) in zip(_linear(candidate), _linear(baseline), strict=True):
        if metric.by_tool and ours and theirs:
            clusters = max(ours.clusters, theirs.clusters)
            both = _Linear(ours.value - theirs.value, ours.residuals - theirs.residuals, 0.0, clusters)
            freedom = max(clusters - 1, 2)
            steps = [t_quantile(level, freedom) * both.variance**0.5 for level in _LEVELS]
            found[metric.name] = (both.value, *(both.value + step for step in steps))
    return found
