"""Prints the figures of a bench as tables."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from callproof.console import percent, points

from ..figures import LATENCIES, PERCENTILES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_WIDTH = 150
_Row = dict[str, Any]


def print_tables(report: dict[str, Any]) -> None:
    """Print a report's figures on standard output."""
    console = _console(title(report))
    rates = ("turns", "errors", "req/s", "tok/s", "correct/s", "exact")
    console.print(_table(report, "throughput", rates, _rates))
    heads = [f"{name.upper()} ms" for name in LATENCIES]
    console.print(_table(report, "latency, p50 / p90 / p99", heads, lambda row: _latencies(row, LATENCIES)))
    if any(row["p99_of_few"] for level in report["levels"] for row in level["models"].values()):
        console.print("* p99 of fewer than 100 values: little more than the largest of them", highlight=False)
    if report["loop"] == "open" or report["slo"]:
        console.print(_table(report, f"service level {_limits(report)}", _LEVEL_HEADS, _service))
    if any(level["turn_exact_vs_lowest"] for level in report["levels"]):
        console.print(_quality(report))
    if report["failures"]["errors"]:
        console.print(report["failures"]["words"], markup=False, highlight=False)
    if report["find_rate"]:
        console.print(_tried(report["find_rate"]))
        console.print(f"highest rate: {report['find_rate']['words']}", markup=False, highlight=False)


def print_overhead(report: dict[str, Any]) -> None:
    """Print the ratios of a report of `bench overhead` on standard output."""
    from rich.table import Table

    head = [f"adapter overhead, {report['concurrency']} in flight", f"device {report['device']}", report["note"]]
    console = _console(", ".join(part for part in head if part))
    table = Table(title=f"ratios over {len(report['blocks'])} blocks, 95 % limits", title_justify="left")
    table.add_column("figure")
    for name in report["ratios"]:
        table.add_column(name, justify="right")
    figures = next(iter(report["ratios"].values()), {})
    for figure in figures:
        table.add_row(figure, *(_ratio(pair[figure]) for pair in report["ratios"].values()))
    console.print(table)


def _ratio(ratio: dict[str, float] | None) -> str:
    return "-" if ratio is None else f"{ratio['ratio']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"


def _console(head: str) -> "Console":
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(head, markup=False, highlight=False)
    return console


def _table(report: dict[str, Any], name: str, columns: Sequence[str], cells: Callable[[_Row], list[str]]) -> "Table":
    from rich.table import Table

    table = Table(title=name, title_justify="left")
    table.add_column("load", justify="right")
    table.add_column("model")
    for column in columns:
        table.add_column(column, justify="right")
    for level in report["levels"]:
        rows = [*level["models"].items(), *([("overall", level["overall"])] if len(level["models"]) > 1 else [])]
        mark = f"{level['load']}{' (partial)' if level['partial'] else ''}"
        for number, (model, row) in enumerate(rows, start=1):
            table.add_row(mark, model, *cells(row), end_section=number == len(rows))
    return table


def _quality(report: dict[str, Any]) -> "Table":
    from rich.table import Table

    table = Table(title="exact answers against the lowest load, points, 95 % limits", title_justify="left")
    for column in ("load", "model", "difference", "turns"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for level in report["levels"]:
        compared = level["turn_exact_vs_lowest"]
        if compared is None:
            continue
        for model, estimate in {**compared["models"], "overall": compared["overall"]}.items():
            if estimate:
                value, low, high = (points(estimate[key]) for key in ("value", "low", "high"))
                difference = f"{value} ({low} to {high})"
                table.add_row(f"{level['load']}", model, difference, str(estimate["n"]))
    return table


def _tried(search: dict[str, Any]) -> "Table":
    from rich.table import Table

    table = Table(title="rates tried, one-sided 95 % limits of the difference", title_justify="left")
    for column in ("req/s", "in time", "exact %", "alone %", "difference, points", "answers", "sessions", "needed"):
        table.add_column(column, justify="left" if column == "answers" else "right")
    for trial in sorted(search["trials"], key=lambda trial: trial["rate"]):
        share = f"{trial['share']:.1%} ({trial['low']:.1%} to {trial['high']:.1%})"
        table.add_row(f"{trial['rate']:g}", share, *(_answers(trial["quality"]) if trial["quality"] else ["-"] * 6))
    return table


def _answers(quality: dict[str, Any]) -> list[str]:
    shares = [percent(quality[side]) for side in ("turn_exact", "alone")]
    difference = f"{points(quality['gain'])} ({points(quality['lower'])} to {points(quality['upper'])})"
    needed = quality["sessions_needed"]
    return [*shares, difference, quality["verdict"], str(quality["sessions"]), "-" if needed is None else f"{needed:,}"]


def title(report: dict[str, Any]) -> str:
    parts = [f"bench of {report['endpoint']}", f"device {report['device']}", report.get("note")]
    return ", ".join(part for part in parts if part)


def _limits(report: dict[str, Any]) -> str:
    limits = ", ".join(f"{name} {limit:g} ms" for name, limit in (report["slo"] or {}).items())
    return limits or "(no --slo)"


_LEVEL_HEADS = ("good req/s", "good correct/s", "TTFVC ms", "E2E from schedule ms")


def _service(row: _Row) -> list[str]:
    goodput = [_number(row[key]) for key in ("request_goodput", "correct_goodput")]
    return [*goodput, *_latencies(row, ("ttfvc", "e2e_from_schedule"))]


def _rates(row: _Row) -> list[str]:
    exact = "-" if row["turn_exact"] is None else f"{row['turn_exact']:.1%}"
    rates = [_number(row[key]) for key in ("req_per_s", "tokens_per_s", "correct_per_s")]
    return [str(row["requests"]), str(row["errors"]), *rates, exact]


def _latencies(row: _Row, names: Sequence[str]) -> list[str]:
    return [" / ".join(_percentile(row, name, point) for point in PERCENTILES) for name in names]


def _percentile(row: _Row, name: str, point: int) -> str:
    mark = "*" if point == 99 and name in row["p99_of_few"] else ""
    return _number(row[f"{name}_p{point}_ms"]) + mark


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
