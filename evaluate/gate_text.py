"""A gate's result for people (terminal, Markdown) and for CI (JUnit XML)."""

from xml.etree import ElementTree

from evaluate.gate import Check, GateResult, SliceRow
from evaluate.sides import Flip

_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?"}
_ROWS_SHOWN = 50


def markdown(result: GateResult) -> str:
    """The summary of a gate, fit for a CI job's summary page."""
    sides = [f"`{side['model']}` of `{side['run_id']}`" for side in (result.candidate, result.baseline)]
    lines = [f"## Gate: {result.verdict.upper()}", "", f"Candidate {sides[0]} against baseline {sides[1]}"]
    if result.turns:
        lines[-1] += f", {result.turns} turns of {result.sessions} sessions"
    lines[-1] += "."
    lines += ["", *(f"- **{result.verdict.capitalize()}:** {_escape(problem)}" for problem in result.problems)]
    lines += [f"- **Warning:** {_escape(warning)}" for warning in result.warnings]
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
    where = f" of `{_code(check.slice)}`" if check.slice else ""
    sides = [percent(check.baseline), percent(check.candidate)]
    cells = [_MARKS[check.status], f"`{check.metric}`{where}", *sides, gain, limit, explain(check)]
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
        f"| `{_code(row.slice)}` | {row.n} | {percent(row.baseline)} | {percent(row.candidate)} |"
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
    shown = [f"- `{_code(flip.turn_id)}`: {_change(flip)}" for flip in flips[:_ROWS_SHOWN]]
    return _details(f"{title}: {len(flips)} turns", shown, len(flips) - len(shown))


def _change(flip: Flip) -> str:
    reason = f" ({_escape(flip.reasons[0])})" if flip.reasons else ""
    return f"{flip.baseline} → {flip.candidate}{reason}"


def _escape(text: str) -> str:
    """Text as Markdown shows it: a model's words must not become markup."""
    flat = " ".join(text.split())[:300]
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        flat = flat.replace(character, entity)
    return "".join(f"\\{character}" if character in "\\`*_[]()#|!~" else character for character in flat)


def _code(text: str) -> str:
    """Text between back quotes in a table."""
    return " ".join(text.split()).translate({ord("`"): "'", ord("|"): "¦"})


def junit(result: GateResult) -> str:
    """JUnit XML: a test case for comparability, each check and each slice.

    Inconclusive checks are failures; what is invalid or refused is an error. Slices without a floor only tell.
    """
    suite = ElementTree.Element("testsuite", name="evaluate gate")
    validity = _case(suite, "gate", "the runs can be judged")
    if result.problems:
        ElementTree.SubElement(validity, "error", message=_xml("; ".join(result.problems)))
    for check in result.checks:
        where = f" of {_xml(check.slice)}" if check.slice else ""
        case = _case(suite, f"gate.{check.kind}", check.metric + where)
        if check.status != "pass":
            ElementTree.SubElement(case, "failure", type=check.status, message=_xml(explain(check)))
    for row in result.slices:
        case = _case(suite, "slice", _xml(row.slice))
        told = f"turn_exact {percent(row.baseline)} -> {percent(row.candidate)}, n={row.n}"
        ElementTree.SubElement(case, "system-out").text = told
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for kind in ("failure", "error"):
        suite.set(f"{kind}s", str(len(suite.findall(f"testcase/{kind}"))))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=name)


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(character if character >= " " and character not in "\ufffe\uffff" else " " for character in text)
