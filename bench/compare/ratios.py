"""How much slower one side is than the other: ratios of their figures, with bootstrap intervals over blocks of load.

A block is one level, run once by one side. Requests of a block share the state of the machine, so blocks are resampled,
never requests. Each block gives the figures listed below; a ratio is the geometric mean over blocks of the candidate's
figure divided by the baseline's. If the sides alternated, the ratio is taken within pairs of neighbouring blocks, so
that drift cancels; otherwise the sides are resampled separately.

With few blocks, plain bootstrap percentiles are too narrow. They are therefore taken at the levels that give the
interval the width of Student's t (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", expanded
percentiles), and where the t interval itself is wider, that one counts. One degree of freedom is spent on the mean and
one on the machine's drift. The plain bootstrap called up to 8 % of simulated equal benches different; see
benchmarks/compare_power.py.

`overall` is the geometric mean of all defined metrics, with throughput inverted. It is a single test at 5 %, whereas
each metric by itself errs once in twenty.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from callproof.console.ci import Status
from callproof.records import Record
from callproof.scoring import SEED, Array, resampled_sums, t_quantile

from ..figures import SavedRequest
from ..names import COMPARED, HIGHER_IS_BETTER, MIN_BLOCKS, OVERALL

Verdict = Literal["faster", "slower", "inconclusive"]
Figures = Mapping[str, float | None]
_LATENCIES: tuple[Literal["ttft", "tpot", "e2e"], ...] = ("ttft", "tpot", "e2e")


class Ratio(Record):
    """The candidate's figure divided by the baseline's, with a 95 % interval; all None if a block lacks the figure.

    Attributes:
        baseline, candidate: geometric means over blocks; None for `overall`, whose ratio is a slowdown (above 1: the
            candidate is slower).
        lower_one_sided, upper_one_sided: bounds of the slowdown, each with 95 % confidence.
        blocks_needed: how many blocks it would take to establish a difference of this size.
    """

    metric: str
    baseline: float | None = None
    candidate: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    lower_one_sided: float | None = None
    upper_one_sided: float | None = None
    verdict: Verdict = "inconclusive"
    blocks_needed: int | None = None

    @property
    def slowdown(self) -> float | None:
        """How many times slower the candidate is: the ratio, or 1 / ratio if higher is better."""
        inverted = HIGHER_IS_BETTER.get(self.metric, False)
        return self.ratio if self.ratio is None or not inverted else 1 / self.ratio


class Check(Record):
    """The result for one limit of a gate. `limit`: the largest slowdown that passes."""

    metric: str
    limit: float
    slowdown: float | None
    lower: float | None
    upper: float | None
    status: Status
    reason: str
    blocks_needed: int | None = None


def block_figures(requests: Sequence[SavedRequest], duration_s: float) -> dict[str, float | None]:
    """The metrics of one block of one side, which took `duration_s` seconds; None if no request defines them.

    In an open loop TTFT and E2E count from the time at which a request was due.
    """
    answered = [request for request in requests if request.error is None]
    values_by_metric: dict[str, float | None] = {}
    for name in _LATENCIES:
        values = [value for request in answered if (value := request.latency_ms(name)) is not None]
        for point in (50, 95):
            values_by_metric[f"{name}_p{point}"] = float(np.percentile(values, point)) if values else None
    values_by_metric["req_per_s"] = len(answered) / duration_s if duration_s > 0 else None
    return values_by_metric


def ratios(baseline: Sequence[Figures], candidate: Sequence[Figures], paired: bool) -> list[Ratio]:
    """The ratio of every metric, and of `overall` at the end. `paired`: block k of one side goes with the other's k."""
    defined = [name for name in HIGHER_IS_BETTER if all(figures[name] for figures in (*baseline, *candidate))]
    sides = [np.array([[math.log(figures[name] or 1) for name in defined] for figures in side]) for side in
             (baseline, candidate)]  # fmt: skip
    by_metric = {name: Ratio(metric=name) for name in COMPARED}
    if defined:
        signs = np.array([-1.0 if HIGHER_IS_BETTER[name] else 1.0 for name in defined])
        before, after = (np.column_stack([side * signs, (side * signs).mean(axis=1)]) for side in sides)
        draws, errors = _draws(before, after, paired), _errors(before, after, paired)
        blocks = min(len(before), len(after))
        for column, name in enumerate((*defined, OVERALL)):
            means = before[:, column].mean(), after[:, column].mean()
            by_metric[name] = _ratio(name, means, _Spread(draws[:, column], errors[column], blocks))
    return list(by_metric.values())


