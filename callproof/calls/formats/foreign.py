"""Attempts in another notation than the one that is read: never calls, never silence.

An attempt is text that opens a call in another known format, and a bare or fenced JSON object, JSON list or Python call
that names a tool. What the format itself takes for a block, but cannot read, is looked at too.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from callproof.calls.strict_json import RefusedJSON, decode_at

from .format import Block, Blocks, Format, Reader, Tools
from .registry import FORMATS

_LOOK = 20_000
_TRIES = 20
_CALLS = 1000
FENCE = r"(?:```(?:json|python|tool_code|tool_call)?\s{0,9})?"
JSON_CALL = re.compile(
    rf"{FENCE}(?:\[\s{{0,40}})?\{{\s{{0,40}}\"(?:name|function|type|tool|tool_calls|arguments|parameters|id)\""
)
_NAMED = re.compile(r"[\[{\s]{1,80}\"name\"\s{0,9}:\s{0,9}\"([^\"\\]{1,256})\"")
PYTHON_CALL = re.compile(rf"\s*+{FENCE}(\[?)\s{{0,9}}([^\s()\[\]{{}}<>'\"=,:`|]{{1,256}})\(")
NAME = r"([^\s()\[\]{}<>'\"=,:`|]{1,256})"
_PYTHON_LATER = re.compile(
    rf"\[\s{{0,9}}{NAME}\(|(?:(?<=\n)|(?<![\s\S])){NAME}\((?:\)|\s{{0,9}}[\w\-]{{1,64}}\s{{0,9}}=)"
)
_REACT = re.compile(r"Action:[ \t]{0,9}\S{1,256}[ \t]{0,9}\nAction Input:")
_OTHERS = {"<functioncall>": "functioncall", "<TOOLCALL>": "toolcall"}


class Foreign(NamedTuple):
    """Blocks of a text in another format, and its name."""

    name: str | None
    blocks: list[Block]


def mark_foreign(text: str, blocks: list[Block], own: Format, tools: Tools) -> Foreign:
    """The blocks that `own` read in a text, with the foreign attempts between them and in their place.

    Returns:
        The name of the format of the first foreign attempt (`json`, `react`, ... for notations without a reader).
    """
    marks = [mark for mark in marks_of(own.name) if mark in text]
    names: list[str] = []
    merged: list[Block] = []
    position = 0
    for block in [*blocks, Block(len(text), len(text), (), True)]:
        if position < block.start:
            foreign = _between(text[position : block.start], marks, own, tools)
            names += [foreign.name] if foreign.name else []
            merged += [one._replace(start=one.start + position, end=one.end + position) for one in foreign.blocks]
        if block.items:
            merged.append(block)
        position = block.end
    return Foreign(_relabel(text, merged, marks, own, tools) or next(iter(names), None), merged)


def _between(text: str, marks: Sequence[str], own: Format, tools: Tools) -> Foreign:
    """The foreign attempts in text that is no block of the format itself."""
    start = min((place for mark in marks if (place := text.find(mark)) >= 0), default=len(text))
    bare = _bare(text[:start], tools)
    if start == len(text):
        return bare
    rest = text[start:]
    name, read = _read_as(rest, own, tools)
    blocks = read(rest, tools) if read else []
    blocks = blocks or [Block(0, len(rest), ("bad_syntax",), False)]
    marked = [
        Block(start + one.start, start + one.end, ("foreign_format",) * len(one.items), one.closed, one.times)
        for one in blocks
    ]
    return Foreign(bare.name or name, [*bare.blocks, *marked])


def _read_as(text: str, own: Format, tools: Tools) -> tuple[str, Reader | None]:
    """The format of a text that begins with a mark: the first that reads a call in it, else the first of the mark."""
    sample = text[:_LOOK]
    named = _candidates(sample, own)
    for name in named:
        if any(not isinstance(item, str) for block in FORMATS[name].read(sample, tools) for item in block.items):
            return name, FORMATS[name].read
    other = next((name for mark, name in _OTHERS.items() if text.startswith(mark)), None)
    first = next((name for name in named if text.startswith(FORMATS[name].telling)), None)
    return (first, FORMATS[first].read) if first else (other or named[0], None)


def _candidates(sample: str, own: Format) -> list[str]:
    """The other formats that have a mark in the sample, those whose mark comes first before others."""
    places = {
        name: min((place for mark in form.telling if (place := sample.find(mark)) >= 0), default=-1)
        for name, form in _others(own.name).items()
    }
    return sorted((name for name, place in places.items() if place >= 0), key=lambda name: places[name])


def _relabel(text: str, blocks: list[Block], marks: Sequence[str], own: Format, tools: Tools) -> str | None:
    """Refused blocks that another format reads become foreign, in place; the name of the first such format."""
    first: str | None = None
    tries = 0
    for number, block in enumerate(blocks):
        if not isinstance(block.items[0], str) or block.items[0] == "foreign_format":
            continue
        piece = text[block.start : block.start + (block.end - block.start) // block.times]
        if first is None and tries >= _TRIES:
            return None
        tries += 1
        names = [first] if first else _candidates(piece[:_LOOK], own) if any(mark in piece for mark in marks) else []
        shared = [name for name in _sharing(own.name) if name not in names]
        for name in [*names, *shared]:
            count = _calls_in(piece[:_LOOK], name, tools)
            if count:
                first = first or name
                blocks[number] = block._replace(items=("foreign_format",) * count)
                break
    return first


def _calls_in(piece: str, name: str, tools: Tools) -> int:
    """How many calls a format reads in a block, if it plainly is one of its own."""
    items = [item for block in FORMATS[name].read(piece, tools) for item in block.items]
    calls = [item.call for item in items if not isinstance(item, str)]
    return len(calls) if all(call.name in tools or call.arguments for call in calls) else 0


def _bare(text: str, tools: Tools) -> Foreign:
    """Attempts without any tag."""
    python = _python(text, tools) if "(" in text else []
    objects = _json(text, tools) if '"' in text else []
    if python and not any(block.start < python[0].start < block.end for block in objects):
        objects = [block for block in objects if block.start < python[0].start]
        return Foreign("json" if objects else "pythonic", [*objects, *python])
    if objects:
        return Foreign("json", objects)
    if "Action Input:" in text and (match := _REACT.search(text)):
        return Foreign("react", [Block(match.start(), len(text), ("foreign_format",), False)])
    return Foreign(None, [])


def _python(text: str, tools: Tools) -> list[Block]:
    """A Python call of a tool, in brackets or at the beginning of a line; without tools, a text of calls alone."""
    match = PYTHON_CALL.match(text)
    if not match or (tools and match[2] not in tools):
        later = (one for one in islice(_PYTHON_LATER.finditer(text), _CALLS) if (one[1] or one[2]) in tools)
        return [Block(one.start(), len(text), ("foreign_format",), False) for one in islice(later, 1)]
    body = text[match.start(1) :] if match[1] else f"[{text[match.start(2) :].strip()}]"
    items = [item for block in FORMATS["pythonic"].read(body, tools) for item in block.items]
    known = match[2] in tools or (not tools and bool(match[1]) and not any(isinstance(item, str) for item in items))
    return (
        [Block(match.end(1) - len(match[1]), len(text), ("foreign_format",) * max(len(items), 1), False)]
        if known
        else []
    )


def _json(text: str, tools: Tools) -> list[Block]:
    blocks = Blocks(text)
    match = JSON_CALL.search(text)
    while match:
        begin = min(place for mark in "[{" if (place := text.find(mark, match.start(), match.end())) >= 0)
        try:
            value, end = decode_at(text, begin)
            count = _count(value, tools)
        except RefusedJSON as error:
            named = _NAMED.match(text, begin)
            end, count = max(error.end, match.end()), int(named is not None and named[1] in tools)
        if count:
            blocks.add(match.start(), end, ("foreign_format",) * count, True)
            end += blocks.add_repeats(match.start(), end) * (end - match.start())
        match = JSON_CALL.search(text, end)
    return blocks


def _count(value: Any, tools: Tools) -> int:
    """How many calls a JSON value plainly is."""
    if isinstance(value, list):
        return sum(_count(item, tools) for item in value)
    if not isinstance(value, dict):
        return 0
    if isinstance(value.get("function"), dict):
        return _count(value["function"], tools)
    if isinstance(value.get("tool_calls"), list):
        return _count(value["tool_calls"], tools)
    name = value.get("name", value.get("tool", value.get("function")))
    if not isinstance(name, str) or not name:
        return 0
    arguments = value.get("arguments", value.get("parameters"))
    return int(name in tools if tools else isinstance(arguments, dict | str))


@cache
def _others(own: str) -> Mapping[str, Format]:
    return {name: form for name, form in FORMATS.items() if form.name == name != own and form.telling}


@cache
def marks_of(own: str) -> list[str]:
    """What opens a call in another notation than the format `own`."""
    owned = FORMATS[own].openings
    marks = {mark for form in _others(own).values() for mark in form.telling}
    return sorted(mark for mark in marks | set(_OTHERS) if mark not in owned)


@cache
def _sharing(own: str) -> list[str]:
    """The other formats whose calls may open with the very text that opens one of this format."""
    owned = FORMATS[own].openings
    return [name for name, form in _others(own).items() if set(form.openings) & set(owned)]
