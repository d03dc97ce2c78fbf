"""Bless: an explicit act makes a run the baseline that `gate` knows by name."""

import shutil
from pathlib import Path

from pydantic import ValidationError

from callproof.errors import UserError
from callproof.records import Record, explain, leaving_nothing, read_text, write_json
from evaluate.noise import FILE as NOISE
from evaluate.runs import Run, RunInfo, check_folder_name, now

_FILES = ("run.json", "outcomes.jsonl", "metrics.json", "report.html")


class Baseline(Record):
    """baseline.json beside a blessed run: which of its models is the baseline, and where it came from."""

    schema_version: int = 1
    name: str
    run_id: str
    model: str
    blessed: str


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
    _copy(run.path, place, baseline)
    return baseline


def _copy(source: Path, place: Path, baseline: Baseline) -> None:
    fresh, old = (place.with_name(f".{place.name}.{suffix}") for suffix in ("new", "old"))
    try:
        with leaving_nothing(fresh):
            _fill(fresh, source, baseline)
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                place.rename(old)
            fresh.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        problem = f"cannot be copied ({error.strerror}: {error.filename})"
        raise UserError(place, problem, "finish the run, or free some space") from None


def _fill(fresh: Path, source: Path, baseline: Baseline) -> None:
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        for name in (*_FILES, *([NOISE] if (source / NOISE).exists() else [])):
            shutil.copyfile(source / name, fresh / name)
        write_json(fresh / "baseline.json", baseline.model_dump())
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def find_run(name: str, runs: Path) -> tuple[Run, str | None]:
    """(run, its blessed model) of a run directory, a run id, or the name of a baseline.

    Raises:
        UserError: there is none; the places that were tried are named.
    """
    places = dict.fromkeys((Path(name), runs / name, runs / "baselines" / name))
    for place in places:
        run = Run(place)
        if run.exists:
            return run, _blessed_model(place)
    tried = ", ".join(str(place / "run.json") for place in places)
    raise UserError(name, "is no run and no baseline", f"tried {tried}")


def _blessed_model(place: Path) -> str | None:
    path = place / "baseline.json"
    if not path.is_file():
        return None
    try:
        return Baseline.model_validate_json(read_text(path)).model
    except ValidationError as error:
        raise UserError(path, explain(error), "bless the run again") from None


def choose_model(info: RunInfo, wanted: str | None, option: str) -> str:
    """The model of a run that is meant: `wanted`, or the only one, or the one named as the configuration.

    Raises:
        UserError: it is not in the run, or not clear.
    """
    choices = ", ".join(info.models)
    if wanted is not None:
        if wanted not in info.models:
            raise UserError(f"{option} {wanted}", f"is not in run {info.run_id}", f"choose one of: {choices}")
        return wanted
    if len(info.models) == 1:
        return info.models[0]
    if info.name in info.models:
        return info.name
    raise UserError(f"run {info.run_id}", f"has several models ({choices})", f"choose one with {option}")
