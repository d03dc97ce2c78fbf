"""Quality against load: whether answers get worse when the server is busy."""

from collections.abc import Iterable, Sequence
from typing import Any

from callproof.scoring import Outcome, Tally, differences

from ..load import Level


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
