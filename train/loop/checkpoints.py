"""Checkpoints that a killed training goes on from, with the same rows, random numbers and rates.

`<output_dir>/checkpoints` holds one `checkpoint-<step>` folder for each kept step, and `run.json`: what the run was
begun with, so that it is not resumed with other data or settings. A checkpoint is sealed last of all, by a list of its
files and their sizes; one without a true seal was torn by a crash, and is skipped.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.records import Record, read_text, write_json

from ..rows.prepared_rows import data_hashes

SEAL = "seal.json"
FREE = (
    "output_dir",
    "logging_steps",
    "report_to",
    "save_steps",
    "save_total_limit",
    "per_device_eval_batch_size",
    "check_with_vllm",
    "push_to_hub",
    "hub_model_id",
    "hub_private_repo",
)
"""Settings of section train that a resumed run may change: they do not touch what is learned."""


class RunState(Record):
    """`run.json`. `resumed_from`: the steps that it went on from; `finished`: adapter and manifest are written."""

    processes: int
    settings: dict[str, Any]
    sha256: dict[str, str]
    resumed_from: tuple[int, ...] = ()
    finished: bool = False


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, config: RunConfig, processes: int) -> None:
        self.folder = config.output_dir / "checkpoints"
        self._file = self.folder / "run.json"
        settings = config.model_dump(mode="json", include={"data", "prompt", "model", "lora", "train"})
        settings["train"] = {key: value for key, value in settings["train"].items() if key not in FREE}
        self._begun = RunState(processes=processes, settings=settings, sha256=data_hashes(config))

    def begin(self) -> bool:
        """Make place for a fresh run; whether checkpoints of an older one were removed."""
        removed = any(self.folder.glob("checkpoint-*"))
        shutil.rmtree(self.folder, ignore_errors=True)
        self._write(self._begun)
        return removed

    def state(self) -> RunState | None:
        """What is there to resume; None where nothing is.

        Raises:
            UserError: it was begun with other settings, data or processes.
        """
        if not self._file.is_file():
            return None
        try:
            found = RunState.model_validate_json(read_text(self._file))
        except ValueError:
            raise UserError(self._file, "is no state of a run", "start without --resume") from None
        mine = json.loads(self._begun.model_dump_json())
        for key, theirs, ours in _differences(json.loads(found.model_dump_json()), mine):
            problem = f"the run was begun with {key} {theirs!r}, but now it is {ours!r}"
            raise UserError(self._file, problem, "undo the change, or start without --resume")
        return found

    def newest(self) -> tuple[Path | None, list[Path]]:
        """The newest whole checkpoint, if there is one, and the torn ones after it."""
        torn = []
        for path in sorted(self.folder.glob("checkpoint-*"), key=_step, reverse=True):
            if _is_whole(path):
                return path, torn
            torn.append(path)
        return None, torn

    def resume(self, state: RunState, checkpoint: Path) -> RunState:
        """Note that the run goes on from there."""
        return self._write(state.model_copy(update={"resumed_from": (*state.resumed_from, _step(checkpoint))}))

    def finish(self) -> None:
        """Note that adapter and manifest are written."""
        state = RunState.model_validate_json(read_text(self._file))
        self._write(state.model_copy(update={"finished": True}))

    def _write(self, state: RunState) -> RunState:
        write_json(self._file, json.loads(state.model_dump_json()))
        return state


def seal(checkpoint: Path) -> None:
    """Declare a checkpoint whole: everything in it is written."""
    write_json(checkpoint / SEAL, {"sizes": _sizes(checkpoint)})


def _is_whole(checkpoint: Path) -> bool:
    try:
        sizes = json.loads((checkpoint / SEAL).read_bytes())["sizes"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    found = _sizes(checkpoint)
    return isinstance(sizes, dict) and all(found.get(name) == size for name, size in sizes.items())


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name != SEAL)
    return {str(path.relative_to(checkpoint)): path.stat().st_size for path in files}


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _differences(found: dict[str, Any], mine: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, its value in the run, its value now) of what may not change."""
    for key in ("processes", "settings", "sha256"):
        yield from _differing(key, found[key], mine[key])


def _differing(path: str, theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in {**theirs, **ours}:
            yield from _differing(f"{path}.{key}".removeprefix("settings."), theirs.get(key), ours.get(key))
    elif theirs != ours:
        yield path, theirs, ours
