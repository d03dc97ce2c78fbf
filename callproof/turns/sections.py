"""A system prompt in Markdown, its sections and bullets in another order; whatever belongs together moves together.

A section begins with a `## ` heading outside code fences. Its bullets are those of the outermost level: nested ones,
wrapped lines and fences move with the bullet that they follow, and text before the first bullet stays there. Numbered
steps and texts without bullets keep their order. Where it cannot be told what belongs together, what is written keeps
its order, and one line on stderr says why.
"""

import random
import re
from collections.abc import Iterator
from typing import NamedTuple

from callproof.console import say_once

_FENCE = re.compile(r"\s*(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})(.*)")
_TAG_LINE = re.compile(r"\s*</?[A-Za-z][^<>]*>\s*")
_BULLET = re.compile(r"( *)[-*+]\s+\S")
_STEP = re.compile(r"( *)\d+[.)]\s")
_NUMBERED_TITLE = re.compile(r"(?i)(?:step|part|phase)?\s*\d")


class Line(NamedTuple):
    """A line of the prompt, and whether it is part of a code fence, its first and last line included."""

    text: str
    fenced: bool

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())


class Section(NamedTuple):
    title: str
    lines: list[Line]


class Unmovable(Exception):
    """Why an order is kept."""


def split(text: str) -> tuple[str, str]:
    """(preamble, the rest from the first `## ` heading on), both stripped."""
    at = 0
    for line in _lines(text):
        if _is_heading(line):
            break
        at += len(line.text) + 1
    return text[:at].strip(), text[at:].strip()


def shuffled(text: str, rng: random.Random) -> str:
    """Sections of `## ` in another order, and in each of them the bullets."""
    sections = _sections(text)
    try:
        _check_movable(text, sections)
    except Unmovable as reason:
        say_once(f"system prompt: its sections and bullets keep their order, though shuffle_sections is on: {reason}")
        return text
    rng.shuffle(sections)
    return "\n\n".join(_shuffled_section(section, rng) for section in sections)


def _lines(text: str) -> Iterator[Line]:
    opened = ""
    for line in text.split("\n"):
        mark = _FENCE.fullmatch(line)
        if opened:
            yield Line(line, fenced=True)
            if mark and mark[1].startswith(opened) and not mark[2].strip():
                opened = ""
        else:
            opened = mark[1] if mark and "`" not in mark[2] else ""
            yield Line(line, fenced=bool(opened))


def _is_heading(line: Line) -> bool:
    return not line.fenced and line.text.startswith("## ")


def _sections(text: str) -> list[Section]:
    sections: list[Section] = []
    for line in _lines(text):
        if _is_heading(line):
            sections.append(Section(line.text[3:].strip(), []))
        elif sections:
            sections[-1].lines.append(line)
    return sections


def _check_movable(text: str, sections: list[Section]) -> None:
    """Raise an Unmovable where a section is more than what stands between two headings."""
    lines = [line for section in sections for line in section.lines]
    if any(line.fenced for line in lines) and list(_lines(f"{text}\n"))[-1].fenced:
        raise Unmovable("a code fence is not closed")
    for line in lines:
        if not line.fenced and line.text.startswith("# "):
            raise Unmovable(f"{line.text.strip()!r} stands above the sections that follow")
        if not line.fenced and _TAG_LINE.fullmatch(line.text):
            raise Unmovable(f"{line.text.strip()!r} may hold several of them together")
    for section in sections:
        if _NUMBERED_TITLE.match(section.title):
            raise Unmovable(f"the section {section.title!r} is numbered")


def _shuffled_section(section: Section, rng: random.Random) -> str:
    try:
        before, items, gap = _items(section.lines)
    except Unmovable as reason:
        say_once(f"system prompt: section {section.title!r} keeps its order, though shuffle_sections is on: {reason}")
        before, items, gap = [line.text for line in section.lines], [], "\n"
    rng.shuffle(items)
    return "\n".join([f"## {section.title}", *before, gap.join(items)]).rstrip()


def _items(lines: list[Line]) -> tuple[list[str], list[str], str]:
    """(lines before the first bullet, bullets with all that belongs to them, what stands between two bullets)."""
    outermost = _outermost(lines)
    starts = [number for number, line in enumerate(lines) if _begins(_BULLET, line, outermost)]
    steps = [line for line in lines if _begins(_STEP, line, outermost)]
    if not starts or not steps:
        _check_loose(lines, starts, outermost)
    elif steps:
        raise Unmovable(f"it has bullets and numbered steps, such as {steps[0].text.strip()!r}")
    bounds = [*starts, len(lines)]
    items = [_joined(lines[start:end]) for start, end in zip(starts, bounds[1:], strict=False)]
    is_loose = any(not lines[start - 1].text.strip() for start in starts[1:])
    return [line.text for line in lines[: bounds[0]]], items, "\n\n" if is_loose else "\n"


def _outermost(lines: list[Line]) -> int:
    """The least indent of a bullet or step."""
    marks = (match for line in lines if not line.fenced for match in (_BULLET.match(line.text), _STEP.match(line.text)))
    return min((len(mark[1]) for mark in marks if mark), default=0)


def _begins(mark: re.Pattern[str], line: Line, outermost: int) -> bool:
    opens_fence = line.fenced and _BULLET.match(line.text) and _FENCE.fullmatch(line.text)
    found = mark.match(line.text)
    return bool(found and len(found[1]) == outermost and (not line.fenced or opens_fence))


def _check_loose(lines: list[Line], starts: list[int], outermost: int) -> None:
    """Raise an Unmovable where text stands apart between or after bullets: it may belong to all that came before."""
    for number, line in enumerate(lines):
        after_bullet = bool(starts) and number > starts[0] and number not in starts
        if not after_bullet or not line.text.strip() or (line.fenced and lines[number - 1].fenced):
            continue
        is_apart = not lines[number - 1].text.strip() and line.indent <= outermost
        is_heading = not line.fenced and line.text.lstrip().startswith("#")
        if is_apart or is_heading:
            raise Unmovable(f"{line.text.strip()!r} stands between or after its bullets")


def _joined(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines).rstrip()
