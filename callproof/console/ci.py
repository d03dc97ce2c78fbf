"""Verdicts in the forms that CI systems read: JSON, Markdown for a job's summary page, JUnit XML."""

import os
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from callproof.errors import (
    EXIT_FLOOR,
    EXIT_INCONCLUSIVE,
    EXIT_INVALID,
    EXIT_PASS,
    EXIT_REGRESSION,
    EXIT_USAGE,
    UserError,
    cause_of,
    in_one_line,
)
from callproof.records import write_json

Status = Literal["pass", "fail", "inconclusive", "not applicable"]
Verdict = Literal["pass", "regression", "floor", "refused", "invalid", "inconclusive"]
EXIT_CODES: dict[Verdict, int] = {
    "pass": EXIT_PASS,
    "regression": EXIT_REGRESSION,
    "floor": EXIT_FLOOR,
    "refused": EXIT_USAGE,
    "invalid": EXIT_INVALID,
    "inconclusive": EXIT_INCONCLUSIVE,
}
MARKS: dict[Status, str] = {"pass": "✓", "fail": "✗", "inconclusive": "?", "not applicable": "–"}
STYLES = {"pass": "green", "inconclusive": "yellow"}


def write_verdict(path: Path, value: dict[str, Any], texts: dict[Path, str]) -> None:
    """Write `value` as JSON to `path`, and each text to its file; $GITHUB_STEP_SUMMARY is appended to.

    Raises:
        UserError: a file cannot be written.
    """
    write_json(path, value)
    for target, text in texts.items():
        _write(target, text)


def _write(target: Path, text: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shared = str(target) == os.environ.get("GITHUB_STEP_SUMMARY")
        with target.open("a" if shared else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(target, f"cannot be written ({cause_of(error)})", "choose another place") from None


def escape(text: str) -> str:
    """The text on one line of at most 300 characters, escaped so that Markdown shows it as it is."""
    flat = in_one_line(text)[:300]
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        flat = flat.replace(character, entity)
    return "".join(f"\\{character}" if character in "\\`*_[]()#|!~" else character for character in flat)


def code(text: str) -> str:
    """The text for use between back quotes in a Markdown table: on one line, without back quotes and bars."""
    return in_one_line(text).translate({ord("`"): "'", ord("|"): "¦"})


class Suite:
    """A JUnit test suite; characters that XML cannot hold are replaced by spaces."""

    def __init__(self, name: str) -> None:
        self._suite = ElementTree.Element("testsuite", name=name)

    def case(self, classname: str, name: str, out: str | None = None) -> ElementTree.Element:
        """Add a test case and return it; `out` becomes its system-out."""
        case = ElementTree.SubElement(self._suite, "testcase", classname=classname, name=_xml(name))
        if out is not None:
            ElementTree.SubElement(case, "system-out").text = _xml(out)
        return case

    def error(self, case: ElementTree.Element, message: str) -> None:
        ElementTree.SubElement(case, "error", message=_xml(message))

    def failure(self, case: ElementTree.Element, kind: str, message: str) -> None:
        ElementTree.SubElement(case, "failure", type=kind, message=_xml(message))

    def skipped(self, case: ElementTree.Element, message: str) -> None:
        ElementTree.SubElement(case, "skipped", message=_xml(message))

    def xml(self) -> str:
        self._suite.set("tests", str(len(self._suite.findall("testcase"))))
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            self._suite.set(name, str(len(self._suite.findall(f"testcase/{kind}"))))
        ElementTree.indent(self._suite)
        return ElementTree.tostring(self._suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return "".join(
        character
        if character >= " " and character not in "\ufffe\uffff" and not "\ud800" <= character <= "\udfff"
        else " "
        for character in text
    )
