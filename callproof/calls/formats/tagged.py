"""Calls as JSON between an opening and a closing tag."""

import json
import re
from collections.abc import Sequence
from typing import Any

from callproof.calls.calls import ToolCall
from callproof.calls.strict_json import MalformedReason, RefusedJSON, decode, decode_at, skip_space

from .format import Block, Blocks, ReadCall, Reader, Tools


def tagged_objects(opening: str, closing: str) -> Reader:
    """A reader of blocks that hold one JSON object with `name` and `arguments` each.

    A block ends at its closing tag, at the next opening tag or at the end of the text; tags inside JSON strings are
    text.
    """
    tag = re.compile(f"{re.escape(opening)}|{re.escape(closing)}")
    opened, closed_by = len(opening), len(closing)

    def read(text: str, _: Tools) -> list[Block]:
        tags = [found.start() for found in tag.finditer(text)]
        tags.append(len(text))
        blocks = Blocks(text)
        index, count = 0, len(tags) - 1
        while index < count:
            start = tags[index]
            index += 1
            if not text.startswith(opening, start):
                continue
            item, reached = _object_at(text, start + opened)
            while tags[index] < reached:
                index += 1
            stop = tags[index]
            if isinstance(item, ReadCall) and skip_space(text, reached) != stop:
                item = "trailing_text"
            if closed := text.startswith(closing, stop):
                stop += closed_by
                index += 1
            blocks.add(start, stop, (item,), closed)
        return blocks

    return read


def render_tagged(opening: str, closing: str, calls: Sequence[ToolCall]) -> str:
    """Calls as blocks of one JSON object."""
    return "\n".join(f"{opening}\n{call_json(call)}\n{closing}" for call in calls)


def call_json(call: ToolCall) -> str:
    """A call as a JSON object."""
    return json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)


def call_of(value: dict[str, Any], end: int = 0) -> ReadCall:
    """The call that an object makes.

    Raises:
        RefusedJSON: no name, or arguments that are no object.
    """
    name, arguments = value.get("name"), value.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise RefusedJSON("no_name", "no `name`")
    decoded = isinstance(arguments, str)
    if decoded:
        try:
            arguments = decode(arguments)
        except RefusedJSON as error:
            raise RefusedJSON("bad_arguments" if error.reason == "invalid_json" else error.reason, str(error)) from None
    if not isinstance(arguments, dict):
        raise RefusedJSON("bad_arguments", f"expected an object, got {type(arguments).__name__}")
    return ReadCall(ToolCall.model_construct(name=name, arguments=arguments), end, decoded)


def _object_at(text: str, begin: int) -> tuple[ReadCall | MalformedReason, int]:
    """The call in the JSON object that begins at `begin` or after the white space there, and how far it was read."""
    if text[begin : begin + 1].isspace():
        begin = skip_space(text, begin)
    if not text.startswith("{", begin):
        return "not_an_object", begin
    end = begin
    try:
        value, end = decode_at(text, begin)
        return call_of(value, end), end
    except RefusedJSON as error:
        return error.reason, max(end, error.end)
