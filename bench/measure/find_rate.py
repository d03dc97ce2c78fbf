"""Finds the highest open-loop rate at which 95 % of the requests meet the service level.

Starting from a first rate, the search doubles (or halves) it until the verdict changes, then bisects between the two
rates on a logarithmic scale until they are at most 10 % apart. The share of each trial has a 95 % interval over batches
of five consecutive requests, since neighbours wait in the same queue. The answer is `sure` if the whole interval is at
95 % or above at the rate itself, and below at the next rate that was tried. If all requests meet the service level,
that takes about 400 of them.

A short trial is too favourable: a server absorbs any burst that it can work off afterwards. Set `--requests` so that a
trial takes a minute.
"""

import math
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from callproof.console import say
from callproof.records import Record
from callproof.scoring import proportion

from ..figures import Sample, samples_of
from ..load import Level, Slo

SHARE = 0.95
CLOSE = 1.1
STEPS = 8
BATCH = 5


class Trial(Record):
    """One rate: the share of its requests that met the service level, with 95 % limits."""

    rate: float
    requests: int
    share: float
    low: float
    high: float

    @property
    def kept(self) -> bool:
        return self.share >= SHARE


class HighestRate(Record):
    """The result of a search. `rate` is None if every rate was too high; `above`, the next higher rate, if none was."""

    rate: float | None
    above: float | None
    sure: bool
    trials: tuple[Trial, ...]

    @property
    def words(self) -> str:
        tried = {trial.rate: trial for trial in self.trials}
        if self.rate is None:
            return f"no rate down to {min(tried):g} req/s meets the service level for {SHARE:.0%} of the requests"
        trial = tried[self.rate]
        share = f"{trial.share:.1%} ({trial.low:.1%} to {trial.high:.1%}) of its requests meet the service level"
        next_up = "no higher rate was tried" if self.above is None else f"{self.above:g} req/s is too high"
        return f"{self.rate:g} req/s: {share}; {next_up}; {'sure' if self.sure else 'not sure: ask more --requests'}"


def trial_of(samples: Sequence[Sample], rate: float, planned: int, slo: Slo) -> Trial:
    """The verdict on one level. Requests without an answer do not meet the service level."""
    in_time = sorted(samples, key=lambda sample: sample.due_s or 0.0)
    kept = [sample.error is None and slo.kept(sample) for sample in in_time] + [False] * (planned - len(samples))
    batches = np.arange(planned) // BATCH
    share = proportion(np.array(kept), batches)
    limits = {"low": share.low or 0.0, "high": share.high or 0.0}
    return Trial(rate=rate, requests=planned, share=float(np.mean(kept)), **limits)


async def find_rate(first: float, slo: Slo, measure: Callable[[float], Awaitable[Level]]) -> HighestRate:
    """Search, starting at the rate `first` (requests per second); `measure` runs a level at a rate."""
    trials: list[Trial] = []

    async def kept(rate: float) -> bool:
        level = await measure(rate)
        trial = trial_of(samples_of(level), rate, level.planned, slo)
        trials.append(trial)
        say(f"{rate:g} req/s: {trial.share:.1%} meet the service level")
        return trial.kept

    good, bad = await _bracket(first, kept)
    while good and bad and bad / good > CLOSE:
        middle = _rounded(math.sqrt(good * bad))
        if middle in (good, bad):
            break
        if await kept(middle):
            good = middle
        else:
            bad = middle
    return HighestRate(rate=good, above=bad, sure=_sure(trials, good, bad), trials=tuple(trials))


async def _bracket(first: float, kept: Callable[[float], Awaitable[bool]]) -> tuple[float | None, float | None]:
    """(a rate that meets the level, one that does not), a factor of two apart; None if STEPS doublings find none."""
    rising = await kept(first)
    last = first
    for step in range(1, STEPS + 1):
        rate = _rounded(first * 2.0 ** (step if rising else -step))
        if await kept(rate) != rising:
            return (last, rate) if rising else (rate, last)
        last = rate
    return (last, None) if rising else (None, last)


def _rounded(rate: float) -> float:
    """The rate rounded to three significant digits."""
    return float(f"{rate:.3g}")


def _sure(trials: Sequence[Trial], good: float | None, bad: float | None) -> bool:
    tried = {trial.rate: trial for trial in trials}
    if good is None or bad is None:
        return False
    return tried[good].low >= SHARE and tried[bad].high < SHARE
