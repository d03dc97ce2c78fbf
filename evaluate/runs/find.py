"""Finds a run by folder, id or baseline name, and chooses one of its models."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from callproof.errors import UserError
from callproof.records import Record, explain, read_text

from .run import Run, RunInfo

BASELINE_FILE = "baseline.json"


class Baseline(Record):
    """baseline.json in the folder of a blessed run: which model is the baseline, and which run it was copied from."""

    schema_version: int = 1
    name: str
    run_id: str
    model: str
    blessed: str


def find_run(name: str, runs: Path) -> tuple[Run, str | None]:
    """The run with this folder, id or baseline name, and its blessed model (None if it is no baseline).

    Raises:
        UserError: there is none; it names the places that were tried.
    """
    places = dict.fromkeys((Path(name), runs / name, runs / "baselines" / name))
    for place in places:
        run = Run(place)
        if run.exists:
            return run, _blessed_model(place)
    tried = ", ".join(str(place / "run.json") for place in places)
    raise UserError(name, "is no run and no baseline", f"tried {tried}")


def _blessed_model(place: Path) -> str | None:
    return read_baseline(place).model if (place / BASELINE_FILE).is_file() else None


def read_baseline(place: Path) -> Baseline:
    """What the folder of a blessed run says of it; raises a UserError where it says nothing that can be read."""
    path = place / BASELINE_FILE
    try:
        return Baseline.model_validate_json(read_text(path))
    except ValidationError as error:
        raise UserError(path, explain(error), "bless the run again") from None


def baselines(runs: Path) -> Iterator[tuple[str, Baseline]]:
    """(name for `gate`, what it is) of every blessed run, those that were replaced included.

    Raises:
        UserError: a baseline.json that cannot be read.
    """
    for path in sorted((runs / "baselines").glob(f"*/{BASELINE_FILE}")):
        if not path.parent.name.startswith("."):
            yield path.parent.name, read_baseline(path.parent)


def choose_model(info: RunInfo, name: str | None, option: str) -> str:
    """The model called `name`; without a name the run's only model, or the one named like its configuration.

    Raises:
        UserError: the run has no such model, or several and no name was given; `option` is how to give one.
    """
    choices = ", ".join(info.models)
    if name is not None:
        if name not in info.models:
            raise UserError(f"{option} {name}", f"is not in run {info.run_id}", f"choose one of: {choices}")
        return name
    if len(info.models) == 1:
        return info.models[0]
    if info.name in info.models:
        return info.name
    raise UserError(f"run {info.run_id}", f"has several models ({choices})", f"choose one with {option}")
