"""Which tool made a file, told by its shape, and the reader for it."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON, writable_value
from callproof.errors import UserError, cause_of, relative_to
from callproof.records import read_json, read_lines

from ..turns_file import Skipped
from .bfcl_results import is_bfcl, read_bfcl
from .inspect_log import is_inspect, read_inspect
from .lm_eval import is_lm_eval, read_lm_eval
from .otel import is_otlp, read_otlp
from .promptfoo import is_promptfoo, read_promptfoo
from .record import MISSHAPEN, Found, Options, Sample
from .tau2 import is_tau2, read_tau2

_SUFFIXES = (".eval", ".json", ".jsonl", ".ndjson")

Reader = Callable[[list[Found], Options], Iterator[Sample | Skipped]]


class Form(NamedTuple):
    """`is_one`: whether a file is of this form, from its JSON, or of a file of lines from the first one.

    `lines`: whether a file may hold one record a line. `has_gold`: whether its records can say what is right. `beside`:
    the files that the reader finds by itself.
    """

    name: str
    says: str
    is_one: Callable[[Any], bool]
    read: Reader
    lines: bool
    has_gold: bool = True
    beside: re.Pattern[str] = re.compile("(?!)")


FORMS = {
    form.name: form
    for form in (
        Form("inspect", "logs of inspect_ai, .eval or JSON", is_inspect, read_inspect, lines=False),
        Form("lm-eval", "samples_*.jsonl of lm-eval", is_lm_eval, read_lm_eval, lines=True,
             beside=re.compile(r"results.*\.json")),
        Form("bfcl", "BFCL_v4_*_result.json of BFCL, with --data", is_bfcl, read_bfcl, lines=True,
             beside=re.compile(r"BFCL_.*_score\.json")),
        Form("tau2", "results of tau2-bench", is_tau2, read_tau2, lines=False,
             beside=re.compile(r"simulations/.*\.json")),
        Form("promptfoo", "results of promptfoo, JSON or JSONL", is_promptfoo, read_promptfoo, lines=True),
        Form("otel", "OTLP JSON lines with GenAI spans", is_otlp, read_otlp, lines=True, has_gold=False),
    )
}  # fmt: skip


class Runs(NamedTuple):
    """The files of one form, and those of none."""

    form: Form
    found: list[Found]
    others: list[Path]

    def read(self, options: Options) -> Iterator[Sample | Skipped]:
        """All samples, file by file; raises a UserError where a file is not of its form's shape."""
        try:
            yield from self.form.read(self.found, options)
        except MISSHAPEN as error:
            problem = f"has another shape than {self.form.says} have ({type(error).__name__}: {str(error)[:100]})"
            raise UserError(self.found[0].path, problem, "give the files as they were written") from None


def find_runs(sources: list[Path], form: str) -> Runs:
    """The files that the sources are or hold.

    Args:
        form: a name of FORMS, or `auto`.

    Raises:
        UserError: a file that cannot be read, no file of a known form, or files of several.
    """
    known: dict[str, list[Found]] = {}
    others: list[Path] = []
    for path in _files(sources):
        name, found = _recognised(path, form, named=path in sources)
        if name is None:
            others.append(path)
        else:
            known.setdefault(name, []).append(found)
    if not known:
        forms = "; ".join(f"{one.name}: {one.says}" for one in FORMS.values())
        wanted = "a run of a known form" if form == "auto" else f"{FORMS[form].says}"
        raise UserError(sources[0], f"is not, and does not hold, {wanted}", f"give one of these: {forms}")
    if len(known) > 1:
        raise UserError(sources[0], f"holds runs of several forms ({', '.join(sorted(known))})", "choose by --form")
    ((name, found),) = known.items()
    beside = FORMS[name].beside
    others = [
        path for path in others if not (beside.match(path.name) or beside.match(f"{path.parent.name}/{path.name}"))
    ]
    return Runs(FORMS[name], found, others)


def _files(sources: list[Path]) -> Iterator[Path]:
    for source in sources:
        if source.is_dir():
            yield from sorted(path for path in source.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
        else:
            yield source


def _recognised(path: Path, form: str, named: bool) -> tuple[str | None, Found]:
    """The name of a file's form, None where it has none; what is malformed is an error only where it was named."""
    wanted = FORMS if form == "auto" else {form: FORMS[form]}
    if _is_zip(path):
        return ("inspect" if "inspect" in wanted else None), Found(path, None)
    try:
        value, lines = _first_value(path)
    except UserError:
        if named:
            raise
        return None, Found(path, None)
    found = next((one for one in wanted.values() if one.is_one(value)), None)
    if found and lines and not found.lines:
        raise UserError(f"{path}:2", f"expected one JSON value, as {found.says} are", "give them in files of their own")
    return found and found.name, Found(path, value, lines)


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except OSError as error:
        raise UserError(path, f"cannot be read ({cause_of(error)})", relative_to(path)) from None


def _first_value(path: Path) -> tuple[Any, bool]:
    """The JSON of a file, or of a file of lines the first one, and whether there are several."""
    lines = (line for _, line in read_lines(path) if line.strip())
    first = next(lines, b"")
    if not first:
        raise UserError(path, "is empty", "give a run that has ended")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return _writable(read_json(path, "give JSON, or one object a line"), path), False
    return _writable(value, path), next(lines, None) is not None or path.suffix in (".jsonl", ".ndjson")


def _writable(value: Any, path: Path) -> Any:
    """The value with lone surrogates replaced."""
    try:
        return writable_value(value)
    except RefusedJSON as error:
        raise UserError(path, f"cannot be imported ({error})", "give it as it was written") from None
