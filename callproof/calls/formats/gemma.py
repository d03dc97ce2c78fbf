"""Gemma's own notation: `call:f{x:<|"|>text<|"|>,n:3,o:{k:[1,true]}}`, keys bare, strings between marks."""

import math
import re
from collections.abc import Sequence
from typing import Any

from callproof.calls.calls import ToolCall
from callproof.calls.strict_json import MAX_DEPTH, MAX_DIGITS, RefusedJSON, after_comma, skip_space

from .format import ReadCall, Tools
from .tagged import Content

_HEAD = re.compile(r"call:([^\s{}<>|]{1,256})\{")
_KEY = re.compile(r"[^:{}\[\],<>]{1,256}")
_BARE = re.compile(r"[^,{}\[\]<>]{1,5000}")
_INTEGER = re.compile(r"-?\d+")
_FLOAT = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None, "None": None, "True": True, "False": False}


def gemma_call(mark: str) -> Content:
    """The content is one call; `mark` stands at both ends of a string."""

    def content(text: str, begin: int, _: Tools) -> tuple[Sequence[ReadCall], int]:
        head = _HEAD.match(text, begin)
        if not head:
            raise RefusedJSON("bad_syntax", "expected call:NAME{", begin)
        arguments, end = _Values(text, mark).object(head.end(), 1)
        return (ReadCall(ToolCall.model_construct(name=head[1], arguments=arguments), end),), end

    return content


def gemma_text(call: ToolCall, mark: str) -> str:
    """A call in Gemma's notation."""
    return f"call:{call.name}{_written(call.arguments, mark)}"


def _written(value: Any, mark: str) -> str:
    if isinstance(value, dict):
        return f"{{{','.join(f'{_key(key, mark)}:{_written(item, mark)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(_written(item, mark) for item in value)}]"
    if isinstance(value, str):
        return f"{mark}{value}{mark}"
    return (
        {True: "true", False: "false", None: "null"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )


def _key(key: str, mark: str) -> str:
    return key if _KEY.fullmatch(key) and key == key.strip() else f"{mark}{key}{mark}"


class _Values:
    def __init__(self, text: str, mark: str) -> None:
        self._text, self._mark = text, mark

    def object(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        """The object whose brace stands before `position`, and where it ends."""
        values: dict[str, Any] = {}
        position = skip_space(self._text, position)
        while not self._text.startswith("}", position):
            key, position = self._key(position)
            if key in values:
                raise RefusedJSON("duplicate_key", f"{key} twice", position)
            values[key], position = self._value(skip_space(self._text, position), depth)
            position = after_comma(self._text, position, "}")
        return values, position + 1

    def _list(self, position: int, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        position = skip_space(self._text, position)
        while not self._text.startswith("]", position):
            value, position = self._value(position, depth)
            values.append(value)
            position = after_comma(self._text, position, "]")
        return values, position + 1

    def _value(self, position: int, depth: int) -> tuple[Any, int]:
        first = self._text[position : position + 1]
        if self._text.startswith(self._mark, position):
            return self._string(position)
        if first in ("{", "["):
            if depth >= MAX_DEPTH:
                raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}", position)
            return (self.object if first == "{" else self._list)(position + 1, depth + 1)
        match = _BARE.match(self._text, position)
        if not match:
            raise RefusedJSON("bad_syntax", "expected a value", position)
        return _bare(match[0].strip(), match.end()), match.end()

    def _string(self, position: int) -> tuple[str, int]:
        begin = position + len(self._mark)
        end = self._text.find(self._mark, begin)
        if end < 0:
            raise RefusedJSON("bad_syntax", "a string without an end", position)
        return self._text[begin:end], end + len(self._mark)

    def _key(self, position: int) -> tuple[str, int]:
        if self._text.startswith(self._mark, position):
            key, position = self._string(position)
        else:
            match = _KEY.match(self._text, position)
            if not match:
                raise RefusedJSON("bad_syntax", "expected a key", position)
            key, position = match[0].strip(), match.end()
        if not self._text.startswith(":", position):
            raise RefusedJSON("bad_syntax", "expected :", position)
        return key, position + 1


def _bare(text: str, end: int) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > MAX_DIGITS:
        raise RefusedJSON("number_too_long", f"a value of {len(text)} characters", end)
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    reason = (
        "not_finite"
        if text.lstrip("-") in ("NaN", "Infinity", "nan", "inf") or _FLOAT.fullmatch(text)
        else "bad_syntax"
    )
    raise RefusedJSON(reason, f"{text[:20]} is neither number nor word", end)
