"""Which run is meant by a folder, an id or the name of a baseline, and which of its models."""

from pathlib import Path

from pydantic import ValidationError

from callproof.errors import UserError
from callproof.records import Record, explain, read_text

from .run import Run, RunInfo


class Baseline(Record):
    """baseline.json beside a blessed run: which of its models is the baseline, and where it came from."""

    schema_version: int = 1
    name: str
    run_id: str
    model: str
    blessed: str


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


def choose_model(info: RunInfo, name: str | None, option: str) -> str:
    """The model of a run that is meant: `name`, or the only one, or the one named as the configuration.

    Raises:
        UserError: it is not in the run, or not clear.
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
