"""The series of a bench in Prometheus' text format; `bench prometheus --help` says which there are."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from callproof.errors import in_one_line

from ..figures import PERCENTILES, SavedBench

_PREFIX = "callproof_bench"
_NAMES = {
    "ttft": "Time to first token", "ttfc": "Time to first content",
    "tpot": "Time per output token after the first", "itl": "Time between tokens",
    "e2e": "End-to-end latency", "ttfvc": "Time to first valid call",
    "e2e_from_schedule": "End-to-end latency from when a request was due",
}  # fmt: skip


class Family(NamedTuple):
    """A metric; `key` names its value in a row of figures."""

    name: str
    help: str
    key: str


_FAMILIES = (
    Family("requests", "Requests sent.", "requests"),
    Family("errors", "Requests that failed.", "errors"),
    Family("output_tokens", "Tokens answered.", "output_tokens"),
    Family("exact_ratio", "Turns answered exactly right, of all turns.", "turn_exact"),
    Family("requests_per_second", "Answered requests per second.", "req_per_s"),
    Family("output_tokens_per_second", "Answered tokens per second.", "tokens_per_s"),
    Family("tokens_per_second", "Tokens asked and answered, per second.", "total_token_throughput"),
    Family("correct_turns_per_second", "Turns answered exactly right, per second.", "correct_per_s"),
    Family("requests_in_time_per_second", "Requests within the service level, per second.", "request_goodput"),
    Family("correct_in_time_per_second", "Of these, turns answered exactly right, per second.", "correct_goodput"),
)


def exposition(bench: SavedBench) -> str:
    """The text of the file; figures that are None have no series."""
    lines = [f"# {in_one_line(bench.note)}"] if bench.note else []
    info = {"device": bench.device, "server": bench.versions.get("server") or "", "note": bench.note or ""}
    lines += [*_head("info", "What was measured."), f"{_PREFIX}_info{_labels(info)} 1"]
    rows = list(_rows(bench))
    for family in _FAMILIES:
        series = [(labels, row.get(family.key)) for labels, row in rows]
        lines += _family(family.name, family.help, series)
    for name in _NAMES:
        series = [
            ({**labels, "quantile": f"{point / 100:g}"}, _seconds(row.get(f"{name}_p{point}_ms")))
            for labels, row in rows
            for point in PERCENTILES
        ]
        lines += _family(f"{name}_seconds", f"{_NAMES[name]}, quantiles of a level.", series)
    return "\n".join(lines) + "\n"


def _rows(bench: SavedBench) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """(labels, figures) of each model at each level."""
    seen: dict[str, int] = {}
    held = [level.load for level in bench.levels]
    for level in bench.levels:
        seen[level.load] = block = seen.get(level.load, 0) + 1
        repeated = {"block": str(block)} if held.count(level.load) > 1 else {}
        settings = {key: getattr(level, key) for key in ("concurrency", "rate", "arrival", "live")}
        load_labels = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in settings.items()
                 if value is not None}  # fmt: skip
        for model, row in level.models.items():
            yield {"model": model, **load_labels, **repeated}, row


def _family(name: str, description: str, series: list[tuple[dict[str, str], Any]]) -> list[str]:
    known = [(labels, value) for labels, value in series if isinstance(value, int | float)]
    return (
        _head(name, description) + [f"{_PREFIX}_{name}{_labels(labels)} {value!r}" for labels, value in known]
        if known
        else []
    )


def _head(name: str, description: str) -> list[str]:
    return [f"# HELP {_PREFIX}_{name} {description}", f"# TYPE {_PREFIX}_{name} gauge"]


def _seconds(value: Any) -> float | None:
    return value / 1000 if isinstance(value, int | float) else None


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
