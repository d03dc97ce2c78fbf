"""A/A noise: how far metrics of one model move from run to run with nothing changed; no margin may be below it.

Of every pair of runs, a metric's paired difference and its standard error between sessions are taken; Student's 97.5 %
quantile of those errors is a half-width. The noise is the larger of the root mean square of the half-widths and the
largest difference that was seen: the first knows how turns vary, the second also what moves a run as a whole. A server
that repeats itself to the letter has no noise.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from callproof.config import GateConfig
from callproof.errors import UserError
from callproof.records import Record, explain, read_text
from callproof.scoring import METRICS, Difference, differences, t_quantile

from ..runs import Identity, Run
from .sides import Side

Width = Annotated[float | None, Field(ge=0, allow_inf_nan=False)]


class MetricNoise(Record):
    """Fractions; None where the metric is undefined."""

    noise: Width
    half_width: Width = Field(description="root mean square over all pairs of t times the standard error")
    largest: Width = Field(description="the largest difference between two of the runs")


class Noise(Record):
    """noise.json: what was measured, and of which runs."""

    schema_version: Literal[1] = 1
    model: str
    runs: tuple[str, ...]
    identity: Identity
    turns: int
    sessions: int
    metrics: dict[str, MetricNoise]

    @field_validator("metrics")
    @classmethod
    def _all(cls, metrics: dict[str, MetricNoise]) -> dict[str, MetricNoise]:
        if missing := METRICS.keys() - metrics.keys():
            raise ValueError(f"nothing is known of {', '.join(sorted(missing))}")
        return metrics

    def above(self, margins: Mapping[str, float | None], where: str) -> list[str]:
        """What is wrong with each margin that is below the noise, and the mend; None is no margin."""
        noises = {name: self.metrics[name].noise or 0.0 for name in margins}
        return [
            f"margin {name}={margin:g}: is below the noise of {noises[name]:.4f} between runs of {self.model} "
            f"({where}); raise it, or ask more sessions"
            for name, margin in margins.items()
            if margin is not None and margin < noises[name]
        ]


def measure(sides: Sequence[Side], config: GateConfig) -> Noise:
    """The noise between two or more runs of one model.

    Raises:
        UserError: fewer than two runs, one given twice, or runs that cannot be compared.
    """
    first = sides[0]
    _check(sides, config)
    pairs = [differences(one.tally, other.tally) for one, other in combinations(sides, 2)]
    return Noise(
        model=first.model,
        runs=tuple(side.info.run_id for side in sides),
        identity=first.info.identity,
        turns=len(first.tally.rows),
        sessions=first.info.sessions,
        metrics={name: _metric_noise([pair[name] for pair in pairs]) for name in METRICS},
    )


def _check(sides: Sequence[Side], config: GateConfig) -> None:
    first, ids = sides[0], [side.info.run_id for side in sides]
    if len(set(ids)) < max(len(ids), 2):
        problem = f"expected two or more different runs, got {', '.join(ids)}"
        raise UserError("noise", problem, "evaluate the same model again under another --run-id")
    for side in sides:
        for fault in side.faults(config):
            raise UserError(side.path, fault, "noise needs finished runs")
        if side.model != first.model:
            raise UserError(side.path, f"is of {side.model}, not of {first.model}", "choose one model with --model")
        for differing in first.info.identity.differences(side.info.identity):
            raise UserError(side.path, f"differs from {first.path} in {differing}", "repeat the very same run")
        if side.judged.keys() != first.judged.keys():
            raise UserError(side.path, f"holds outcomes of other turns than {first.path}", "repeat the very same run")


def _metric_noise(pairs: Iterable[Difference]) -> MetricNoise:
    defined = [(abs(pair.value), _half_width(pair)) for pair in pairs if pair.value is not None]
    if not defined:
        return MetricNoise(noise=None, half_width=None, largest=None)
    largest = max(value for value, _ in defined)
    half = math.sqrt(sum(width**2 for _, width in defined) / len(defined))
    return MetricNoise(noise=max(half, largest), half_width=half, largest=largest)


def _half_width(pair: Difference) -> float:
    return t_quantile(0.975, max(pair.clusters - 1, 1)) * (pair.error or 0.0)


def read_noise(path: Path) -> Noise:
    """The noise in a file; raises a UserError where it is none."""
    try:
        return Noise.model_validate_json(read_text(path))
    except ValidationError as error:
        raise UserError(path, explain(error), "write it with `callproof evaluate noise`") from None


def noise_of(baseline: Side, file: Path | None) -> tuple[Noise, str] | None:
    """The noise that a gate must respect and where it stands: in `file`, or beside the baseline.

    Raises:
        UserError: an unreadable file, or noise of other turns, catalog, prompt, scorer, sampling or channel.
    """
    path = file or Run(Path(baseline.path)).noise_path
    if not file and not path.is_file():
        return None
    noise = read_noise(path)
    for differing in noise.identity.differences(baseline.info.identity):
        raise UserError(path, f"was measured with another {differing}", "measure it with runs like the baseline")
    return noise, str(path)
