"""How `turn_exact` grew in the training of a run's adapter, as the manifest beside the adapter has it."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from callproof.config import RunConfig
from callproof.records import Number

from ..runs import RunInfo


class _Evaluation(BaseModel):
    step: Number
    eval_turn_exact: float | None = None


class _Manifest(BaseModel):
    evaluations: tuple[_Evaluation, ...] = ()


def course_of(info: RunInfo) -> dict[str, Any] | None:
    """`path` of the manifest and `points`, each a step and its `turn_exact`.

    None where the run has no configuration, its adapter no manifest on this machine, or that fewer than two such
    evaluations: the plot is an extra, so that what cannot be read is left out.
    """
    try:
        path = RunConfig.model_validate(info.config or {}).output_dir / "manifest.json"
        manifest = _Manifest.model_validate_json(Path(path).read_bytes())
    except (OSError, ValidationError):
        return None
    found = [(each.step, each.eval_turn_exact) for each in manifest.evaluations if each.eval_turn_exact is not None]
    return {"path": str(path), "points": found} if len(found) > 1 and found[-1][0] > 0 else None
