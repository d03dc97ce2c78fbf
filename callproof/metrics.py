"""Metrics: pure functions of sums over turns, with n and 95 % intervals that respect sessions.

Every metric is a ratio of two weighted sums of `Counts` (micro), or the mean over tools of such a ratio (macro).
Undefined is None, never 0 or 1.

Intervals of one model (`summarise`, `slices`): Wilson's score interval with the effective number of observations
n_eff = v (1 - v) / var(v), where var is the ratio's linearised variance between sessions, and Student's t with
(sessions - 1) degrees of freedom. n_eff is at most n; where every observation agrees (v is 0 or 1), the sessions are
taken for the observations. In simulations (10 to 150 sessions, v from 0.5 to 0.99, intra-session correlation 0.05 to
0.6) it covered 86 to 98 %, most often 93 to 97 %; the percentile bootstrap over sessions covered 16 to 97 %, since it
cannot see what it did not draw.

Intervals of a difference (`difference`): paired cluster bootstrap over sessions, percentiles, 10,000 resamples, fixed
seed, as the gate wants it. Two runs that agree in every session differ by exactly 0, with limits 0.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from callproof.intervals import Array, resampled_sums, t_quantile, wilson
from callproof.outcomes import Counts, Outcome, ToolCounts
from callproof.records import Record


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
class Sums:
    """Counts added up over turns."""

    counts: Mapping[str, int]
    per_tool: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Sums":
        counts: dict[str, int] = dict.fromkeys(Counts.model_fields, 0)
        per_tool: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ToolCounts.model_fields, 0))
        for outcome in outcomes:
            for name, value in outcome.counts:
                counts[name] += value
            for tool, found in outcome.per_tool.items():
                for name, value in found:
                    per_tool[tool][name] += value
        return cls(counts, dict(per_tool))


@dataclass(frozen=True)
class Metric:
    """Top over bottom, each a weighted sum of `Counts`; `by_tool`: of `ToolCounts`, averaged over the tools in gold.

    `n_field`: the count that `n` is, where that is not the bottom.
    """

    name: str
    description: str
    top: Mapping[str, int]
    bottom: Mapping[str, int]
    higher_is_better: bool = True
    by_tool: bool = False
    n_field: str | None = None

    def value(self, sums: Sums) -> float | None:
        """The metric of these sums, or None where it is undefined."""
        parts = [(self.top, self.bottom, counts) for counts in self._tables(sums)]
        pairs = [(_weighted(top, counts), _weighted(bottom, counts)) for top, bottom, counts in parts]
        ratios = [top / bottom for top, bottom in pairs if bottom]
        return sum(ratios) / len(ratios) if ratios else None

    def n(self, sums: Sums) -> int:
        """How many turns, calls or arguments it rests on: the denominator; of an F1, those in gold."""
        return sums.counts[self.n_field] if self.n_field else _weighted(self.bottom, sums.counts)

    def _tables(self, sums: Sums) -> list[Mapping[str, int]]:
        return [counts for counts in sums.per_tool.values() if counts["gold_calls"]] if self.by_tool else [sums.counts]


def _weighted(weights: Mapping[str, int], counts: Mapping[str, int]) -> int:
    return sum(weight * counts[name] for name, weight in weights.items())


def _ratio(name: str, top: str, bottom: str, description: str, better: bool = True) -> Metric:
    return Metric(name, description, {top: 1}, {bottom: 1}, better)


def _f1(name: str, both: str, predicted: str, gold: str, description: str, by_tool: bool = False) -> Metric:
    return Metric(name, description, {both: 2}, {predicted: 1, gold: 1}, by_tool=by_tool, n_field=gold)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _ratio("turn_exact", "exact", "turn", "turns answered exactly right, correct abstention included / turns"),
        _f1("name_f1", "name_matches", "predicted_calls", "gold_calls", "F1 of function names, as multisets a turn"),
        _ratio("name_precision", "name_matches", "predicted_calls", "common names / predicted calls"),
        _ratio("name_recall", "name_matches", "gold_calls", "common names / gold calls"),
        _f1("decision_f1", "attempted_call_turn", "attempted", "call_turn", "F1 of attempting where gold has a call"),
        _ratio("decision_precision", "attempted_call_turn", "attempted", "attempting turns where gold has a call"),
        _ratio("decision_recall", "attempted_call_turn", "call_turn", "turns with gold calls that attempt one"),
        _ratio("parse_rate", "parsed", "attempts", "parsed blocks / attempted blocks"),
        _ratio("schema_valid", "schema_valid", "known", "schema-valid calls / parsed calls of known tools"),
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
        _ratio("truncated_rate", "truncated", "turn", "turns cut off in a call or in thinking / turns", better=False),
        _ratio("text_beside_rate", "text_beside", "attempted", "attempts with text beside them", better=False),
        _ratio("unclosed_rate", "unclosed", "attempts", "accepted blocks without end tag / attempts", better=False),
        _ratio("decoded_string_rate", "decoded_strings", "parsed", "calls with arguments as a string", better=False),
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

_COUNTS, _TOOL_COUNTS = tuple(Counts.model_fields), tuple(ToolCounts.model_fields)
_read_counts, _read_tool_counts = attrgetter(*_COUNTS), attrgetter(*_TOOL_COUNTS)


def summarise(outcomes: Sequence[Outcome]) -> dict[str, Estimate]:
    """Every metric of one model's outcomes, with 95 % intervals clustered by session."""
    table = _Table.of(outcomes, {outcome.session_id for outcome in outcomes})
    sums = Sums.of(outcomes)
    return {name: _estimate(metric, table, metric.n(sums)) for name, metric in METRICS.items()}


