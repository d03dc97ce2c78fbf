"""The verdict of a gate, and measured noise, as tables on stdout."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from callproof.console import percent, visible

from .gate import GateResult
from .gate_text import explain, headline, how_far, limits_of, named, restraint, show_evidence, show_gain
from .noise import Noise
from .sides import Flip

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PLAIN_WIDTH = 200
_FLIPS_SHOWN = 20


def print_gate(result: GateResult) -> None:
    """The verdict and what decided, what would settle the doubtful checks, all with limits, and the turns that flipped.

    What would settle a check is one line, however narrow the terminal.
    """
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    style = {"pass": "bold green", "inconclusive": "bold yellow"}.get(result.verdict, "bold red")
    sides = f"{result.candidate['model']} ({result.candidate['run']}) against {result.baseline['model']}"
    console.print(f"[{style}]{result.verdict.upper()}[/]: {_plain(headline(result))}", highlight=False)
    console.print(f"  {_plain(sides)} ({_plain(result.baseline['run'])})", highlight=False)
    for line in _lines(result):
        console.print(f"  {_plain(line)}", highlight=False, soft_wrap=True)
    if result.checks:
        console.print(_checks_table(result))
    print_flips(console, result.broken, result.mended, "gate.json")


def print_flips(console: "Console", broken: tuple[Flip, ...], mended: tuple[Flip, ...], rest_in: str) -> None:
    """The turns that flipped, a line each; `rest_in` is where those stand that are too many."""
    for title, flips in (("right to wrong", broken), ("wrong to right", mended)):
        if flips:
            console.print(f"{title}: {len(flips)} turns")
        for flip in flips[:_FLIPS_SHOWN]:
            reason = f" ({flip.reasons[0][:100]})" if flip.reasons else ""
            console.print(_plain(f"  {flip.turn_id}: {flip.baseline} -> {flip.candidate}{reason}"), highlight=False)
        if len(flips) > _FLIPS_SHOWN:
            console.print(f"  and {len(flips) - _FLIPS_SHOWN} more, in {_plain(rest_in)}", highlight=False)


def _plain(text: str) -> str:
    """Text on one line that is neither rich's markup nor an order to the terminal."""
    from rich.markup import escape

    return escape(visible(text).replace("\n", " "))


def _lines(result: GateResult) -> Iterator[str]:
    """What is wrong, and what would settle each doubtful check."""
    yield from [told] if (told := how_far(result)) else []
    yield from [told] if (told := restraint(result)) else []
    yield from result.problems[1:]
    yield from (f"warning: {warning}" for warning in result.warnings)
    yield from (f"{named(check)}: {explain(check)}" for check in result.with_status("inconclusive"))


def _checks_table(result: GateResult) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("check", "status"):
        table.add_column(name)
    for name in ("baseline", "candidate", f"gain [{limits_of(result)}]", "limit", "turns"):
        table.add_column(name, justify="right")
    table.add_column("")
    for check in result.checks:
        limit = f"{'-' if check.kind == 'margin' else ''}{100 * check.limit:g}"
        where = _plain(f" of {check.slice}") if check.slice else ""
        style = {"pass": "green", "fail": "red", "not applicable": "dim"}.get(check.status, "yellow")
        cells = [percent(check.baseline), percent(check.candidate), show_gain(check), limit, show_evidence(check)]
        reason = "" if check.status == "inconclusive" else _plain(check.reason)
        table.add_row(f"{check.metric}{where} ({check.kind})", f"[{style}]{check.status}[/]", *cells, reason)
    return table


def print_noise(noise: Noise) -> None:
    """Noise of every metric that is defined, in percentage points."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for name in ("noise", "95 % half-width", "largest difference"):
        table.add_column(name, justify="right")
    for metric, width in noise.metrics.items():
        if width.noise is not None:
            table.add_row(metric, percent(width.noise), percent(width.half_width), percent(width.largest))
    console, turns = Console(), f"{noise.turns} turns of {noise.sessions} sessions"
    heading = f"{noise.model}: {len(noise.runs)} runs of {turns}; percentage points"
    console.print(heading, markup=False, highlight=False)
    console.print(table)
