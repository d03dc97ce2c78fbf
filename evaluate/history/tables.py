"""Runs and the comparison of two of them as tables on stdout."""

from collections.abc import Iterable, Iterator

from callproof.console import percent, points, visible

from ..gate import print_flips
from ..report import HEADLINE, print_summary
from .compare import Pair
from .listing import RunRow

_PLAIN_WIDTH = 200
_GATE_STYLES = {"pass": "green", "inconclusive": "yellow"}


def print_runs(rows: Iterable[RunRow]) -> None:
    """A line a model of a run, in per cent; a dash where nothing is known."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("began", "run", "config", "model"):
        table.add_column(name, overflow="fold")
    for name in ("turns", *HEADLINE):
        table.add_column(name, justify="right")
    table.add_column("gate", overflow="fold")
    for row in rows:
        names = [escape(visible(text)) for text in (row.run, row.name, row.model)]
        figures = [percent(row.figures.get(name)) for name in HEADLINE]
        table.add_row(_began(row), *names, f"{row.turns:,}", *figures, "; ".join(_states(row)) or "–")
    console.print(table)


def _began(row: RunRow) -> str:
    return row.started[:16].replace("T", " ")


def _states(row: RunRow) -> Iterator[str]:
    """`pass against tiny of one`, `blessed as best`, `unfinished`."""
    from rich.markup import escape

    if row.gate:
        style = _GATE_STYLES.get(row.gate, "red")
        yield f"[{style}]{escape(row.gate)}[/] against {escape(visible(row.against or ''))}"
    if row.blessed:
        yield f"blessed as {escape(visible(', '.join(row.blessed)))}"
    if row.state:
        yield row.state


def print_pair(pair: Pair, rest_in: str) -> None:
    """What is compared, the figures of both sides with their difference, and the turns that flipped."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    for line in lines_of(pair):
        console.print(visible(line).replace("\n", " "), markup=False, highlight=False, soft_wrap=True)
    print_summary(pair.summary)
    print_flips(console, pair.comparison.broken, pair.comparison.mended, rest_in)


def lines_of(pair: Pair) -> Iterator[str]:
    """What the difference is, what it rests on, what is left out, and what else differs."""
    comparison = pair.comparison
    sides = [f"{side['model']} ({side['run']})" for side in (comparison.candidate, comparison.baseline)]
    change = comparison.differences["turn_exact"]
    limits = "" if change.low is None else f" [{points(change.low)}, {points(change.high)}]"
    yield f"{sides[0]} against {sides[1]}: turn_exact {points(change.value)} points{limits}"
    common = f"{comparison.turns:,} common turns of {comparison.sessions:,} sessions"
    flipped = f"{len(comparison.broken):,} went from right to wrong, {len(comparison.mended):,} from wrong to right"
    yield f"  {common}; {flipped}"
    yield from (f"  left out: {count:,} {reason}" for reason, count in comparison.left_out.items())
    yield from (f"  differs: {note}" for note in comparison.notes)
