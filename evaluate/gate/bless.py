"""Bless: an explicit act makes a run the baseline that `gate` knows by name."""

import shutil
from pathlib import Path

from callproof.errors import UserError
from callproof.records import replacing_folder, write_json

from ..runs import Baseline, Run, check_folder_name, choose_model, now

_FILES = ("run.json", "outcomes.jsonl", "metrics.json", "report.html")


def bless(run: Run, runs: Path, name: str | None, model: str | None) -> Baseline:
    """Copy `run`, and the noise measured beside it, to `runs/baselines/<name>` in place of an earlier one of that name.

    Args:
        name: default: that of the run's configuration.
        model: the run's model that is to be beaten; see `choose_model`.

    Raises:
        UserError: no run there, it is unfinished, the model is not clear, or the name is none for a folder.
    """
    info = run.info()
    model = choose_model(info, model, "--model")
    if info.finished is None:
        raise UserError(run.path, "the run is unfinished", "finish it with --resume")
    baseline = Baseline(name=name or info.name, run_id=info.run_id, model=model, blessed=now())
    check_folder_name("--as", baseline.name)
    place = runs / "baselines" / baseline.name
    _copy(run, place, baseline)
    return baseline


def _copy(source: Run, place: Path, baseline: Baseline) -> None:
    noise = [source.noise_path.name] if source.noise_path.exists() else []
    with replacing_folder(place) as folder:
        for name in (*_FILES, *noise):
            shutil.copyfile(source.path / name, folder / name)
        write_json(folder / "baseline.json", baseline.model_dump())
