"""One check of the gate: a metric against its margin, or against its floor.

A margin check passes when the lower one-sided 95 % limit of the candidate's gain is above -margin, and fails when the
upper limit is below it; otherwise it is inconclusive, and says what would settle it. A gain is the difference in the
direction in which the metric is good. A floor is absolute, and broken by the value itself.

A metric that the turns cannot have (a rate of false calls where every turn expects a call) is not applicable. One that
they can have and a side has not is never a pass.
"""

import math
from typing import Literal, NamedTuple

from callproof.console.ci import Status
from callproof.records import Record
from callproof.scoring import METRICS, Difference, Estimate, Spread

LEVEL = 0.95
_MOST_SESSIONS = 10**9


class Check(Record):
    """One thing the verdict rests on, over all turns or those of `slice`; fractions, not per cent.

    Attributes:
        baseline, candidate: the values of the metric.
        n: what it counts on the candidate's side: turns, calls or arguments.
        turns, sessions: of a margin, the paired turns that the metric is made of, and their sessions.
        discordant, discordant_sessions: of these, the turns that differ between the sides, and their sessions.
        gain, lower, upper: how much better the candidate is, with one-sided 95 % limits.
        limit: the margin or the floor.
        turns_needed, sessions_needed: that would settle the check, were the true gain the one seen.
        margin_needed: the smallest margin that these turns pass.
    """

    metric: str
    slice: str | None = None
    kind: Literal["margin", "floor"]
    status: Status
    reason: str
    baseline: float | None = None
    candidate: float | None = None
    n: int
    turns: int | None = None
    sessions: int | None = None
    discordant: int | None = None
    discordant_sessions: int | None = None
    gain: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float
    noise: float | None = None
    turns_needed: int | None = None
    sessions_needed: int | None = None
    margin_needed: float | None = None


class Pair(NamedTuple):
    """A metric on both sides; None where a side has no such slice."""

    baseline: Estimate | None
    candidate: Estimate | None

    def absence(self) -> tuple[Status, str] | None:
        """Why nothing can be said, or None where both sides have a value."""
        before, after = self
        if after is None:
            return "inconclusive", "no turn is in this slice, which is never a pass"
        if after.value is not None:
            return None
        if before is not None and before.value is not None:
            return "inconclusive", "the candidate has lost this metric: it did nothing that it counts, never a pass"
        if not after.applicable:
            return "not applicable", "no turn here can have this metric, so nothing is checked"
        return "inconclusive", "undefined on both sides, although these turns can have it: never a pass"


def margin_check(metric: str, margin: float, pair: Pair, difference: Difference, min_sessions: int) -> Check:
    """Non-inferiority of one metric."""
    before, after = pair
    lower, upper = difference.lower_one_sided, difference.upper_one_sided
    gain = difference.value
    if gain is not None and lower is not None and upper is not None and not METRICS[metric].higher_is_better:
        gain, lower, upper = 0.0 - gain, 0.0 - upper, 0.0 - lower
    check = Check(
        metric=metric, kind="margin", status="inconclusive", reason="", limit=margin,
        baseline=before.value if before else None, candidate=after.value if after else None, n=after.n if after else 0,
        turns=difference.n, sessions=difference.clusters, discordant=difference.discordant,
        discordant_sessions=difference.discordant_clusters, gain=gain, lower=lower, upper=upper,
    )  # fmt: skip
    if absence := pair.absence():
        return check.model_copy(update={"status": absence[0], "reason": absence[1]})
    if gain is None or lower is None or upper is None:
        return check.model_copy(update={"reason": "undefined for the baseline, so there is nothing to compare with"})
    if upper < -margin:
        return check.model_copy(update={"status": "fail", "reason": "worse than the baseline by more than the margin"})
    if lower > -margin and difference.clusters >= min_sessions:
        return check.model_copy(update={"status": "pass", "reason": "no worse than the margin allows"})
    return check.model_copy(update=_doubt(check, difference, min_sessions))


def _doubt(check: Check, difference: Difference, min_sessions: int) -> dict[str, object]:
    """Why a check is inconclusive, and what would settle it."""
    gain, lower, margin = check.gain or 0.0, check.lower or 0.0, check.limit
    if lower > -margin:
        reason = f"{difference.clusters} sessions carry it, too few to pass on (gate.min_sessions is {min_sessions})"
        return {"reason": reason, **_enough(difference, min_sessions)}
    passing = {"margin_needed": math.ceil(-lower * 1000) / 1000 if -1 < lower < 0 else None}
    if margin == 0 and gain <= 0:
        reason = "a margin of 0 asks for a proven gain, which no number of turns without one can give"
        return {"reason": f"{reason}; a margin of null leaves the metric out", **passing}
    sessions = sessions_needed(_spread(check.metric, difference), gain + margin)
    needed = {} if sessions is None else _enough(difference, max(sessions, min_sessions))
    return {"reason": "too few turns to tell", **needed, **passing}


def _enough(difference: Difference, sessions: int) -> dict[str, int]:
    """So many sessions, and their turns, if they carry the metric as often as these do."""
    turns = math.ceil(difference.n * sessions / difference.clusters)
    return {"sessions_needed": sessions, "turns_needed": turns}


def _spread(metric: str, difference: Difference) -> Spread | None:
    """In the direction in which the metric is good."""
    spread = difference.spread
    return spread if spread is None or METRICS[metric].higher_is_better else spread.turned()


def sessions_needed(spread: Spread | None, distance: float) -> int | None:
    """How many sessions like these bring a limit of the gain closer than `distance`; None where none do.

    The lower limit, or for a distance below 0 the upper one.
    """
    if spread is None or distance == 0:
        return None

    def far(sessions: int) -> bool:
        limit = Spread.below if distance > 0 else Spread.above
        return limit(spread.of(sessions), LEVEL) >= abs(distance)

    low, high = 0, 1
    while far(high):
        low, high = high, 2 * high
        if high > _MOST_SESSIONS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if far(middle) else (low, middle)
    return high


def floor_check(metric: str, floor: float, pair: Pair, slice: str | None = None) -> Check:
    """An absolute floor, for a metric that is good when low a ceiling, on the candidate."""
    before, after = pair
    check = Check(
        metric=metric, slice=slice, kind="floor", status="pass", reason="holds", limit=floor,
        baseline=before.value if before else None, candidate=after.value if after else None,
        n=after.n if after else 0, sessions=after.clusters if after else 0,
    )  # fmt: skip
    if absence := pair.absence():
        return check.model_copy(update={"status": absence[0], "reason": absence[1]})
    if holds(metric, floor, check.candidate):
        return check
    shared = check.baseline is not None and not holds(metric, floor, check.baseline)
    reason = "the floor is broken, and the baseline breaks it too" if shared else "the floor is broken"
    return check.model_copy(update={"status": "fail", "reason": reason})


def holds(metric: str, floor: float, value: float | None) -> bool:
    """Whether a value is on the good side of a floor, or on it."""
    return value is not None and (value >= floor if METRICS[metric].higher_is_better else value <= floor)
