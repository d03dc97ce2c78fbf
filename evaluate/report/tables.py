"""Results as tables on stdout."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from callproof.console import percent, points, say
from callproof.scoring import METRICS, Difference, Estimate

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
    turns = max(model.turns for model in summary.models.values())
    heading = f"{summary.name}: {turns} turns, run {summary.run_id}; per cent, with 95 % intervals clustered by session"
    console.print(heading, markup=False, highlight=False)
    table = summary_table(summary, " ")
    unbounded = console.options.update(width=10 * _PLAIN_WIDTH)
    if console.measure(table, options=unbounded).maximum > console.width:
        table = summary_table(summary, "\n")
    console.print(table)
    for line in _lines_below(summary):
        console.print(line, markup=False, highlight=False)
    for warning in summary.warnings:
        say(f"warning: {warning}")


def _lines_below(summary: Summary) -> Iterator[str]:
    for name, model in summary.models.items():
        if model.retried:
            yield f"{name}: {model.retried} of {sum(model.outcomes.values())} answers took more than one request"
    for name, model in summary.models.items():
        yield f"{name}: {notation_line(summary.format, model.notations)}"
    for name, model in summary.models.items():
        if model.alternatives:
            yield f"{name}: {alternatives_line(model.alternatives)}"
    yield from (f"{name}: restraint: {told}" for name, told in summary.restraint.items())
    yield from (f"{name}: {told}" for name, told in summary.verdicts.items())
    for name, rate in summary.disagreement.items():
        yield f"{name}: the channels disagree on {show_estimate(rate, ' ')} % of {rate.n} answers"


def alternatives_line(alternatives: Mapping[int, int]) -> str:
    """`where several answers are right: the recorded one in 12 answers, alternative 1 in 3`."""
    names = {number: f"alternative {number}" if number else "the recorded one" for number in alternatives}
    first, *others = (f"{names[number]} in {count}" for number, count in alternatives.items())
    return f"where several answers are right: {', '.join((f'{first} answers', *others))}"


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
        table.add_column("turns that differ", justify="right", style="dim")
    for metric in _worth_a_row(summary):
        estimates = [model.metrics[metric] for model in summary.models.values()]
        cells = [cell for estimate in estimates for cell in (show_estimate(estimate, separator), str(estimate.n))]
        for differences in summary.differences.values():
            difference = differences[metric]
            cells += [show_difference(difference, separator), show_evidence(difference, separator)]
        table.add_row(metric, *cells, style="bold" if metric in HEADLINE else None)
    return table


def _worth_a_row(summary: Summary) -> list[str]:
    """Every metric, but `pass_k` only where turns were repeated, so that it can differ from `turn_exact`."""
    repeated = any(model.metrics["pass_k"] != model.metrics["turn_exact"] for model in summary.models.values())
    return [name for name in METRICS if repeated or name != "pass_k"]


def show_estimate(estimate: Estimate, separator: str) -> str:
    """`91.2 [88.0, 93.8]` in per cent; a dash where the metric is undefined."""
    interval = f"{separator}[{percent(estimate.low)}, {percent(estimate.high)}]" if estimate.low is not None else ""
    return percent(estimate.value) + interval


def show_difference(difference: Difference, separator: str) -> str:
    """`+3.1 [+1.0, +5.2]` in percentage points."""
    interval = f"{separator}[{points(difference.low)}, {points(difference.high)}]" if difference.low is not None else ""
    return points(difference.value) + interval


def show_evidence(difference: Difference, separator: str) -> str:
    """`12 of 265 in 60 sessions`: the turns that the metric is made of, and those that differ in it."""
    turns = f"{difference.discordant:,} of {difference.n:,}"
    return f"{turns}{separator}in {difference.clusters:,} sessions" if difference.n else "–"
