"""From the outcomes of a run to metrics.json: every metric with n and interval, a column a model, and differences."""

from collections import Counter
from collections.abc import Iterable

from callproof.metrics import METRICS, Difference, Estimate, difference, slices, summarise
from callproof.outcomes import Outcome
from callproof.records import Record
from evaluate.runs import RunInfo

SCHEMA_VERSION = 1
HEADLINE = ("turn_exact", "name_f1", "arg_exact", "hallucination_rate")


class ModelSummary(Record):
    """What one model did. `slices`: slice -> metric -> estimate."""

    turns: int
    outcomes: dict[str, int]
    metrics: dict[str, Estimate]
    slices: dict[str, dict[str, Estimate]]


class Summary(Record):
    """metrics.json. `differences`: model -> metric -> model minus `baseline_model`, paired by turn."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    name: str
    baseline_model: str
    models: dict[str, ModelSummary]
    differences: dict[str, dict[str, Difference]]

    def headline(self) -> dict[str, dict[str, float | int | None]]:
        """model -> the four figures that one looks at first, and n turns."""
        return {
            model: {**{name: found.metrics[name].value for name in HEADLINE}, "n": found.turns}
            for model, found in self.models.items()
        }


def by_model(outcomes: Iterable[Outcome], models: Iterable[str]) -> dict[str, list[Outcome]]:
    """The outcomes of each of `models`, in their order."""
    found: dict[str, list[Outcome]] = {model: [] for model in models}
    for outcome in outcomes:
        found.setdefault(outcome.model, []).append(outcome)
    return found


def summarise_run(info: RunInfo, outcomes: dict[str, list[Outcome]], baseline: str | None = None) -> Summary:
    """All figures of a run; `baseline` (default: the first model) is what the others are compared with."""
    baseline = baseline or info.models[0]
    return Summary(
        run_id=info.run_id,
        name=info.name,
        baseline_model=baseline,
        models={model: _summarise_model(found) for model, found in outcomes.items()},
        differences={
            model: {name: difference(found, outcomes[baseline], name) for name in METRICS}
            for model, found in outcomes.items()
            if model != baseline
        },
    )


def _summarise_model(outcomes: list[Outcome]) -> ModelSummary:
    return ModelSummary(
        turns=len(outcomes),
        outcomes=dict(Counter(outcome.outcome for outcome in outcomes)),
        metrics=summarise(outcomes),
        slices=slices(outcomes),
    )
