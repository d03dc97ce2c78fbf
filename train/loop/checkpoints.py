"""Checkpoints from which a killed training goes on, with the same rows, random numbers and learning rates.

`<output_dir>/checkpoints` holds a `checkpoint-<step>` folder for each step that is kept, and `run.json`, which records
settings and data, so that a run is not resumed with others. The last file written into a checkpoint is its seal, a list
of the files and their sizes; a checkpoint whose seal is missing or does not match was torn by a crash, and is skipped.
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
    "save_strategy",
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
        """Start a fresh run; returns whether checkpoints of an older one were removed."""
        removed = any(self.folder.glob("checkpoint-*"))
        shutil.rmtree(self.folder, ignore_errors=True)
        self._write(self._begun)
        return removed

    def state(self) -> RunState | None:
        """The state of the run to resume; None where there is none.

        Raises:
            UserError: that run was begun with other settings, data or processes.
        """
        if not self._file.is_file():
            return None
        try:
            state = RunState.model_validate_json(read_text(self._file))
        except ValueError:
            raise UserError(self._file, "is no state of a run", "start without --resume") from None
        mine = json.loads(self._begun.model_dump_json())
        for key, theirs, ours in _differences(json.loads(state.model_dump_json()), mine):
            problem = f"the run was begun with {key} {theirs!r}, but now it is {ours!r}"
            raise UserError(self._file, problem, "undo the change, or start without --resume")
        return state

    def newest(self) -> tuple[Path | None, list[Path]]:
        """The newest whole checkpoint, if there is one, and the torn ones after it."""
        torn = []
        for path in sorted(self.folder.glob("checkpoint-*"), key=_step, reverse=True):
            if _is_whole(path):
                return path, torn
            torn.append(path)
        return None, torn

    def resume(self, state: RunState, checkpoint: Path) -> RunState:
        """Record that the run goes on from `checkpoint`."""
        return self._write(state.model_copy(update={"resumed_from": (*state.resumed_from, _step(checkpoint))}))

    def finish(self) -> None:
        """Record that adapter and manifest are written."""
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
    sizes_now = _sizes(checkpoint)
    return isinstance(sizes, dict) and all(sizes_now.get(name) == size for name, size in sizes.items())


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and path.name != SEAL)
    return {str(path.relative_to(checkpoint)): path.stat().st_size for path in files}


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


def _differences(recorded: dict[str, Any], mine: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, its value in the run, its value now) of what may not change."""
    for key in ("processes", "settings", "sha256"):
        yield from _differing(key, recorded[key], mine[key])


def _differing(path: str, theirs: Any, ours: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in {**theirs, **ours}:
            yield from _differing(f"{path}.{key}".removeprefix("settings."), theirs.get(key), ours.get(key))
    elif theirs != ours:
        yield path, theirs, ours
