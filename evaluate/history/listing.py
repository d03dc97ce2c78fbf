"""The runs that a folder keeps, a row a model: what was asked, what came of it, and what a gate said."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from callproof.console import say
from callproof.errors import UserError
from callproof.records import Record, explain, read_text

from ..report import HEADLINE
from ..runs import Run, RunInfo, baselines

Form = TypeVar("Form", bound=BaseModel)


class RunRow(Record):
    """One model of one run.

    Attributes:
        run: name of the folder.
        figures: the headline metrics, fractions; None where undefined, empty where nothing was scored yet.
        state: why it is no whole run: unfinished, or stopped early.
        gate: the verdict of the last gate that had this model as its candidate, and the baseline it was held against.
        blessed: the names under which `gate` knows this model of this run.
    """

    run: str
    name: str
    model: str
    turns: int
    started: str
    finished: str | None
    state: str | None
    figures: dict[str, float | None]
    gate: str | None
    against: str | None
    blessed: tuple[str, ...]


class Listed(NamedTuple):
    """A run's folder and what its run.json says."""

    run: Run
    info: RunInfo


class _Value(BaseModel):
    value: float | None


class _Figures(BaseModel):
    metrics: dict[str, _Value]


class _Metrics(BaseModel):
    models: dict[str, _Figures] = {}


class _Side(BaseModel):
    run_id: str
    model: str


class _Gate(BaseModel):
    verdict: str
    baseline: _Side
    candidate: _Side


def list_runs(runs: Path) -> list[Listed]:
    """The runs of a folder, newest first; one whose run.json cannot be read is told on stderr and left out.

    Raises:
        UserError: there is no such folder.
    """
    if not runs.is_dir():
        raise UserError(runs, "is no folder", "give the folder of runs with --runs, or evaluate something first")
    listed = []
    for path in sorted(runs.iterdir()):
        if (run := Run(path)).exists:
            try:
                listed.append(Listed(run, run.info()))
            except UserError as error:
                say(f"left out: {error}")
    return sorted(listed, key=lambda each: (each.info.started, each.run.path.name), reverse=True)


def rows_of(listed: list[Listed], runs: Path) -> Iterator[RunRow]:
    """A row for each model of each run, in their order; a file that cannot be read is told on stderr."""
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, baseline in baselines(runs):
        names[baseline.run_id, baseline.model].append(name)
    for run, info in listed:
        yield from _rows(run, info, names)


def _rows(run: Run, info: RunInfo, names: Mapping[tuple[str, str], list[str]]) -> Iterator[RunRow]:
    scored = _read(_Metrics, run.metrics_path, "callproof evaluate report writes it anew")
    verdict = _read(_Gate, run.gate_path, "gate the run again")
    for model in info.models:
        metrics = scored.models[model].metrics if scored and model in scored.models else {}
        gated = verdict if verdict and verdict.candidate.model == model else None
        yield RunRow(
            run=run.path.name,
            name=info.name,
            model=model,
            turns=info.turns,
            started=info.started,
            finished=info.finished,
            state=info.state,
            figures={name: metrics[name].value for name in HEADLINE if name in metrics},
            gate=gated.verdict if gated else None,
            against=f"{gated.baseline.model} of {gated.baseline.run_id}" if gated else None,
            blessed=tuple(names.get((info.run_id, model), ())),
        )


def _read(form: type[Form], path: Path, mend: str) -> Form | None:
    if not path.is_file():
        return None
    try:
        return form.model_validate_json(read_text(path))
    except ValidationError as error:
        say(str(UserError(path, explain(error), mend)))
    except UserError as error:
        say(str(error))
    return None
