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
from callproof.scoring import METRICS, Difference, Estimate


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
    gain = difference.gain()
    check = Check(
        metric=metric, kind="margin", status="inconclusive", reason="", limit=margin,
        baseline=before.value if before else None, candidate=after.value if after else None, n=after.n if after else 0,
        turns=gain.n, sessions=gain.clusters, discordant=gain.discordant,
        discordant_sessions=gain.discordant_clusters, gain=gain.value, lower=gain.lower_one_sided,
        upper=gain.upper_one_sided,
    )  # fmt: skip
    if absence := pair.absence():
        return check.model_copy(update={"status": absence[0], "reason": absence[1]})
    if gain.value is None:
        return check.model_copy(update={"reason": "undefined for the baseline, so there is nothing to compare with"})
    verdict = gain.verdict(margin, min_sessions)
    if verdict == "inconclusive":
        return check.model_copy(update=_doubt(gain, margin, min_sessions))
    return check.model_copy(update={"status": verdict, "reason": _REASONS[verdict]})


_REASONS = {"pass": "no worse than the margin allows", "fail": "worse than the baseline by more than the margin"}


def _doubt(gain: Difference, margin: float, min_sessions: int) -> dict[str, object]:
    """Why a check is inconclusive, and what would settle it."""
    value, lower = gain.value or 0.0, gain.lower_one_sided or 0.0
    enough = gain.enough(margin, min_sessions)
    needed = {"sessions_needed": enough.sessions, "turns_needed": enough.turns} if enough else {}
    if lower > -margin:
        few = f"{gain.clusters} sessions carry it, too few to pass on (gate.min_sessions is {min_sessions})"
        return {"reason": few, **needed}
    passing = {"margin_needed": math.ceil(-lower * 1000) / 1000 if -1 < lower < 0 else None}
    if margin == 0 and value <= 0:
        reason = "a margin of 0 asks for a proven gain, which no number of turns without one can give"
        return {"reason": f"{reason}; a margin of null leaves the metric out", **passing}
    return {"reason": "too few turns to tell", **needed, **passing}


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
