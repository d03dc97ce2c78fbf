"""How much slower one side is than the other, from blocks of load: ratios with bootstrap intervals.

A block is one level run once by one side. Requests of a block share the machine's mood, so blocks are what is
resampled, never requests. Of each block the figures below are taken; a ratio is the geometric mean over blocks of the
candidate's figure over the baseline's. Where both sides ran their blocks in turns, the ratio is taken within pairs of
neighbours (drift cancels), otherwise the sides are resampled apart.

Percentiles of few blocks' bootstrap are too narrow: they are taken at the levels that make the interval as wide as
Student's t has it (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", expanded percentiles), and where
t's own interval reaches further, it counts. One degree of freedom goes to the mean and one to the machine's drift.
The bootstrap alone called up to 8 % of simulated benches different that were not; see benchmarks/compare_power.py.

`overall` is the geometric mean of all defined metrics, throughput turned round: one test at 5 %, where each
metric's own interval would err once in twenty by itself.
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

Verdict = Literal["faster", "slower", "inconclusive"]
Figures = Mapping[str, float | None]
HIGHER_IS_BETTER = {
    "ttft_p50": False, "ttft_p95": False, "tpot_p50": False, "tpot_p95": False, "e2e_p50": False, "e2e_p95": False,
    "req_per_s": True,
}  # fmt: skip
"""The metrics: percentiles of latencies in milliseconds, and answered requests per second."""
_LATENCIES: tuple[Literal["ttft", "tpot", "e2e"], ...] = ("ttft", "tpot", "e2e")
OVERALL = "overall"
MIN_BLOCKS = 5


class Ratio(Record):
    """The candidate's figure over the baseline's, with its 95 % interval.

    `baseline` and `candidate` are geometric means over blocks (None for `overall`, whose ratio is a slowdown: above 1
    the candidate is slower). `lower_one_sided` and `upper_one_sided` bound the slowdown, each with 95 % confidence.
    `blocks_needed`: to tell a difference of this size. Everything is None where a block lacks the figure.
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
        """How many times slower the candidate is; 1 / ratio for a metric that is good when high."""
        inverted = HIGHER_IS_BETTER.get(self.metric, False)
        return self.ratio if self.ratio is None or not inverted else 1 / self.ratio


class Check(Record):
    """One limit of a gate: the largest slowdown that passes."""

    metric: str
    limit: float
    slowdown: float | None
    lower: float | None
    upper: float | None
    status: Status
    reason: str
    blocks_needed: int | None = None


def block_figures(requests: Sequence[SavedRequest], duration_s: float) -> dict[str, float | None]:
    """The metrics of one block of one side that took `duration_s` seconds; None where nothing defines them.

    In an open loop TTFT and E2E count from the moment at which a request was due.
    """
    answered = [request for request in requests if request.error is None]
    found: dict[str, float | None] = {}
    for name in _LATENCIES:
        values = [value for request in answered if (value := request.latency_ms(name)) is not None]
        for point in (50, 95):
            found[f"{name}_p{point}"] = float(np.percentile(values, point)) if values else None
    found["req_per_s"] = len(answered) / duration_s if duration_s > 0 else None
    return found


def ratios(baseline: Sequence[Figures], candidate: Sequence[Figures], paired: bool) -> list[Ratio]:
    """Every metric, then `overall`; block k of one side belongs to block k of the other where they are `paired`."""
    defined = [name for name in HIGHER_IS_BETTER if all(figures[name] for figures in (*baseline, *candidate))]
    sides = [np.array([[math.log(figures[name] or 1) for name in defined] for figures in side]) for side in
             (baseline, candidate)]  # fmt: skip
    found = {name: Ratio(metric=name) for name in (*HIGHER_IS_BETTER, OVERALL)}
    if defined:
        signs = np.array([-1.0 if HIGHER_IS_BETTER[name] else 1.0 for name in defined])
        before, after = (np.column_stack([side * signs, (side * signs).mean(axis=1)]) for side in sides)
        draws, errors = _draws(before, after, paired), _errors(before, after, paired)
        blocks = min(len(before), len(after))
        for column, name in enumerate((*defined, OVERALL)):
            means = before[:, column].mean(), after[:, column].mean()
            found[name] = _ratio(name, means, _Spread(draws[:, column], errors[column], blocks))
    return list(found.values())


def _draws(before: Array, after: Array, paired: bool) -> Array:
    """(resamples, metrics) of the mean logarithm of the slowdown."""
    if paired:
        return np.concatenate(list(resampled_sums(after - before))) / len(after)
    apart = [np.concatenate(list(resampled_sums(side, seed=SEED + at))) / len(side)
             for at, side in enumerate((before, after))]  # fmt: skip
    return apart[1] - apart[0]


def _errors(before: Array, after: Array, paired: bool) -> Array:
    """Standard errors of the mean logarithm of the slowdown, by metric."""
    if paired:
        return (after - before).std(axis=0, ddof=1) / math.sqrt(len(after))
    return np.sqrt(sum(side.var(axis=0, ddof=1) / len(side) for side in (before, after)))


class _Spread(NamedTuple):
    """How sure a metric's mean logarithm is: bootstrap draws, standard error, blocks."""

    draws: Array
    error: float
    blocks: int

    def limits(self, mean: float, level: float) -> tuple[float, float]:
        """Two one-sided bounds of the mean, each at this level (see above)."""
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
    """Blocks whose bounds would lie as far off as `distance`: they close in with the root of their number."""
    return max(MIN_BLOCKS, math.ceil(blocks * (spread / distance) ** 2)) if abs(distance) > 1e-6 else None


def check(found: Ratio, limit: float, blocks: int) -> Check:
    """Non-inferiority: a pass needs the upper bound of the slowdown within the limit, a failure the lower beyond it."""
    slow, lower, upper = found.slowdown, found.lower_one_sided, found.upper_one_sided
    told = Check(metric=found.metric, limit=limit, slowdown=slow, lower=lower, upper=upper, status="inconclusive",
                 reason="undefined in some block, which is never a pass")  # fmt: skip
    if slow is None or lower is None or upper is None:
        return told
    if upper <= limit:
        return told.model_copy(update={"status": "pass", "reason": "within the limit"})
    if lower > limit:
        return told.model_copy(update={"status": "fail", "reason": "slower than the limit allows"})
    distance = math.log(limit / slow)
    needed = _needed(blocks, distance, math.log(upper / slow if distance > 0 else slow / lower))
    return told.model_copy(update={"reason": "too few blocks to tell", "blocks_needed": needed})
