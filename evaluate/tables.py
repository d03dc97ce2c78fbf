"""Results as tables on stdout."""

from typing import TYPE_CHECKING

from callproof.metrics import METRICS, Difference, Estimate
from evaluate.gate import GateResult
from evaluate.gate_text import explain, percent, points
from evaluate.noise import Noise
from evaluate.summary import HEADLINE, Summary

if TYPE_CHECKING:
    from rich.table import Table

_PLAIN_WIDTH = 200
_FLIPS_SHOWN = 20


def print_summary(summary: Summary) -> None:
    """Metric, then value with 95 % interval and n for each model, then differences to the baseline model.

    On a terminal that is too narrow, intervals stand below their values.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    turns = max(found.turns for found in summary.models.values())
    heading = f"{summary.name}: {turns} turns, run {summary.run_id}; per cent, with 95 % intervals clustered by session"
    console.print(heading, markup=False, highlight=False)
    table = summary_table(summary, " ")
    unbounded = console.options.update(width=10 * _PLAIN_WIDTH)
    if console.measure(table, options=unbounded).maximum > console.width:
        table = summary_table(summary, "\n")
    console.print(table)
    for model, found in summary.models.items():
        if found.retried:
            told = f"{model}: {found.retried} of {sum(found.outcomes.values())} answers took more than one request"
            console.print(told, markup=False, highlight=False)
    for model, rate in summary.disagreement.items():
        told = f"{model}: the channels disagree on {show_estimate(rate, ' ')} % of {rate.n} answers"
        console.print(told, markup=False, highlight=False)


def summary_table(summary: Summary, separator: str) -> "Table":
    """The table; `separator` stands between a value and its interval."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for model in summary.models:
        table.add_column(model, justify="right")
        table.add_column("n", justify="right", style="dim")
    for model in summary.differences:
        table.add_column(f"{model} − {summary.baseline_model}", justify="right")
    for metric in _told(summary):
        estimates = [found.metrics[metric] for found in summary.models.values()]
        cells = [cell for each in estimates for cell in (show_estimate(each, separator), str(each.n))]
        cells += [show_difference(found[metric], separator) for found in summary.differences.values()]
        table.add_row(metric, *cells, style="bold" if metric in HEADLINE else None)
    return table


def _told(summary: Summary) -> list[str]:
    """The metrics worth a row: `pass_k` only where turns were repeated, so that it can differ from `turn_exact`."""
    repeated = any(found.metrics["pass_k"] != found.metrics["turn_exact"] for found in summary.models.values())
    return [name for name in METRICS if repeated or name != "pass_k"]


def show_estimate(estimate: Estimate, separator: str) -> str:
    """`91.2 [88.0, 93.8]` in per cent; a dash where the metric is undefined."""
    interval = f"{separator}[{percent(estimate.low)}, {percent(estimate.high)}]" if estimate.low is not None else ""
    return percent(estimate.value) + interval


def show_difference(found: Difference, separator: str) -> str:
    """`+3.1 [+1.0, +5.2]` in percentage points."""
    interval = f"{separator}[{points(found.low)}, {points(found.high)}]" if found.low is not None else ""
    return points(found.value) + interval


def print_gate(result: GateResult) -> None:
    """Verdict, checks with their bounds, and the turns that flipped."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    style = {"pass": "bold green", "inconclusive": "bold yellow"}.get(result.verdict, "bold red")
    sides = f"{result.candidate['model']} ({result.candidate['run']}) against {result.baseline['model']}"
    console.print(f"[{style}]{result.verdict.upper()}[/]  {escape(sides)} ({escape(result.baseline['run'])})")
    for problem in (*result.problems, *(f"warning: {warning}" for warning in result.warnings)):
        console.print(f"  {escape(problem)}")
    if result.checks:
        console.print(_checks_table(result))
    for title, flips in (("right to wrong", result.broken), ("wrong to right", result.mended)):
        if flips:
            console.print(f"{title}: {len(flips)} turns")
        for flip in flips[:_FLIPS_SHOWN]:
            reason = f" ({flip.reasons[0][:100]})" if flip.reasons else ""
            console.print(escape(f"  {flip.turn_id}: {flip.baseline} -> {flip.candidate}{reason}"), highlight=False)
        if len(flips) > _FLIPS_SHOWN:
            console.print(f"  and {len(flips) - _FLIPS_SHOWN} more, in gate.json")


def _checks_table(result: GateResult) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("check", "status"):
        table.add_column(name)
    for name in ("baseline", "candidate", "gain [one-sided 95 % bounds]", "limit"):
        table.add_column(name, justify="right")
    table.add_column("")
    for check in result.checks:
        gain = "" if check.gain is None else f"{points(check.gain)} [{points(check.lower)}, {points(check.upper)}]"
        limit = f"{'-' if check.kind == 'margin' else ''}{100 * check.limit:g}"
        where = escape(f" of {check.slice}") if check.slice else ""
        style = {"pass": "green", "fail": "red"}.get(check.status, "yellow")
        cells = [percent(check.baseline), percent(check.candidate), gain, limit, explain(check)]
        table.add_row(f"{check.metric}{where} ({check.kind})", f"[{style}]{check.status}[/]", *cells)
    return table


def print_noise(found: Noise) -> None:
    """Noise of every metric that is defined, in percentage points."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for name in ("noise", "95 % half-width", "largest difference"):
        table.add_column(name, justify="right")
    for metric, each in found.metrics.items():
        if each.noise is not None:
            table.add_row(metric, percent(each.noise), percent(each.half_width), percent(each.largest))
    console, turns = Console(), f"{found.turns} turns of {found.sessions} sessions"
    heading = f"{found.model}: {len(found.runs)} runs of {turns}; percentage points"
    console.print(heading, markup=False, highlight=False)
    console.print(table)
