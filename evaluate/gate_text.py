"""A gate's result for people (terminal, Markdown) and for CI (JUnit XML)."""

from xml.etree import ElementTree

from evaluate.gate import Check, Flip, GateResult

_TITLES = {"pass": "PASS", "regression": "REGRESSION", "invalid": "INVALID", "inconclusive": "INCONCLUSIVE"}
_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?"}
_FLIPS_SHOWN = 50


def markdown(result: GateResult) -> str:
    """The summary of a gate, fit for a CI job's summary page."""
    sides = [f"`{side['model']}` of `{side['run_id']}`" for side in (result.candidate, result.baseline)]
    lines = [f"## Gate: {_TITLES[result.verdict]}", "", f"Candidate {sides[0]} against baseline {sides[1]}"]
    if result.turns:
        lines[-1] += f", {result.turns} turns of {result.sessions} sessions"
    lines[-1] += "."
    lines += ["", *(f"- **Invalid:** {_escape(problem)}" for problem in result.problems)]
    lines += [f"- **Warning:** {_escape(warning)}" for warning in result.warnings]
    if result.checks:
        lines += [
            "",
            "| | check | baseline | candidate | gain, one-sided 95 % bounds | limit | |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_check_row(check) for check in result.checks]
    lines += _flip_lines("Broken", result.broken) + _flip_lines("Mended", result.mended)
    return "\n".join(lines) + "\n"


def _check_row(check: Check) -> str:
    gain = "" if check.gain is None else f"{points(check.gain)} [{points(check.lower)}, {points(check.upper)}]"
    limit = f"margin {100 * check.limit:g}" if check.kind == "margin" else f"floor {100 * check.limit:g}"
    cells = [_MARKS[check.status], f"`{check.metric}`", percent(check.baseline), percent(check.candidate), gain, limit]
    return "| " + " | ".join([*cells, explain(check)]) + " |"


def explain(check: Check) -> str:
    """The reason of a check's status, with the number of turns that would settle it."""
    return check.reason + (f"; about {check.turns_needed:,} turns would settle it" if check.turns_needed else "")


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def points(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f}"


def _flip_lines(title: str, flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    shown = [f"- `{_code(flip.turn_id)}`: {_change(flip)}" for flip in flips[:_FLIPS_SHOWN]]
    rest = [f"- and {len(flips) - _FLIPS_SHOWN} more, in gate.json"] if len(flips) > _FLIPS_SHOWN else []
    return ["", f"<details><summary>{title}: {len(flips)} turns</summary>", "", *shown, *rest, "", "</details>"]


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
    return text.replace("`", "'")


def junit(result: GateResult) -> str:
    """JUnit XML: a test case a check and slice, one for comparability. Inconclusive is a failure, invalid an error."""
    suite = ElementTree.Element("testsuite", name="evaluate gate")
    validity = _case(suite, "gate", "the runs are comparable")
    if result.problems:
        ElementTree.SubElement(validity, "error", message=_xml("; ".join(result.problems)))
    for check in result.checks:
        case = _case(suite, f"gate.{check.kind}", check.metric)
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
