"""Makes a level of a bench's report from another load generator's figures or requests."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict

from ..figures import FEW, Sample, Saved, figures

UNJUDGED = {"exact": None, "turn_exact": None, "correct_per_s": None}


class Foreign(Saved):
    """Part of another tool's file; numbers must be finite, and keys that are not needed are ignored."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


def level_of_samples(concurrency: int | None, duration_s: float, samples: Sequence[Sample]) -> dict[str, Any]:
    """A level with every request; figures are computed from them."""
    names = dict.fromkeys(sample.model for sample in samples)
    models = {
        name: {**figures([one for one in samples if one.model == name], duration_s), **UNJUDGED} for name in names
    }
    overall = {**figures(samples, duration_s), **UNJUDGED}
    return _level(concurrency, duration_s, models, overall, samples)


def level_of_figures(
    concurrency: int | None, duration_s: float, model: str, known: Mapping[str, float | None]
) -> dict[str, Any]:
    """A level without requests: the `known` figures of one model, all others None."""
    nothing = dict.fromkeys(figures([], 0.0))
    row = {**nothing, "requests": 0, "errors": 0, **known}
    few = row["requests"] - row["errors"] < FEW
    row["p99_of_few"] = [name for name in ("ttft", "tpot", "e2e") if few and row[f"{name}_p99_ms"] is not None]
    return _level(concurrency, duration_s, {model: row}, row, ())


def _level(
    concurrency: int | None,
    duration_s: float,
    models: dict[str, dict[str, Any]],
    overall: dict[str, Any],
    samples: Sequence[Sample],
) -> dict[str, Any]:
    return {
        "load": "not told" if concurrency is None else f"{concurrency} in flight",
        "concurrency": concurrency,
        "rate": None,
        "arrival": None,
        "live": None,
        "planned": overall["requests"],
        "partial": False,
        "duration_s": round(duration_s, 6),
        "lateness": None,
        "turn_exact_vs_lowest": None,
        "overall": overall,
        "models": models,
        "samples": [sample.model_dump(mode="json") for sample in samples],
    }
