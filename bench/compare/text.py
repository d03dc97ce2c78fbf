"""Writes a comparison for people (terminal, Markdown) and for CI (JUnit XML)."""

from typing import TYPE_CHECKING

from callproof.console.ci import MARKS, STYLES, Suite, code, escape

from ..names import HIGHER_IS_BETTER, OVERALL
from .comparison import Comparison
from .ratios import Check, Ratio

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 160
_VERDICT_STYLES = {"faster": "green", "inconclusive": "yellow"}


def headline(result: Comparison) -> str:
    """`REGRESSION (slower)` with a gate, the verdict alone without one."""
    if result.gate in (None, result.verdict):
        return result.verdict.upper()
    return f"{result.gate.upper()} ({result.verdict})"


def circumstances(result: Comparison) -> list[str]:
    """The facts that a reader needs to judge the figures: blocks, load, device."""
    turns = "alternating" if result.interleaved else "run apart"
    facts = [f"{result.blocks} blocks of {result.requests} requests a side, {turns}, {result.load}",
             f"device {result.device}", result.note]  # fmt: skip
    failed = [f"{name}: {failures.words}" for name, failures in result.failures.items() if failures.errors]
    return [fact for fact in (*facts, *failed) if fact]


def markdown(result: Comparison) -> str:
    """The summary of a comparison as Markdown, for a CI job's summary page."""
    sides = [f"`{code(side['model'])}` at `{code(side['endpoint'])}`" for side in (result.candidate, result.baseline)]
    lines = [f"## Bench: {headline(result)}", "", f"Candidate {sides[0]} against baseline {sides[1]}."]
    lines += [escape("; ".join(circumstances(result))) + ".", ""]
    lines += [f"- **Invalid:** {escape(problem)}" for problem in result.problems]
    lines += [f"- **Warning:** {escape(warning)}" for warning in result.warnings]
    if result.ratios:
        lines += ["", "| metric | baseline | candidate | ratio, 95 % interval | verdict | blocks to tell |"]
        lines += ["|---|---|---|---|---|---|", *(_row(cells(row)) for row in result.ratios)]
    if result.checks:
        lines += ["", "| | limit | slowdown, one-sided 95 % bounds | |", "|---|---|---|---|"]
        lines += [_row([f"{MARKS[row.status]} `{row.metric}`", *check_cells(row)]) for row in result.checks]
    return "\n".join(lines) + "\n"


def _row(row: list[str]) -> str:
    return "| " + " | ".join(row) + " |"


def cells(row: Ratio) -> list[str]:
    """Metric with its unit, both figures, ratio with interval, verdict, blocks needed."""
    unit = "" if row.metric == OVERALL else " /s" if HIGHER_IS_BETTER[row.metric] else " ms"
    sides = [f"{value:.4g}{unit}" if value is not None else "" for value in (row.baseline, row.candidate)]
    ratio = "–" if row.ratio is None else f"{row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}]"
    return [row.metric, *sides, ratio, row.verdict, _count(row.blocks_needed)]


def check_cells(check: Check) -> list[str]:
    """Limit, slowdown with bounds, reason."""
    slow = "–" if check.slowdown is None else f"{check.slowdown:.3f} [{check.lower:.3f}, {check.upper:.3f}]"
    return [f"{check.limit:g}", slow, explain(check)]


def explain(check: Check) -> str:
    more = f"; about {_count(check.blocks_needed)} blocks would settle it" if check.blocks_needed else ""
    return check.reason + more


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def junit(result: Comparison) -> str:
    """JUnit XML: a case for comparability and for each limit, which may fail, and one that reports each ratio."""
    suite = Suite("bench compare")
    validity = suite.case("compare", "the benches can be compared", "; ".join(circumstances(result)))
    if result.problems:
        suite.error(validity, "; ".join(result.problems))
    for row in result.checks:
        case = suite.case("compare.gate", f"{row.metric} <= {row.limit:g}")
        if row.status != "pass":
            suite.failure(case, row.status, explain(row))
    for row in result.ratios:
        suite.case("compare.ratio", row.metric, " ".join(cells(row)[1:]))
    return suite.xml()


def print_comparison(result: Comparison) -> None:
    """Verdict, ratios and checks on standard output."""
    from rich.console import Console
    from rich.markup import escape as plain

    console = Console()
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
    style = STYLES.get(result.gate, "red") if result.gate else _VERDICT_STYLES.get(result.verdict, "red")
    sides = f"{result.candidate['model']} ({result.candidate['file']}) against {result.baseline['model']}"
    console.print(f"[bold {style}]{headline(result)}[/]  {plain(sides)} ({plain(result.baseline['file'])})")
    console.print(plain("; ".join(circumstances(result))), highlight=False)
    for problem in (*result.problems, *(f"warning: {warning}" for warning in result.warnings)):
        console.print(f"  {plain(problem)}", highlight=False)
    if result.ratios:
        console.print(_ratio_table(result))
    for check in result.checks:
        line = "  ".join([check.status.upper(), check.metric, *check_cells(check)[1:]])
        console.print(f"[{STYLES.get(check.status, 'red')}]{plain(line)}[/] (limit {check.limit:g})", highlight=False)


def _ratio_table(result: Comparison) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for name in ("baseline", "candidate", "ratio [95 % interval]", "verdict", "blocks to tell"):
        table.add_column(name, justify="right")
    for ratio in result.ratios:
        table.add_row(*cells(ratio), style="bold" if ratio.metric == OVERALL else None)
    return table