def slices(outcomes: Iterable[Outcome]) -> dict[str, dict[str, Estimate]]:
    """`summarise` of each slice: `tool=<in gold>`, `gold_calls=<n>`, `position=<n>`, `tag=<tag>`, `catalog_size=<n>`.

    A turn is in every slice that fits it. Numbers beyond 4 share slices: `5-8`, `9-16` and so on by powers of two.
    """
    groups: dict[tuple[int, int, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for key in _slice_keys(outcome):
            groups[key].append(outcome)
    return {key[2]: summarise(groups[key]) for key in sorted(groups)}


def difference(candidate: Sequence[Outcome], baseline: Sequence[Outcome], metric: str) -> Difference:
    """Candidate minus baseline of one metric, paired by turn, with cluster bootstrap limits.

    Raises:
        KeyError: no such metric.
        ValueError: one side holds a turn twice.
    """
    sides = [_by_turn(side) for side in (candidate, baseline)]
    shared = sides[0].keys() & sides[1].keys()
    sessions = {sides[0][turn].session_id for turn in shared}
    tables = [_Table.of([found for turn, found in side.items() if turn in shared], sessions) for side in sides]
    estimate = _bootstrapped(METRICS[metric], *tables) if shared else [None] * 5
    value, low, high, lower, upper = estimate
    return Difference(
        metric=metric,
        value=value,
        low=low,
        high=high,
        lower_one_sided=lower,
        upper_one_sided=upper,
        n=len(shared),
        clusters=len(sessions),
        unpaired=len(sides[0].keys() ^ sides[1].keys()),
    )


@dataclass(frozen=True)
class _Table:
    """Sums a session: `counts` (sessions, Counts), `per_tool` (sessions, tools in gold, ToolCounts)."""

    counts: Array
    per_tool: Array

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], sessions: Iterable[str]) -> "_Table":
        rows = {session: row for row, session in enumerate(sorted(sessions))}
        tools = {tool: column for column, tool in enumerate(sorted({c.name for o in outcomes for c in o.gold}))}
        counts = np.zeros((len(rows), len(_COUNTS)))
        per_tool = np.zeros((len(rows), len(tools), len(_TOOL_COUNTS)))
        added = np.array([_read_counts(o.counts) for o in outcomes]).reshape(-1, len(_COUNTS))
        np.add.at(counts, [rows[o.session_id] for o in outcomes], added)
        found = [(rows[o.session_id], tools[t], c) for o in outcomes for t, c in o.per_tool.items() if t in tools]
        for row, column, of_tool in found:
            per_tool[row, column] += _read_tool_counts(of_tool)
        return cls(counts, per_tool)

    def parts(self, metric: Metric) -> tuple[Array, Array]:
        """Tops and bottoms of a metric a session, each (sessions, tools), or (sessions, 1) if it is not by tool."""
        fields = _TOOL_COUNTS if metric.by_tool else _COUNTS
        source = self.per_tool if metric.by_tool else self.counts[:, None, :]
        top, bottom = (np.array([weights.get(name, 0) for name in fields]) for weights in (metric.top, metric.bottom))
        return source @ top, source @ bottom


