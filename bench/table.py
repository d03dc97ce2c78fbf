"""The figures of a bench for people."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bench.stats import LATENCIES, PERCENTILES

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 120


def print_tables(report: dict[str, Any]) -> None:
    """Print a report's figures on standard output."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    console.print(title(report), markup=False, highlight=False)
    rates = ("turns", "errors", "req/s", "tok/s", "correct/s", "exact")
    console.print(_table(report, "throughput", rates, _rates))
    heads = [f"{name.upper()} ms" for name in LATENCIES]
    console.print(_table(report, "latency, p50 / p90 / p99", heads, _latencies))


def _table(
    report: dict[str, Any], name: str, columns: Sequence[str], cells: Callable[[dict[str, Any]], list[str]]
) -> "Table":
    from rich.table import Table

    table = Table(title=name, title_justify="left")
    table.add_column("in flight", justify="right")
    table.add_column("model")
    for column in columns:
        table.add_column(column, justify="right")
    for level in report["levels"]:
        rows = [*level["models"].items(), *([("overall", level["overall"])] if len(level["models"]) > 1 else [])]
        mark = f"{level['concurrency'] or '-'}{' (partial)' if level['partial'] else ''}"
        for number, (model, row) in enumerate(rows, start=1):
            table.add_row(mark, model, *cells(row), end_section=number == len(rows))
    return table


def title(report: dict[str, Any]) -> str:
    parts = [f"bench of {report['endpoint']}", f"device {report['device']}", report.get("note")]
    return ", ".join(part for part in parts if part)


def _rates(row: dict[str, Any]) -> list[str]:
    exact = "-" if row["turn_exact"] is None else f"{row['turn_exact']:.1%}"
    rates = [_number(row[key]) for key in ("req_per_s", "tokens_per_s", "correct_per_s")]
    return [str(row["requests"]), str(row["errors"]), *rates, exact]


def _latencies(row: dict[str, Any]) -> list[str]:
    return [" / ".join(_number(row[f"{name}_p{point}_ms"]) for point in PERCENTILES) for name in LATENCIES]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
