"""A comparison for people (terminal, Markdown) and for CI (JUnit XML)."""

from typing import TYPE_CHECKING

from callproof.console.ci import MARKS, STYLES, Suite, code, escape

from .comparison import Comparison
from .ratios import HIGHER_IS_BETTER, OVERALL, Check, Ratio

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 160
_VERDICT_STYLES = {"faster": "green", "inconclusive": "yellow"}


def headline(result: Comparison) -> str:
    """`REGRESSION (slower)`, or the verdict alone where no gate was asked for."""
    if result.gate in (None, result.verdict):
        return result.verdict.upper()
    return f"{result.gate.upper()} ({result.verdict})"


def told(result: Comparison) -> list[str]:
    """The facts that a reader needs to judge the figures."""
    turns = "run in turns" if result.interleaved else "run apart"
    facts = [f"{result.blocks} blocks of {result.requests} requests a side, {turns}, {result.load}",
             f"device {result.device}", result.note]  # fmt: skip
    return [fact for fact in facts if fact]


def markdown(result: Comparison) -> str:
    """The summary of a comparison, fit for a CI job's summary page."""
    sides = [f"`{code(side['model'])}` at `{code(side['endpoint'])}`" for side in (result.candidate, result.baseline)]
    lines = [f"## Bench: {headline(result)}", "", f"Candidate {sides[0]} against baseline {sides[1]}."]
    lines += [escape("; ".join(told(result))) + ".", ""]
    lines += [f"- **Invalid:** {escape(problem)}" for problem in result.problems]
    lines += [f"- **Warning:** {escape(warning)}" for warning in result.warnings]
    if result.ratios:
        lines += ["", "| metric | baseline | candidate | ratio, 95 % interval | verdict | blocks to tell |"]
        lines += ["|---|---|---|---|---|---|", *(_row(cells(each)) for each in result.ratios)]
    if result.checks:
        lines += ["", "| | limit | slowdown, one-sided 95 % bounds | |", "|---|---|---|---|"]
        lines += [_row([f"{MARKS[each.status]} `{each.metric}`", *check_cells(each)]) for each in result.checks]
    return "\n".join(lines) + "\n"


def _row(row: list[str]) -> str:
    return "| " + " | ".join(row) + " |"


def cells(found: Ratio) -> list[str]:
    """Metric with its unit, both figures, ratio with interval, verdict, blocks needed."""
    unit = "" if found.metric == OVERALL else " /s" if HIGHER_IS_BETTER[found.metric] else " ms"
    sides = [f"{value:.4g}{unit}" if value is not None else "" for value in (found.baseline, found.candidate)]
    ratio = "–" if found.ratio is None else f"{found.ratio:.3f} [{found.low:.3f}, {found.high:.3f}]"
    return [found.metric, *sides, ratio, found.verdict, _count(found.blocks_needed)]


def check_cells(found: Check) -> list[str]:
    """Limit, slowdown with bounds, reason."""
    slow = "–" if found.slowdown is None else f"{found.slowdown:.3f} [{found.lower:.3f}, {found.upper:.3f}]"
    return [f"{found.limit:g}", slow, explain(found)]


def explain(found: Check) -> str:
    more = f"; about {_count(found.blocks_needed)} blocks would settle it" if found.blocks_needed else ""
    return found.reason + more


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def junit(result: Comparison) -> str:
    """JUnit XML: a case for comparability and each limit (which may fail), and one that tells of each ratio."""
    suite = Suite("bench compare")
    validity = suite.case("compare", "the benches can be compared", "; ".join(told(result)))
    if result.problems:
        suite.error(validity, "; ".join(result.problems))
    for each in result.checks:
        case = suite.case("compare.gate", f"{each.metric} <= {each.limit:g}")
        if each.status != "pass":
            suite.failure(case, each.status, explain(each))
    for each in result.ratios:
        suite.case("compare.ratio", each.metric, " ".join(cells(each)[1:]))
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
    console.print(plain("; ".join(told(result))), highlight=False)
    for problem in (*result.problems, *(f"warning: {warning}" for warning in result.warnings)):
        console.print(f"  {plain(problem)}", highlight=False)
    if result.ratios:
        console.print(_ratio_table(result))
    for each in result.checks:
        line = "  ".join([each.status.upper(), each.metric, *check_cells(each)[1:]])
        console.print(f"[{STYLES.get(each.status, 'red')}]{plain(line)}[/] (limit {each.limit:g})", highlight=False)


def _ratio_table(result: Comparison) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for name in ("baseline", "candidate", "ratio [95 % interval]", "verdict", "blocks to tell"):
        table.add_column(name, justify="right")
    for each in result.ratios:
        table.add_row(*cells(each), style="bold" if each.metric == OVERALL else None)
    return table