def _draws(before: Array, after: Array, paired: bool) -> Array:
    """Bootstrap draws of the mean logarithm of the slowdown, shape (resamples, metrics)."""
    if paired:
        return np.concatenate(list(resampled_sums(after - before))) / len(after)
    apart = [np.concatenate(list(resampled_sums(side, seed=SEED + at))) / len(side)
             for at, side in enumerate((before, after))]  # fmt: skip
    return apart[1] - apart[0]


def _errors(before: Array, after: Array, paired: bool) -> Array:
    """Standard error of the mean logarithm of the slowdown, shape (metrics,)."""
    if paired:
        return (after - before).std(axis=0, ddof=1) / math.sqrt(len(after))
    return np.sqrt(sum(side.var(axis=0, ddof=1) / len(side) for side in (before, after)))


class _Spread(NamedTuple):
    """The uncertainty of a metric's mean logarithm: bootstrap draws, standard error, number of blocks."""

    draws: Array
    error: float
    blocks: int

    def limits(self, mean: float, level: float) -> tuple[float, float]:
        """Two one-sided bounds of the mean, each with confidence `level` (see the head of this module)."""
        student = t_quantile(level, max(1, self.blocks - 2))
        wide = NormalDist().cdf(math.sqrt(self.blocks / (self.blocks - 1)) * student)
        low, high = np.quantile(self.draws, (1 - wide, wide)).tolist()
        return min(low, mean - student * self.error), max(high, mean + student * self.error)


def _ratio(name: str, means: tuple[float, float], spread: _Spread) -> Ratio:
    slow = means[1] - means[0]
    low, high = spread.limits(slow, 0.975)
    lower, upper = spread.limits(slow, 0.95)
    inverted = HIGHER_IS_BETTER.get(name, False)
    sign = -1 if inverted else 1
    sides = (None, None) if name == OVERALL else tuple(_power(sign * mean) for mean in means)
    return Ratio(
        metric=name,
        baseline=sides[0],
        candidate=sides[1],
        ratio=_power(sign * slow),
        low=_power(sign * (high if inverted else low)),
        high=_power(sign * (low if inverted else high)),
        lower_one_sided=_power(lower),
        upper_one_sided=_power(upper),
        verdict="slower" if low > 0 else "faster" if high < 0 else "inconclusive",
        blocks_needed=_needed(spread.blocks, slow, slow - low if slow > 0 else high - slow),
    )


def paired_ratio(by_block: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of the ratios of two or more pairs of blocks, and its 95 % limits."""
    logarithms = np.log(np.array(by_block))[:, None]
    zero, mean = np.zeros_like(logarithms), float(logarithms.mean())
    draws, errors = _draws(zero, logarithms, paired=True), _errors(zero, logarithms, paired=True)
    low, high = _Spread(draws[:, 0], errors[0], len(logarithms)).limits(mean, 0.975)
    return _power(mean), _power(low), _power(high)


def _power(logarithm: float) -> float:
    return round(math.exp(logarithm), 4)


def _needed(blocks: int, distance: float, spread: float) -> int | None:
    """How many blocks bring bounds that are now `spread` away to `distance`; they shrink with the square root."""
    return max(MIN_BLOCKS, math.ceil(blocks * (spread / distance) ** 2)) if abs(distance) > 1e-6 else None


def check(ratio: Ratio, limit: float, blocks: int) -> Check:
    """Non-inferiority: pass if the upper bound of the slowdown is within the limit, fail if the lower is beyond it."""
    slow, lower, upper = ratio.slowdown, ratio.lower_one_sided, ratio.upper_one_sided
    undecided = Check(metric=ratio.metric, limit=limit, slowdown=slow, lower=lower, upper=upper, status="inconclusive",
                 reason="undefined in some block, which is never a pass")  # fmt: skip
    if slow is None or lower is None or upper is None:
        return undecided
    if upper <= limit:
        return undecided.model_copy(update={"status": "pass", "reason": "within the limit"})
    if lower > limit:
        return undecided.model_copy(update={"status": "fail", "reason": "slower than the limit allows"})
    distance = math.log(limit / slow)
    needed = _needed(blocks, distance, math.log(upper / slow if distance > 0 else slow / lower))
    return undecided.model_copy(update={"reason": "too few blocks to tell", "blocks_needed": needed})
