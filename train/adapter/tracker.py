"""The tracker of a training: which run it reported to, and what is added to that run later: the gate's verdict.

The manifest holds the run as `tracker`. W&B takes a run up again by its id and trackio by its name, so that a verdict
stands beside the losses; TensorBoard reads all files of a folder as one run.
"""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.records import Record, explain, read_object

REPORT = "report.html"
FIGURES = ("baseline", "candidate", "gain", "lower", "upper", "limit")
_GATE_AGAIN = "give the gate.json of `callproof evaluate gate`"


class Tracked(Record):
    """One run of a tracker.

    `run`: its name; `id` and `entity`: of W&B; `project`: of W&B and trackio; `folder`: of TensorBoard.
    """

    tracker: Literal["wandb", "trackio", "tensorboard"]
    run: str
    project: str | None = None
    id: str | None = None
    entity: str | None = None
    folder: str | None = None


class Verdict(NamedTuple):
    """What is added to a run: its verdict, its figures by name, and the files that they come from."""

    verdict: str
    figures: dict[str, float]
    files: tuple[Path, ...]
    step: int


@contextlib.contextmanager
def tracker_folders(config: RunConfig) -> Iterator[None]:
    """While it is open, trackers write into the run's folder, except where the environment names another."""
    folders = {
        "TENSORBOARD_LOGGING_DIR": str(config.output_dir / "tensorboard"),
        "WANDB_DIR": str(config.output_dir),
        "WANDB_PROJECT": "callproof",
    }
    ours = {name: value for name, value in folders.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def end_tracking(callbacks: list[Any], args: Any) -> dict[str, Any] | None:
    """The run that a trainer's callbacks reported to, for the manifest, its files complete; None without a tracker."""
    by_name = {type(callback).__name__: callback for callback in callbacks}
    place: dict[str, Any]
    if callback := by_name.get("WandbCallback"):
        run = callback._wandb.run
        place = {"tracker": "wandb", "project": run.project, "id": run.id, "entity": run.entity or None}
        run.finish()  # what it says at the end would otherwise follow our last line
    elif "TrackioCallback" in by_name:
        place = {"tracker": "trackio", "project": args.project}
    elif callback := by_name.get("TensorBoardCallback"):
        place = {"tracker": "tensorboard", "folder": str(callback.logging_dir)}
    else:
        return None
    return Tracked(run=args.run_name, **place).model_dump(exclude_none=True)


def track(manifest: dict[str, Any], gate: Path) -> dict[str, Any]:
    """Add a verdict of the gate, and the report beside it, to the run that the adapter's training reported to.

    Args:
        manifest: of the adapter.
        gate: gate.json; report.html of the candidate's run is taken where it lies beside it.

    Returns:
        The tracker's run, the verdict, and the names of figures and files.

    Raises:
        UserError: the training had no tracker, the verdict is on another model, or the tracker does not take it.
    """
    try:
        tracked = Tracked.model_validate(manifest.get("tracker"))
    except ValidationError as error:
        problem = "was trained without a tracker" if not manifest.get("tracker") else f"tracker: {explain(error)}"
        raise UserError(f"{manifest['name']}: the adapter", problem, "train with train.report_to") from None
    verdict = _verdict(manifest, gate)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _TRACKERS[tracked.tracker](tracked, verdict)
    except ModuleNotFoundError as error:
        raise UserError(tracked.tracker, f"package {error.name} is not installed", "install it") from None
    names = [file.name for file in verdict.files]
    return {
        **tracked.model_dump(exclude_none=True),
        "verdict": verdict.verdict,
        "figures": len(verdict.figures),
        "files": names,
    }


def _verdict(manifest: dict[str, Any], gate: Path) -> Verdict:
    content = read_object(gate, _GATE_AGAIN)
    try:
        judged, verdict = content["candidate"]["model"], str(content["verdict"])
        figures = {name: value for check in content["checks"] for name, value in _figures(check)}
    except (LookupError, TypeError, AttributeError) as error:
        raise UserError(gate, f"is no verdict of the gate ({type(error).__name__}: {error})", _GATE_AGAIN) from None
    if judged.partition("@")[0] != manifest["name"]:
        problem = f"judges {judged!r}, but the adapter is {manifest['name']!r}"
        raise UserError(gate, problem, "give the verdict on this adapter, or the configuration of the other")
    report = gate.with_name(REPORT)
    files = (gate, *([report] if report.is_file() else []))
    return Verdict(verdict, {"gate/passed": float(verdict == "pass"), **figures}, files, int(manifest["steps"]))


def _figures(check: dict[str, Any]) -> list[tuple[str, float]]:
    place = "/".join(filter(None, ("gate", check["metric"], check.get("slice"), check["kind"])))
    values = ((name, check.get(name)) for name in FIGURES)
    return [(f"{place}/{name}", float(value)) for name, value in values if value is not None and math.isfinite(value)]


def _to_wandb(tracked: Tracked, verdict: Verdict) -> None:
    wandb = import_module("wandb")

    with wandb.init(project=tracked.project, entity=tracked.entity, id=tracked.id, resume="allow") as run:
        run.summary.update({"gate/verdict": verdict.verdict, **verdict.figures})
        artifact = wandb.Artifact(f"gate-{run.id}", type="gate", metadata={"verdict": verdict.verdict})
        for file in verdict.files:
            artifact.add_file(str(file))
        run.log_artifact(artifact)


def _to_trackio(tracked: Tracked, verdict: Verdict) -> None:
    trackio = import_module("trackio")

    trackio.init(project=str(tracked.project), name=tracked.run, resume="must", embed=False)
    trackio.log({"gate/verdict": verdict.verdict, **verdict.figures})
    artifact = trackio.Artifact(
        f"gate-{tracked.run.replace('/', '-')}", type="gate", metadata={"verdict": verdict.verdict}
    )
    for file in verdict.files:
        artifact.add_file(str(file))
    trackio.log_artifact(artifact)
    trackio.finish()


def _to_tensorboard(tracked: Tracked, verdict: Verdict) -> None:
    """TensorBoard keeps no files: the verdict stands there as text, with the places of its files."""
    package = "torch.utils.tensorboard" if find_spec("tensorboard") else "tensorboardX"
    text = json.dumps({"verdict": verdict.verdict, "files": [str(file.resolve()) for file in verdict.files]})
    with import_module(package).SummaryWriter(log_dir=tracked.folder) as writer:
        writer.add_text("gate/verdict", text, verdict.step)
        for name, value in verdict.figures.items():
            writer.add_scalar(name, value, verdict.step)


_TRACKERS: dict[str, Callable[[Tracked, Verdict], None]] = {
    "wandb": _to_wandb,
    "trackio": _to_trackio,
    "tensorboard": _to_tensorboard,
}
