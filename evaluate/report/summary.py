"""From the outcomes of a run to metrics.json: every metric with n and interval, a column a model, and differences."""

from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import Field

from callproof.records import Record
from callproof.scoring import Channel, Difference, Estimate, Tally, differences, slices, summarise

from ..runs import RunInfo
from .notations import notation_warnings
from .restraint import RATE, restraint_line

SCHEMA_VERSION = 2
HEADLINE = ("turn_exact", "name_f1", "arg_exact", "hallucination_rate")


class ModelSummary(Record):
    """The figures of one model. `outcomes`: label -> answers, repeats included; `slices`: slice -> metric -> estimate.

    `notations`: how calls are written -> answers, repeats included (see `Outcome.notation`); `none`: without a call.

    `alternatives`: of turns with several right answers, how many each of them matched in full, by its number; 0 is the
    recorded one.

    `retried`: answers that took more than one request, those that never came included.
    """

    turns: int
    outcomes: dict[str, int]
    notations: dict[str, int] = Field(default_factory=dict)
    alternatives: dict[int, int] = Field(default_factory=dict)
    retried: int
    metrics: dict[str, Estimate]
    slices: dict[str, dict[str, Estimate]]


class Summary(Record):
    """metrics.json. `differences`: model -> metric -> model minus `baseline_model`, paired by turn.

    `disagreement`, of a run with both channels: model -> rate of answers whose channels hold different calls.
    `restraint`: by model, in words, how often it calls where no call is expected, against the baseline model.
    `format`: the one that calls were read in; `verdicts`: of imported runs, by model, how often the verdict of the tool
    that made the run is ours; `warnings`: what makes figures doubtful.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    name: str
    baseline_model: str
    models: dict[str, ModelSummary]
    differences: dict[str, dict[str, Difference]]
    disagreement: dict[str, Estimate] = Field(default_factory=dict)
    format: str = "hermes"
    restraint: dict[str, str] = Field(default_factory=dict)
    verdicts: dict[str, str] = Field(default_factory=dict, exclude_if=lambda told: not told)
    warnings: tuple[str, ...] = ()

    def headline(self) -> dict[str, dict[str, float | int | None]]:
        """model -> the four most important figures, and n turns."""
        return {
            model: {**{name: summary.metrics[name].value for name in HEADLINE}, "n": summary.turns}
            for model, summary in self.models.items()
        }


def series(info: RunInfo) -> dict[tuple[str, Channel], str]:
    """(model, channel) -> name of its column: the model's name, marked `(served)` in a run with both channels."""
    channel = info.identity.channel
    if channel != "both":
        return {(model, channel): model for model in info.models}
    return {
        (model, part): model if part == "raw" else f"{model} (served)"
        for model in info.models
        for part in get_args(Channel)
    }


def summarise_run(
    info: RunInfo,
    tallies: Mapping[str, Tally],
    baseline: str | None = None,
    disagreement: Mapping[str, Estimate] | None = None,
) -> Summary:
    """All figures of a run.

    Args:
        tallies: by column, see `series`.
        baseline: what the others are compared with; default: the first model.
        disagreement: of the channels, by model.
    """
    baseline = baseline or info.models[0]
    models = {model: _summarise_model(tally) for model, tally in tallies.items()}
    changes = {model: differences(tally, tallies[baseline]) for model, tally in tallies.items() if model != baseline}
    return Summary(
        run_id=info.run_id,
        name=info.name,
        baseline_model=baseline,
        models=models,
        differences=changes,
        restraint=dict(_restraint(models, changes, baseline)),
        disagreement=dict(disagreement or {}),
        format=info.identity.format,
        verdicts=info.verdicts,
        warnings=tuple(_warnings(info, tallies)),
    )


def _restraint(
    models: Mapping[str, ModelSummary], changes: Mapping[str, Mapping[str, Difference]], baseline: str
) -> Iterator[tuple[str, str]]:
    """The line of each model; of a run with several, those that are held against the baseline model."""
    for model in changes or models:
        base = (baseline, models[baseline].metrics[RATE], changes[model][RATE]) if changes else (None, None, None)
        yield model, restraint_line(models[model].metrics[RATE], *base)


def _warnings(info: RunInfo, tallies: Mapping[str, Tally]) -> Iterator[str]:
    if info.until and info.state:
        yield f"this is no whole run: it is {info.state}"
    for (_, channel), column in series(info).items():
        if column in tallies:
            warnings = notation_warnings(info.identity.format, channel, _notations(tallies[column]))
            yield from (f"{column}: {warning}" for warning in warnings)


def _notations(tally: Tally) -> dict[str, int]:
    return {notation or "none": count for notation, count in tally.notations.items()}


def _summarise_model(tally: Tally) -> ModelSummary:
    return ModelSummary(
        turns=len(tally.rows),
        outcomes=dict(tally.labels),
        notations=_notations(tally),
        alternatives=dict(tally.alternatives),
        retried=tally.retried,
        metrics=summarise(tally),
        slices=slices(tally),
    )
