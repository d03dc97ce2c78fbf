"""Files of other load generators, told by their shape, as a bench's report; `bench import --help` says which."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from callproof.errors import UserError
from callproof.records import explain, read_text

from ..figures import Failures, count_failures
from ..report import SCHEMA_VERSION, note_of
from .aiperf import Aggregate, RequestRecord, level_of_records
from .levels import Foreign
from .vllm import Result

Form = TypeVar("Form", bound=Foreign)
VLLM, AIPERF = "vllm bench serve", "aiperf"
_MEND = "give the file as the tool wrote it"
_SPACE = re.compile(r"\s*")


def read_levels(path: Path, model: str | None) -> tuple[str, list[dict[str, Any]]]:
    """(name of the tool, levels) of a file.

    Raises:
        UserError: the JSON is malformed, or of no known tool (`path:line`).
    """
    values = list(_values(path))
    where, first = values[0] if values else (path, None)
    if not isinstance(first, dict):
        raise UserError(where, "holds no result", "give a file of `vllm bench serve --save-result` or of AIPerf")
    if "request_throughput" in first and "model_id" in first:
        return VLLM, [_parse(Result, value, place).level() for place, value in values]
    if "metadata" in first:
        return AIPERF, [level_of_records([_parse(RequestRecord, value, place) for place, value in values], model)]
    if "request_latency" in first:
        return AIPERF, [_parse(Aggregate, value, place).level(model) for place, value in values]
    problem = "is neither a result of `vllm bench serve` nor an export of AIPerf"
    raise UserError(where, problem, "give the file of --save-result, or profile_export*.json")


def import_report(paths: list[Path], model: str | None, device: str | None) -> dict[str, Any]:
    """A report as `bench.report` makes it, with one level for each result, in the order of the files."""
    levels: list[dict[str, Any]] = []
    tools: dict[str, None] = {}
    for path in paths:
        tool, file_levels = read_levels(path, model)
        tools[tool] = None
        levels += file_levels
    device = device or "unknown"
    return {
        "schema_version": SCHEMA_VERSION,
        "endpoint": f"unknown (imported from {' and '.join(tools)})",
        "device": device,
        "note": note_of(device),
        "partial": False,
        "stopped": None,
        "loop": "as the other tool ran it",
        **dict.fromkeys(("arrival", "max_in_flight", "mix", "seed", "slo", "parser", "max_loras", "find_rate")),
        "prefix_cache": "unknown",
        "sampling": {},
        "turns": {},
        "versions": {},
        "failures": _failures(levels).as_json(),
        "warnings": [],
        "levels": levels,
    }


def _failures(levels: Sequence[dict[str, Any]]) -> Failures:
    """The failed requests; their reasons are known where the file has every request."""
    samples = count_failures((sample["error"] for level in levels for sample in level["samples"]), None)
    counts = {key: sum(level["overall"][key] for level in levels) for key in ("errors", "requests")}
    return samples.model_copy(update=counts)


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    """(`path:line`, value) of each JSON value in a file; any white space may separate them."""
    text, decoder = read_text(path), json.JSONDecoder()
    at, line = 0, 1
    while (begin := _SPACE.match(text, at).end()) < len(text):  # pyright: ignore[reportOptionalMemberAccess]
        line += text.count("\n", at, begin)
        try:
            value, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number or a nesting without bounds"
            raise UserError(f"{path}:{line}", f"malformed JSON ({reason})", _MEND) from None
        yield f"{path}:{line}", value
        line += text.count("\n", begin, at)


def _parse(form: type[Form], value: Any, where: str) -> Form:
    try:
        return form.model_validate(value)
    except ValidationError as error:
        raise UserError(where, explain(error), _MEND) from None
