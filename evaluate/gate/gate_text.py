"""A gate's result for people (terminal, Markdown) and for CI (JUnit XML)."""

from callproof.console.ci import MARKS, Suite, code, escape

from .gate import Check, GateResult, SliceRow
from .sides import Flip

_ROWS_SHOWN = 50


def markdown(result: GateResult) -> str:
    """The summary of a gate, fit for a CI job's summary page."""
    sides = [f"`{side['model']}` of `{side['run_id']}`" for side in (result.candidate, result.baseline)]
    lines = [f"## Gate: {result.verdict.upper()}", "", f"Candidate {sides[0]} against baseline {sides[1]}"]
    if result.turns:
        lines[-1] += f", {result.turns} turns of {result.sessions} sessions"
    lines[-1] += "."
    lines += ["", *(f"- **{result.verdict.capitalize()}:** {escape(problem)}" for problem in result.problems)]
    lines += [f"- **Warning:** {escape(warning)}" for warning in result.warnings]
    if result.checks:
        lines += [
            "",
            "| | check | baseline | candidate | gain, one-sided 95 % bounds | limit | |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_check_row(check) for check in result.checks]
    lines += _slice_lines(result.slices) + _flip_lines("Broken", result.broken) + _flip_lines("Mended", result.mended)
    return "\n".join(lines) + "\n"


def _check_row(check: Check) -> str:
    gain = "" if check.gain is None else f"{points(check.gain)} [{points(check.lower)}, {points(check.upper)}]"
    limit = f"{check.kind} {100 * check.limit:g}" + ("" if check.noise is None else f", noise {100 * check.noise:.1f}")
    where = f" of `{code(check.slice)}`" if check.slice else ""
    sides = [percent(check.baseline), percent(check.candidate)]
    cells = [MARKS[check.status], f"`{check.metric}`{where}", *sides, gain, limit, explain(check)]
    return "| " + " | ".join(cells) + " |"


def explain(check: Check) -> str:
    """The reason of a check's status, with the number of turns that would settle it."""
    return check.reason + (f"; about {check.turns_needed:,} turns would settle it" if check.turns_needed else "")


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    return "–" if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def _slice_lines(rows: tuple[SliceRow, ...]) -> list[str]:
    """The headline of each slice: the widest losses first."""
    if not rows:
        return []
    told = sorted(rows, key=lambda row: (row.candidate or 0) - (row.baseline or 0))
    shown = [
        f"| `{code(row.slice)}` | {row.n} | {percent(row.baseline)} | {percent(row.candidate)} |"
        for row in told[:_ROWS_SHOWN]
    ]
    head = ["| slice | n | baseline | candidate |", "|---|---|---|---|"]
    return _details(f"turn_exact of {len(rows)} slices", [*head, *shown], len(rows) - len(shown))


def _details(title: str, lines: list[str], more: int) -> list[str]:
    rest = ["", f"and {more} more, in gate.json"] if more else []
    return ["", f"<details><summary>{title}</summary>", "", *lines, *rest, "", "</details>"]


def _flip_lines(title: str, flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    shown = [f"- `{code(flip.turn_id)}`: {_change(flip)}" for flip in flips[:_ROWS_SHOWN]]
    return _details(f"{title}: {len(flips)} turns", shown, len(flips) - len(shown))


def _change(flip: Flip) -> str:
    reason = f" ({escape(flip.reasons[0])})" if flip.reasons else ""
    return f"{flip.baseline} → {flip.candidate}{reason}"


def junit(result: GateResult) -> str:
    """JUnit XML: a test case for comparability, each check and each slice.

    Inconclusive checks are failures; what is invalid or refused is an error. Slices without a floor only tell.
    """
    suite = Suite("evaluate gate")
    validity = suite.case("gate", "the runs can be judged")
    if result.problems:
        suite.error(validity, "; ".join(result.problems))
    for check in result.checks:
        where = f" of {check.slice}" if check.slice else ""
        case = suite.case(f"gate.{check.kind}", check.metric + where)
        if check.status != "pass":
            suite.failure(case, check.status, explain(check))
    for row in result.slices:
        told = f"turn_exact {percent(row.baseline)} -> {percent(row.candidate)}, n={row.n}"
        suite.case("slice", row.slice, told)
    return suite.xml()
