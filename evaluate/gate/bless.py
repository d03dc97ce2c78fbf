"""Bless: an explicit act makes a run the baseline that `gate` knows by name; the one that it replaces is kept."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

from callproof.errors import UserError
from callproof.records import replacing_folder, write_json

from ..runs import BASELINE_FILE, Baseline, Run, check_folder_name, choose_model, now, read_baseline

_FILES = ("run.json", "outcomes.jsonl", "metrics.json", "report.html")


class Blessing(NamedTuple):
    """The new baseline; where the one that had its name is kept, and what that was (None where it cannot be read)."""

    baseline: Baseline
    kept: Path | None
    replaced: Baseline | None


def bless(run: Run, runs: Path, name: str | None, model: str | None) -> Blessing:
    """Copy `run`, and the noise measured beside it, to `runs/baselines/<name>`.

    A baseline that has this name already is kept beside it as `<name>.<time at which it was blessed>`, a name that
    `gate` takes too.

    Args:
        name: default: that of the run's configuration.
        model: the run's model that is to be beaten; see `choose_model`.

    Raises:
        UserError: no run there, it is unfinished, the model is not clear, or the name is none for a folder.
    """
    info = run.info()
    model = choose_model(info, model, "--model")
    if info.state:
        raise UserError(run.path, f"the run is {info.state}", "finish it with --resume")
    baseline = Baseline(name=name or info.name, run_id=info.run_id, model=model, blessed=now())
    check_folder_name("--as", baseline.name)
    place = runs / "baselines" / baseline.name
    replaced = None
    with suppress(UserError):
        replaced = read_baseline(place)
    return Blessing(baseline, _copy(run, place, baseline), replaced)


def _copy(source: Run, place: Path, baseline: Baseline) -> Path | None:
    """Fill the folder of a baseline; returns where the earlier one is kept, if there is one."""
    others = [path.name for path in (source.turns_path, source.noise_path) if path.exists()]
    with replacing_folder(place) as folder:
        for name in (*_FILES, *others):
            shutil.copyfile(source.path / name, folder / name)
        write_json(folder / BASELINE_FILE, baseline.model_dump())
        return _keep(place) if (place / BASELINE_FILE).is_file() else None


def _keep(place: Path) -> Path:
    """Copy a baseline to a name of its own, made of the time at which it was blessed."""
    blessed = datetime.fromtimestamp((place / BASELINE_FILE).stat().st_mtime, UTC)
    kept = next(path for path in _names(place, f"{blessed:%Y%m%dT%H%M%S}") if not path.exists())
    with replacing_folder(kept) as folder:
        shutil.copytree(place, folder, dirs_exist_ok=True)
    return kept


def _names(place: Path, time: str) -> Iterator[Path]:
    yield place.with_name(f"{place.name}.{time}")
    yield from (place.with_name(f"{place.name}.{time}-{number}") for number in count(2))
