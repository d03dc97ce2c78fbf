"""Results as tables on stdout."""

from typing import TYPE_CHECKING

from callproof.console import say
from callproof.scoring import METRICS, Difference, Estimate

from ..gate import percent, points
from .notations import notation_line
from .summary import HEADLINE, Summary

if TYPE_CHECKING:
    from rich.table import Table

_PLAIN_WIDTH = 200


def print_summary(summary: Summary) -> None:
    """Metric, then value with 95 % interval and n for each model, then differences to the baseline model.

    On a terminal that is too narrow, intervals stand below their values.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    turns = max(column.turns for column in summary.models.values())
    heading = f"{summary.name}: {turns} turns, run {summary.run_id}; per cent, with 95 % intervals clustered by session"
    console.print(heading, markup=False, highlight=False)
    table = summary_table(summary, " ")
    unbounded = console.options.update(width=10 * _PLAIN_WIDTH)
    if console.measure(table, options=unbounded).maximum > console.width:
        table = summary_table(summary, "\n")
    console.print(table)
    for model, column in summary.models.items():
        if column.retried:
            line = f"{model}: {column.retried} of {sum(column.outcomes.values())} answers took more than one request"
            console.print(line, markup=False, highlight=False)
    for model, column in summary.models.items():
        line = f"{model}: {notation_line(summary.format, column.notations)}"
        console.print(line, markup=False, highlight=False)
    for model, rate in summary.disagreement.items():
        line = f"{model}: the channels disagree on {show_estimate(rate, ' ')} % of {rate.n} answers"
        console.print(line, markup=False, highlight=False)
    for warning in summary.warnings:
        say(f"warning: {warning}")


def summary_table(summary: Summary, separator: str) -> "Table":
    """The table of all metrics; `separator` goes between a value and its interval."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for model in summary.models:
        table.add_column(model, justify="right")
        table.add_column("n", justify="right", style="dim")
    for model in summary.differences:
        table.add_column(f"{model} − {summary.baseline_model}", justify="right")
    for metric in _rows(summary):
        estimates = [column.metrics[metric] for column in summary.models.values()]
        cells = [cell for estimate in estimates for cell in (show_estimate(estimate, separator), str(estimate.n))]
        cells += [show_difference(column[metric], separator) for column in summary.differences.values()]
        table.add_row(metric, *cells, style="bold" if metric in HEADLINE else None)
    return table


def _rows(summary: Summary) -> list[str]:
    """The metrics to show: all, but `pass_k` only if turns were repeated, since it equals `turn_exact` otherwise."""
    repeated = any(column.metrics["pass_k"] != column.metrics["turn_exact"] for column in summary.models.values())
    return [name for name in METRICS if repeated or name != "pass_k"]


def show_estimate(estimate: Estimate, separator: str) -> str:
    """`91.2 [88.0, 93.8]` in per cent; a dash where the metric is undefined."""
    interval = f"{separator}[{percent(estimate.low)}, {percent(estimate.high)}]" if estimate.low is not None else ""
    return percent(estimate.value) + interval


def show_difference(difference: Difference, separator: str) -> str:
    """`+3.1 [+1.0, +5.2]` in percentage points."""
    interval = f"{separator}[{points(difference.low)}, {points(difference.high)}]" if difference.low is not None else ""
    return points(difference.value) + interval
