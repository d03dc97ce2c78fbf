"""Calls between an opening and a closing tag, and the JSON that most families put there."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from callproof.calls.calls import ToolCall
from callproof.calls.strict_json import RefusedJSON, decode, decode_at, skip_space

from .format import Block, Blocks, ReadCall, Reader, Tools, leading

Content = Callable[[str, int, Tools], tuple[Sequence[ReadCall], int]]
"""Text, where the content of a block begins, tools -> the calls in it and where they end; raises RefusedJSON."""

_FORM = ("arguments",)


def tagged(opening: str, closing: str, content: Content, lead: str = "") -> Reader:
    """A reader of blocks between tags.

    A block ends at its closing tag, at the next opening tag or at the end of the text; tags inside its calls are text.

    Args:
        opening: a regular expression of bounded length.
        closing: a text; empty where nothing closes a block, which then ends with its calls.
        content: reads what is between.
        lead: a regular expression, ending in `\\Z`, of a header before the opening tag that belongs to the block.
    """
    tag = re.compile(f"(?P<open>{opening})|{re.escape(closing)}" if closing else f"(?P<open>{opening})")

    header = re.compile(lead) if lead else None

    def read(text: str, tools: Tools) -> list[Block]:
        tags = [(match.start(), match.end() if match["open"] else 0) for match in tag.finditer(text)]
        tags.append((len(text), 0))
        blocks = Blocks(text)
        index, count = 0, len(tags) - 1
        while index < count:
            start, begin = tags[index]
            first, index = index, index + 1
            if not begin:
                continue
            items, reached = _items(content, text, begin, tools)
            while tags[index][0] < reached:
                index += 1
            stop = tags[index][0]
            whole = not isinstance(items[0], str)
            if whole and not closing:
                stop = reached
            elif whole and skip_space(text, reached) != stop:
                items = ("trailing_text",)
            if closed := bool(closing) and index < count and not tags[index][1]:
                stop += len(closing)
                index += 1
            start = leading(header, text, start)
            blocks.add(start, stop, items, closed or (whole and not closing))
            index += blocks.add_repeats(start, stop) * (index - first)
        return blocks

    return read


def _items(content: Content, text: str, begin: int, tools: Tools) -> tuple[Sequence[Any], int]:
    """The calls of a block or the reason why it holds none, and how far it was read."""
    if text[begin : begin + 1].isspace():
        begin = skip_space(text, begin)
    try:
        return content(text, begin, tools)
    except RefusedJSON as error:
        return (error.reason,), max(begin, error.end)


def json_object(keys: Sequence[str] = _FORM, extra: Mapping[str, str] | None = None) -> Content:
    """The content is one JSON object: `name`, and arguments under one of `keys`; see `call_of` for `extra`."""

    def content(text: str, begin: int, _: Tools) -> tuple[Sequence[ReadCall], int]:
        if not text.startswith("{", begin):
            raise RefusedJSON("not_an_object", "expected {", begin)
        value, end = decode_at(text, begin)
        return (call_at(value, end, keys, extra),), end

    return content


def json_list(keys: Sequence[str] = _FORM, extra: Mapping[str, str] | None = None) -> Content:
    """The content is a JSON list of such objects, at least one."""

    def content(text: str, begin: int, _: Tools) -> tuple[Sequence[ReadCall], int]:
        calls: list[ReadCall] = []
        position = begin
        while not calls or not text.startswith("]", position):
            if not text.startswith("," if calls else "[", position):
                raise RefusedJSON("bad_syntax", "expected a list", position)
            value, end = decode_at(text, skip_space(text, position + 1))
            calls.append(call_at(value, end, keys, extra))
            position = skip_space(text, end)
        return calls, position + 1

    return content


def named_json(head: str, tail: str = "") -> Content:
    """The content is a head with a group `name`, a JSON object of arguments and a tail.

    Args:
        head: a regular expression of bounded length.
        tail: a text that follows the arguments, perhaps after white space.
    """
    pattern = re.compile(head)

    def content(text: str, begin: int, _: Tools) -> tuple[Sequence[ReadCall], int]:
        match = pattern.match(text, begin)
        if not match:
            raise RefusedJSON("bad_syntax", "no name and arguments", begin)
        if not text.startswith("{", match.end()):
            raise RefusedJSON("bad_arguments", "expected {", match.end())
        arguments, end = decode_at(text, match.end())
        after = skip_space(text, end)
        if tail and not text.startswith(tail, after):
            raise RefusedJSON("trailing_text", f"expected {tail!r}", end)
        call = ToolCall.model_construct(name=match["name"], arguments=arguments)
        return (ReadCall(call, end),), after + len(tail) if tail else end

    return content


def either(*pairs: tuple[str, Content]) -> Content:
    """The content whose first text stands there; the last one else."""

    def content(text: str, begin: int, tools: Tools) -> tuple[Sequence[ReadCall], int]:
        reader = next((one for first, one in pairs if text.startswith(first, begin)), pairs[-1][1])
        return reader(text, begin, tools)

    return content


def call_json(call: ToolCall, key: str = "arguments") -> str:
    """A call as a JSON object."""
    return json.dumps({"name": call.name, key: call.arguments}, ensure_ascii=False)


def list_json(calls: Sequence[ToolCall]) -> str:
    """Calls as a JSON list of objects."""
    return f"[{', '.join(map(call_json, calls))}]"


def arguments_json(call: ToolCall) -> str:
    """The arguments of a call as a JSON object."""
    return json.dumps(call.arguments, ensure_ascii=False)


def call_of(value: Any, end: int = 0, keys: Sequence[str] = _FORM, extra: Mapping[str, str] | None = None) -> ReadCall:
    """The call that a JSON value makes; of OpenAI's own objects (`end` 0) further keys are left alone.

    Args:
        value: what was decoded.
        end: where it ends in the text.
        keys: under which arguments may stand.
        extra: further key -> pattern of the texts that it may hold; bounded, for values may be long.

    Raises:
        RefusedJSON: no object, no name, a key that the format has not, or arguments that are no object.
    """
    if not isinstance(value, dict):
        raise RefusedJSON("not_an_object", f"expected an object, got {type(value).__name__}")
    name = value.get("name")
    if not isinstance(name, str) or not name:
        raise RefusedJSON("no_name", "no `name`")
    held = [key for key in keys if key in value]
    further = (key for key, pattern in (extra or {}).items() if re.fullmatch(pattern, str(value.get(key, ""))))
    known = {"name", *held[:1], *further}
    if end and value.keys() - known:
        raise RefusedJSON("extra_key", f"keys beside `name` and `{keys[0]}`")
    arguments = value[held[0]] if held else {}
    decoded = isinstance(arguments, str)
    if decoded:
        try:
            arguments = decode(arguments)
        except RefusedJSON as error:
            raise RefusedJSON("bad_arguments" if error.reason == "invalid_json" else error.reason, str(error)) from None
    if not isinstance(arguments, dict):
        raise RefusedJSON("bad_arguments", f"expected an object, got {type(arguments).__name__}")
    return ReadCall(ToolCall.model_construct(name=name, arguments=arguments), end, decoded)


def call_at(value: Any, end: int, keys: Sequence[str] = _FORM, extra: Mapping[str, str] | None = None) -> ReadCall:
    """`call_of`; a refusal has read as far as the value goes."""
    try:
        return call_of(value, end, keys, extra)
    except RefusedJSON as error:
        error.end = end
        raise