def _mean_ratio(tops: Array, bottoms: Array) -> Array:
    """Mean over the last axis of the ratios that are defined; nan where none is."""
    defined = bottoms > 0
    ratios = np.divide(tops, bottoms, out=np.zeros_like(tops), where=defined)
    number = defined.sum(axis=-1)
    return np.divide(ratios.sum(axis=-1), number, out=np.full(number.shape, np.nan), where=number > 0)


def _estimate(metric: Metric, table: _Table, n: int) -> Estimate:
    tops, bottoms = table.parts(metric)
    clusters = int((bottoms.sum(axis=1) > 0).sum())
    if not clusters:
        return Estimate(value=None, n=n, low=None, high=None, clusters=0)
    totals = bottoms.sum(axis=0)
    tops, bottoms, totals = tops[:, totals > 0], bottoms[:, totals > 0], totals[totals > 0]
    ratios = tops.sum(axis=0) / totals
    value = float(ratios.mean())
    residuals = ((tops - ratios * bottoms) / totals).mean(axis=1)
    variance = float(np.square(residuals).sum()) * clusters / max(clusters - 1, 1)
    units = float(totals.sum()) / max(metric.top.values())
    effective = min(units, value * (1 - value) / max(variance, 1e-12)) if 0 < value < 1 else min(units, clusters)
    low, high = wilson(value, effective, t_quantile(0.975, max(clusters - 1, 2)))
    return Estimate(value=value, n=n, low=low, high=high, clusters=clusters)


def _bootstrapped(metric: Metric, candidate: _Table, baseline: _Table) -> list[float | None]:
    """Difference, two-sided low and high, one-sided lower and upper limit."""
    parts = [*candidate.parts(metric), *baseline.parts(metric)]
    edges = np.cumsum([part.shape[1] for part in parts])[:-1]
    columns = np.concatenate(parts, axis=1)

    def differ(sums: Array) -> Array:
        tops, bottoms, other_tops, other_bottoms = np.split(sums, edges, axis=1)
        return _mean_ratio(tops, bottoms) - _mean_ratio(other_tops, other_bottoms)

    value = float(differ(columns.sum(axis=0, keepdims=True))[0])
    if np.isnan(value):
        return [None] * 5
    draws = np.concatenate([differ(sums) for sums in resampled_sums(columns)])
    return [value, *map(float, np.nanquantile(draws, (0.025, 0.975, 0.05, 0.95)))]


def _by_turn(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    found = {outcome.turn_id: outcome for outcome in outcomes}
    if len(found) != len(outcomes):
        twice = next(turn for turn, times in Counter(o.turn_id for o in outcomes).items() if times > 1)
        raise ValueError(f"turn {twice!r} occurs twice in one run")
    return found


def _slice_keys(outcome: Outcome) -> Iterator[tuple[int, int, str]]:
    """(kind, order within the kind, name) of each slice that the outcome is in."""
    for tool in dict.fromkeys(call.name for call in outcome.gold):
        yield 0, 0, f"tool={tool}"
    numbers = {"gold_calls": len(outcome.gold), "position": outcome.position, "catalog_size": outcome.catalog_size}
    for kind, (name, number) in enumerate(numbers.items(), start=1):
        yield kind, number if number <= 4 else 1 << (number - 1).bit_length(), f"{name}={_bucket(number)}"
    for tag in dict.fromkeys(outcome.tags):
        yield 4, 0, f"tag={tag}"


def _bucket(number: int) -> str:
    if number <= 4:
        return str(number)
    top = 1 << (number - 1).bit_length()
    return f"{top // 2 + 1}-{top}"
