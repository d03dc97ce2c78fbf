"""A verdict with its table, for people and as JSON."""

import sys
from typing import TYPE_CHECKING

from callproof.errors import EXIT_PASS, EXIT_REGRESSION
from callproof.records import Record
from callproof.turns import Fit

from .cells import ARMS, WAYS, Cell
from .judge import Verdict

if TYPE_CHECKING:
    from rich.table import Table


class Explanation(Record):
    """What was compared on a server, and what it means. `fits`: see `Reference`."""

    endpoint: str
    base: str
    adapter: str
    turns: int
    verdict: Verdict
    cells: tuple[Cell, ...]
    fits: tuple[Fit, ...]

    @property
    def exit_code(self) -> int:
        return EXIT_PASS if self.verdict.fault == "none" else EXIT_REGRESSION


def show(explanation: Explanation) -> None:
    """Print the table and the verdict to stderr."""
    from rich.console import Console

    console = Console(stderr=True, soft_wrap=True)
    console.print(_table(explanation))
    print(sentence(explanation.verdict), file=sys.stderr)


def sentence(verdict: Verdict) -> str:
    """The verdict as one line: `template mismatch (adapter, prompt): ...`."""
    fault = verdict.fault.replace("_", " ")
    place = f" ({verdict.arm}, {verdict.way})" if verdict.arm else ""
    return f"{fault}{place}: {verdict.sentence}" if verdict.arm else verdict.sentence


def _table(explanation: Explanation) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    title = f"{explanation.endpoint}: base {explanation.base}, adapter {explanation.adapter}, {explanation.turns} turns"
    table = Table(title=escape(title), title_justify="left")
    for column in ("arm", "channel", "", "first difference", "compared with"):
        table.add_column(column, overflow="fold")
    cells = sorted(explanation.cells, key=lambda cell: (WAYS.index(cell.way), ARMS.index(cell.arm)))
    for cell in cells:
        table.add_row(cell.arm, cell.way, _count(cell), escape(str(cell.first or "")), cell.against)
    return table


def _count(cell: Cell) -> str:
    if not cell.compared:
        return "[yellow]nothing to compare[/]"
    if cell.arm == "merged":
        return f"{cell.differing} of {cell.compared} differ"
    return (
        f"[red]{cell.differing} of {cell.compared} differ[/]" if cell.differing else f"[green]{cell.compared} equal[/]"
    )
