"""Calls as XML-like tags, their arguments as text between tags."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from callproof.calls.calls import ToolCall
from callproof.calls.strict_json import RefusedJSON, decode

from .format import Block, Blocks, ReadCall, Reader, Tools, leading
from .schema_types import Typed, typed, written


@dataclass(frozen=True, slots=True)
class Markup:
    """The tags of a family, as regular expressions of bounded length.

    Attributes:
        call: opens a call; its group `name`.
        end_call: closes it.
        key: opens an argument; its group `argument`, and perhaps `string` ("true": the value is text, "false": JSON).
        end_key: closes it.
        block, end_block: around calls.
        lead: as of `tagged`, before a block.
        bare: a call may stand without a block around it.
        trim: one line break at both ends of a value is markup.
    """

    call: str
    end_call: str
    key: str
    end_key: str
    block: str = ""
    end_block: str = ""
    lead: str = ""
    bare: bool = True
    trim: bool = False


class _Tag(NamedTuple):
    kind: str
    start: int
    end: int
    match: "re.Match[str] | None" = None


def xml_calls(markup: Markup) -> Reader:
    """A reader of a family's tags. An argument's value ends at its closing tag; block tags inside it are text."""
    kinds = {"call": markup.call, "end_call": markup.end_call, "key": markup.key, "end_key": markup.end_key}
    kinds |= {kind: tag for kind in ("end_block", "block") if (tag := getattr(markup, kind))}
    pattern = re.compile("|".join(f"(?P<{kind}>{tag})" for kind, tag in kinds.items()))

    def read(text: str, tools: Tools) -> list[Block]:
        return _Reading(text, tools, list(pattern.finditer(text)), markup).blocks()

    return read


class _Reading:
    def __init__(self, text: str, tools: Tools, tags: list[re.Match[str]], markup: Markup) -> None:
        self._text, self._tools, self._tags, self._trim = text, tools, tags, markup.trim
        self._lead = re.compile(markup.lead) if markup.lead else None
        self._opening = ("block", "call") if markup.bare else ("block",)
        self._last = "end_block" if markup.end_block else "end_call"
        self._at = 0

    def _tag(self, offset: int = 0) -> _Tag:
        """The current tag, or one beside it; behind the last one, a tag of no kind at the end of the text."""
        number = self._at + offset
        if number >= len(self._tags):
            return _Tag("", len(self._text), len(self._text))
        match = self._tags[number]
        return _Tag(match.lastgroup or "", match.start(), match.end(), match)

    def blocks(self) -> list[Block]:
        blocks = Blocks(self._text)
        while self._tag().kind:
            tag = self._tag()
            if tag.kind in self._opening:
                first = self._at
                items, closed, end = self._block(tag)
                start = leading(self._lead, self._text, tag.start)
                blocks.add(start, end, items, closed)
                self._at += blocks.add_repeats(start, end) * (self._at - first)
            else:
                self._at += 1
        return blocks

    def _block(self, opened: _Tag) -> tuple[Sequence[Any], bool, int]:
        """The calls of the block that begins at the current tag, whether it is closed, and where it ends."""
        start = self._at
        try:
            if opened.kind == "block":
                self._next("call", opened.end)
            calls = [self._call()]
            while opened.kind == "block" and self._tag().kind == "call":
                self._blank(calls[-1].end, self._tag().start)
                calls.append(self._call())
        except RefusedJSON as error:
            self._at = max(start + 1, self._at)
            return (error.reason,), *self._end_of_refused()
        tag, blank = self._tag(), self._text[calls[-1].end : self._tag().start].isspace
        adjacent = tag.start == calls[-1].end or blank()
        if tag.kind == "end_block" and adjacent:
            self._at += 1
            return calls, True, tag.end
        if opened.kind == "block" and not adjacent:
            return ("trailing_text",), *self._end_of_refused()
        return calls, opened.kind == "call", calls[-1].end if opened.kind == "call" else tag.start

    def _end_of_refused(self) -> tuple[bool, int]:
        while (tag := self._tag()).kind not in ("", "block", "call", self._last):
            self._at += 1
        if tag.kind == self._last:
            self._at += 1
            return True, tag.end
        return False, tag.start

    def _call(self) -> ReadCall:
        tag = self._tag()
        assert tag.match is not None
        name, position = tag.match["name"], tag.end
        parameters = self._tools.get(name)
        arguments: dict[str, Any] = {}
        untyped = 0
        self._at += 1
        while (tag := self._tag()).kind == "key":
            self._blank(position, tag.start)
            key, (value, settled) = self._argument(tag, parameters)
            if key in arguments:
                raise RefusedJSON("duplicate_key", f"{key} twice")
            arguments[key] = value
            untyped += not settled
            position = self._tag(-1).end
        if tag.kind != "end_call":
            raise RefusedJSON("bad_syntax", f"expected the end of the call, got {tag.kind or 'the end'}")
        self._blank(position, tag.start)
        self._at += 1
        return ReadCall(ToolCall.model_construct(name=name, arguments=arguments), tag.end, False, untyped)

    def _argument(self, tag: _Tag, parameters: Any) -> tuple[str, Typed]:
        assert tag.match is not None
        self._at += 1
        while (end := self._tag()).kind in ("block", "end_block"):
            self._at += 1
        if end.kind != "end_key":
            raise RefusedJSON("bad_syntax", "an argument that nothing closes")
        self._at += 1
        raw = self._text[tag.end : end.start]
        if self._trim:
            raw = raw.removeprefix("\n").removesuffix("\n")
        key, string = tag.match["argument"], tag.match.groupdict().get("string")
        if string == "true":
            return key, Typed(raw, True)
        if string == "false":
            return key, Typed(decode(raw), True)
        return key, typed(raw, key, parameters)

    def _next(self, kind: str, position: int) -> None:
        self._at += 1
        tag = self._tag()
        if tag.kind != kind:
            raise RefusedJSON("bad_syntax", f"expected {kind}, got {tag.kind or 'the end'}")
        self._blank(position, tag.start)

    def _blank(self, begin: int, end: int) -> None:
        if begin < end and not self._text[begin:end].isspace():
            raise RefusedJSON("trailing_text", "text between the tags")


def xml_text(value: Any) -> str:
    """A value as text between tags: strings as they are, others as JSON."""
    return written(value, lambda other: json.dumps(other, ensure_ascii=False))
