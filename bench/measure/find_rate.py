"""Finds the highest open-loop rate at which 95 % of the requests meet the service level, and answers stay right.

Starting from a first rate, the search doubles (or halves) it until the verdict changes, then bisects between the two
rates on a logarithmic scale until they are at most 10 % apart. The share of each trial has a 95 % interval over batches
of five consecutive requests, since neighbours wait in the same queue. The answer is `sure` if the whole interval is at
95 % or above at the rate itself, and below at the next rate that was tried. If all requests meet the service level,
that takes about 400 of them.

With a limit of quality the same turns are asked with one request in flight before the search. Then a rate holds only if
its answers are shown to be no worse than the margin allows, as the gate shows it: too few turns are not enough. Each
verdict stands for itself, with one-sided 95 % limits. The search does not go below a quarter of the rate of one request
in flight, where requests hardly meet.

A short trial is too favourable: a server absorbs any burst that it can work off afterwards. Set `--requests` so that a
trial takes a minute.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import numpy as np

from callproof.console import say
from callproof.records import Record
from callproof.scoring import Outcome, proportion

from ..figures import Quality, QualityLimit, Sample, judged, samples_of
from ..load import Level, Slo

SHARE = 0.95
CLOSE = 1.1
STEPS = 8
BATCH = 5
LOWEST = 0.25


class Alone(NamedTuple):
    """What was answered with one request in flight, how many requests a second, and what answers are held to."""

    outcomes: list[Outcome]
    rate: float
    limit: QualityLimit


class Trial(Record):
    """One rate: the share of its requests that met the service level, with 95 % limits, and its answers."""

    rate: float
    requests: int
    share: float
    low: float
    high: float
    quality: Quality | None = None

    @property
    def holds(self) -> bool:
        return self.share >= SHARE and (self.quality is None or self.quality.verdict == "right")

    @property
    def surely_holds(self) -> bool:
        return self.holds and self.low >= SHARE

    @property
    def surely_fails(self) -> bool:
        return self.high < SHARE or (self.quality is not None and self.quality.verdict == "worse")

    @property
    def words(self) -> str:
        share = f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%}) of its requests meet the service level"
        return f"{share}; answers: {self.quality.words}" if self.quality else share


class HighestRate(Record):
    """The result of a search. `rate` is None if every rate was too high; `above`, the next higher rate, if none was.

    `margin`: by how much answers may be worse than with one request in flight; None: no matter.
    """

    rate: float | None
    above: float | None
    sure: bool
    trials: tuple[Trial, ...]
    margin: float | None = None

    @property
    def words(self) -> str:
        tried = {trial.rate: trial for trial in self.trials}
        if self.rate is None:
            lowest = min(tried)
            right = (
                "" if self.margin is None else f" and answers as right as alone, within {100 * self.margin:g} points"
            )
            wanted = f"the service level for {SHARE:.0%} of the requests{right}"
            return f"no rate down to {lowest:g} req/s shows {wanted}; there: {tried[lowest].words}"
        next_up = "no higher rate was tried" if self.above is None else f"{self.above:g} req/s {self._above(tried)}"
        return f"{self.rate:g} req/s: {tried[self.rate].words}; {next_up}; {self._sureness()}"

    def _above(self, tried: dict[float, Trial]) -> str:
        trial = tried[self.above or 0.0]
        quality = trial.quality
        if trial.share < SHARE or quality is None:
            return "is too high" if quality is None else "is too high for the service level"
        return f"is too high: answers: {quality.words}" if quality.verdict == "worse" else f"is open: {quality.words}"

    def _sureness(self) -> str:
        return "sure" if self.sure else "not sure: ask more --requests"


def trial_of(samples: Sequence[Sample], rate: float, planned: int, slo: Slo, quality: Quality | None = None) -> Trial:
    """The verdict on one level. Requests without an answer do not meet the service level."""
    in_time = sorted(samples, key=lambda sample: sample.due_s or 0.0)
    kept = [sample.error is None and slo.kept(sample) for sample in in_time] + [False] * (planned - len(samples))
    batches = np.arange(planned) // BATCH
    share = proportion(np.array(kept), batches)
    limits = {"low": share.low or 0.0, "high": share.high or 0.0}
    return Trial(rate=rate, requests=planned, share=float(np.mean(kept)), quality=quality, **limits)


async def find_rate(
    first: float, slo: Slo, measure: Callable[[float], Awaitable[Level]], alone: Alone | None = None
) -> HighestRate:
    """Search, starting at the rate `first` (requests per second); `measure` runs a level at a rate."""
    trials: list[Trial] = []

    async def holds(rate: float) -> bool:
        level = await measure(rate)
        outcomes = judged(level)
        quality = alone.limit.of(outcomes, alone.outcomes) if alone else None
        trial = trial_of(samples_of(level, outcomes), rate, level.planned, slo, quality)
        trials.append(trial)
        say(f"{rate:g} req/s: {trial.words}")
        return trial.holds

    good, bad = await _bracket(first, alone.rate * LOWEST if alone else 0.0, holds)
    while good and bad and bad / good > CLOSE:
        middle = _rounded(math.sqrt(good * bad))
        if middle in (good, bad):
            break
        if await holds(middle):
            good = middle
        else:
            bad = middle
    margin = alone.limit.margin if alone else None
    return HighestRate(rate=good, above=bad, sure=_sure(trials, good, bad), trials=tuple(trials), margin=margin)


async def _bracket(
    first: float, lowest: float, holds: Callable[[float], Awaitable[bool]]
) -> tuple[float | None, float | None]:
    """(a rate that holds, one that does not), a factor of two apart; None if STEPS doublings find none.

    No rate below `lowest` is tried, but for the first.
    """
    rising = await holds(first)
    last = first
    for step in range(1, STEPS + 1):
        rate = _rounded(first * 2.0 ** (step if rising else -step))
        if not rising and rate < lowest:
            break
        if await holds(rate) != rising:
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
    return tried[good].surely_holds and tried[bad].surely_fails
