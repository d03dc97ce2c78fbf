"""Quality against load: whether answers get worse when the server is busy."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from callproof.console import percent, points
from callproof.errors import UserError
from callproof.records import Record
from callproof.scoring import LEVEL, Outcome, Spread, Tally, differences, evidence_of

from ..load import Level

RightVerdict = Literal["right", "worse", "not enough turns"]
_VERDICTS: dict[str, RightVerdict] = {"pass": "right", "fail": "worse", "inconclusive": "not enough turns"}


class Quality(Record):
    """The answers of a level against those to the same turns with one request in flight.

    Attributes:
        turn_exact, alone: of these turns, of the level and with one request in flight.
        gain, lower, upper: their difference with one-sided 95 % limits, clustered by session, as the gate has them.
        turns, sessions: that both have answers to, and their sessions.
        sessions_needed: in all, to settle a verdict of not enough turns; None where no number is known to.
    """

    turn_exact: float
    alone: float
    gain: float | None
    lower: float | None
    upper: float | None
    turns: int
    sessions: int
    verdict: RightVerdict
    sessions_needed: int | None

    @property
    def words(self) -> str:
        shares = f"turn_exact {percent(self.turn_exact)} %, alone {percent(self.alone)} %"
        difference = f"{points(self.gain)} points ({points(self.lower)} to {points(self.upper)})"
        missing = (self.sessions_needed or 0) - self.sessions
        more = f"; about {missing:,} more sessions would settle it" if missing > 0 else ""
        return f"{self.verdict}, {shares}: {difference}{more}"


@dataclass(frozen=True)
class QualityLimit:
    """By how much `turn_exact` may be lower than with one request in flight: a margin as the gate's.

    Args:
        margin: a fraction above 0.
        min_sessions: nothing is right on fewer.
    """

    margin: float
    min_sessions: int

    def check(self, session_ids: Iterable[str]) -> None:
        """Whether turns of these sessions, one each, could ever show that answers are right.

        Raises:
            UserError: not even if no answer changes.
        """
        turns = np.array(list(Counter(session_ids).values()), dtype=np.float64)
        count, sizes = len(turns), turns / turns.sum()
        error, losses, gains = map(float, evidence_of(0.0, np.zeros(count), sizes))
        spread = Spread(error, losses, gains, count)
        shown = spread.below(LEVEL)
        if shown < self.margin and count >= self.min_sessions:
            return
        needed = max(spread.sessions_needed(self.margin) or 0, self.min_sessions)
        problem = f"{count} sessions cannot show that, not even if no answer changes; about {needed:,} can"
        wider = f", or give --quality {math.ceil(1000 * shown) / 1000:g}" if count >= self.min_sessions else ""
        raise UserError(f"--quality {self.margin:g}", problem, f"raise --requests, or add eval sessions{wider}")

    def of(self, outcomes: Iterable[Outcome], alone: Iterable[Outcome]) -> Quality:
        """Judge a level. Turns that had no answer alone are left out; one without an answer under load is wrong."""
        theirs = [outcome for outcome in alone if not outcome.counts.infra]
        known = {(outcome.model, outcome.turn_id) for outcome in theirs}
        ours = [outcome for outcome in outcomes if (outcome.model, outcome.turn_id) in known]
        if not ours:
            raise ValueError("no turn was answered alone and asked under load")
        change = differences(_tally(ours), _tally(theirs))["turn_exact"]
        verdict = change.verdict(self.margin, self.min_sessions)
        enough = change.enough(self.margin, self.min_sessions) if verdict == "inconclusive" else None
        return Quality(
            turn_exact=_exact(ours),
            alone=_exact(theirs),
            gain=change.value,
            lower=change.lower_one_sided,
            upper=change.upper_one_sided,
            turns=change.n,
            sessions=change.clusters,
            verdict=_VERDICTS[verdict],
            sessions_needed=enough.sessions if enough else None,
        )


def _exact(outcomes: Sequence[Outcome]) -> float:
    return sum(outcome.outcome == "ok" for outcome in outcomes) / len(outcomes)


def quality_against_lowest(levels: Sequence[tuple[Level, list[Outcome]]]) -> list[dict[str, Any] | None]:
    """For each level, its `turn_exact` minus that of the level with the lowest load, paired by turn.

    With 95 % limits clustered by session (see callproof.scoring.spread), overall and per model; None for the
    lowest level itself and its repetitions.
    """
    if not levels:
        return []
    lowest = min(range(len(levels)), key=lambda number: _load(levels[number][0]))
    name, reference = levels[lowest][0].name, levels[lowest][1]
    return [
        None if level.name == name else {"against": name, **_compared(outcomes, reference)}
        for level, outcomes in levels
    ]


def _load(level: Level) -> tuple[float, float]:
    return level.concurrency or level.rate or 0.0, level.live or 0


def _compared(outcomes: list[Outcome], reference: list[Outcome]) -> dict[str, Any]:
    models = dict.fromkeys(outcome.model for outcome in outcomes)
    parts = {model: _of_model(model, outcomes, reference) for model in models}
    return {"overall": _difference(outcomes, reference), "models": parts}


def _of_model(model: str, outcomes: list[Outcome], reference: list[Outcome]) -> dict[str, Any] | None:
    ours, theirs = ([outcome for outcome in side if outcome.model == model] for side in (outcomes, reference))
    return _difference(ours, theirs)


def _difference(ours: list[Outcome], theirs: list[Outcome]) -> dict[str, Any] | None:
    """The difference of `turn_exact`; None if the two have no turn in common."""
    estimate = differences(_tally(ours), _tally(theirs))["turn_exact"] if ours and theirs else None
    if estimate is None or estimate.value is None:
        return None
    return estimate.model_dump(include={"value", "low", "high", "n", "clusters", "unpaired"})


def _tally(outcomes: Iterable[Outcome]) -> Tally:
    """A tally in which the same turn of two models counts as two turns of one session."""
    return Tally.of(
        outcome.model_copy(update={"turn_id": f"{outcome.model}/{outcome.turn_id}"}) for outcome in outcomes
    )
