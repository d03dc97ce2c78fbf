"""Calls as a Python list of calls with keyword arguments, whose values are literals: `[f(x=1), g()]`."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from callproof.calls.calls import ToolCall
from callproof.calls.strict_json import (
    MAX_DEPTH,
    MAX_DIGITS,
    MalformedReason,
    RefusedJSON,
    after_comma,
    skip_space,
    writable,
)

from .format import Block, Blocks, ReadCall, Reader, Tools
from .tagged import Content

_NAME = re.compile(r"[^\s()\[\]{}<>'\"=,:`|]{1,256}")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z]{1,8}\b")
_WORDS = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
_STRINGS = {quote: re.compile(rf"{quote}((?:[^{quote}\\\n]++|\\[\s\S])*+){quote}") for quote in "'\""}
_LIST = re.compile(r"(?=\[\s?[^\s()\[\]{}<>'\"=,:`|]{1,256}\()")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{1,3}|[\s\S])")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "\n": ""}
_PLAIN |= {mark: mark for mark in "\\'\""}
_NEXT_ARGUMENT = re.compile(r"\s{0,9}(?:,\s{0,9}[^\s()\[\]{}<>'\"=,:`|]{1,256}\s{0,9}=|\)\s{0,9}[,\]\n]|\)\s{0,9}\Z)")


def python_list(raw_strings: str = "") -> Content:
    """The content is a list of calls in brackets, at least one.

    Args:
        raw_strings: set where the templates of a family write strings between apostrophes without escapes: such a
            string ends at the apostrophe that an argument or the end of the call follows, before this text.
    """

    def content(text: str, begin: int, _: Tools) -> tuple[Sequence[ReadCall], int]:
        if not text.startswith("[", begin):
            raise RefusedJSON("bad_syntax", "expected [", begin)
        return _Literals(text, raw_strings).calls(begin + 1, "]")

    return content


def python_lines() -> Content:
    """The content is calls, one a line."""

    def content(text: str, begin: int, _: Tools) -> tuple[Sequence[ReadCall], int]:
        literals = _Literals(text, "")
        calls: list[ReadCall] = []
        position = begin
        while not calls or (position < len(text) and text[position] != "<"):
            calls.append(literals.call(position))
            position = skip_space(text, calls[-1].end)
        return calls, position

    return content


def bare_python(tags: Sequence[str] = ()) -> Reader:
    """A reader of lists that begin the text or a line, perhaps between `tags`; such a tag alone is an attempt, too."""
    opening = re.compile("|".join([*map(re.escape, tags[:1]), rf"(?:(?<=\n)|(?<![\s\S])){_LIST.pattern}"]))
    inside = python_list()

    def read(text: str, tools: Tools) -> list[Block]:
        blocks = Blocks(text)
        position = skip_space(text, 0) if text[:1].isspace() else 0
        match = opening.match(text, position) or _LIST.match(text, position) or opening.search(text, position)
        while match:
            start, begin = match.start(), skip_space(text, match.end())
            items: Sequence[ReadCall | MalformedReason]
            try:
                read_calls, end = inside(text, begin, tools)
                items = read_calls
                closed = True
                if tags and text.startswith(tags[1], skip_space(text, end)):
                    end = skip_space(text, end) + len(tags[1])
                following = opening.search(text, end)
            except RefusedJSON as error:
                following = opening.search(text, max(error.end, begin, start + 1))
                items = (error.reason,)
                closed = False
                end = following.start() if following else len(text)
            blocks.add(start, end, items, closed)
            repeats = blocks.add_repeats(start, end)
            match = opening.search(text, end + repeats * (end - start)) if repeats else following
        return blocks

    return read


def literal_at(text: str, begin: int) -> tuple[Any, int]:
    """The value that begins at a position, written as Python or as JSON, and where it ends.

    Raises:
        RefusedJSON: no literal stands there, a key twice, NaN, or nested too deep.
    """
    return _Literals(text, "").value(begin, 0)


def python_call(call: ToolCall, dump: Any = None) -> str:
    """A call as Python."""
    return f"{call.name}({', '.join(f'{key}={(dump or repr)(value)}' for key, value in call.arguments.items())})"


def python_calls(calls: Sequence[ToolCall]) -> str:
    """Calls as a Python list."""
    return f"[{', '.join(map(python_call, calls))}]"


class _Literals:
    """Reads calls and literals at positions of a text."""

    def __init__(self, text: str, raw_strings: str) -> None:
        self._text, self._raw = text, raw_strings

    def calls(self, position: int, closing: str) -> tuple[list[ReadCall], int]:
        calls: list[ReadCall] = []
        while True:
            position = skip_space(self._text, position)
            if calls and self._text.startswith(closing, position):
                return calls, position + len(closing)
            calls.append(self.call(position))
            position = after_comma(self._text, calls[-1].end, closing)

    def call(self, position: int) -> ReadCall:
        name, position = self._name(position, "(")
        arguments: dict[str, Any] = {}
        position = skip_space(self._text, position)
        while not self._text.startswith(")", position):
            key, position = self._name(position, "=")
            if key in arguments:
                raise RefusedJSON("duplicate_key", f"{key} twice", position)
            arguments[key], position = self.value(skip_space(self._text, position), 1)
            position = after_comma(self._text, position, ")")
        return ReadCall(ToolCall.model_construct(name=name, arguments=arguments), position + 1)

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        text, first = self._text, self._text[position : position + 1]
        if first in ("'", '"'):
            return self._string(position, first, depth)
        if first in ("[", "{"):
            if depth >= MAX_DEPTH:
                raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}", position)
            return self._list(position + 1, depth + 1) if first == "[" else self._dict(position + 1, depth + 1)
        if number := _NUMBER.match(text, position):
            return self._number(number), number.end()
        word = _WORD.match(text, position)
        if word and word[0] in _WORDS:
            return _WORDS[word[0]], word.end()
        if word and word[0] in ("nan", "inf", "NaN", "Infinity"):
            raise RefusedJSON("not_finite", word[0], position)
        raise RefusedJSON("bad_syntax", "expected a literal", position)

    def _list(self, position: int, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        position = skip_space(self._text, position)
        while not self._text.startswith("]", position):
            value, position = self.value(position, depth)
            values.append(value)
            position = after_comma(self._text, position, "]")
        return values, position + 1

    def _dict(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        position = skip_space(self._text, position)
        while not self._text.startswith("}", position):
            key, position = self.value(position, depth)
            if not isinstance(key, str):
                raise RefusedJSON("bad_syntax", "a key that is no string", position)
            if key in values:
                raise RefusedJSON("duplicate_key", f"{key} twice", position)
            position = skip_space(self._text, position)
            if not self._text.startswith(":", position):
                raise RefusedJSON("bad_syntax", "expected :", position)
            values[key], position = self.value(skip_space(self._text, position + 1), depth)
            position = after_comma(self._text, position, "}")
        return values, position + 1

    def _string(self, position: int, quote: str, depth: int) -> tuple[str, int]:
        match = _STRINGS[quote].match(self._text, position)
        if self._raw and depth == 1 and quote == "'" and not (match and _NEXT_ARGUMENT.match(self._text, match.end())):
            return self._raw_string(position)
        if not match:
            raise RefusedJSON("bad_syntax", "a string without an end", position)
        return _unescaped(match[1], position), match.end()

    def _raw_string(self, position: int) -> tuple[str, int]:
        """A string of a template that escapes nothing."""
        limit = self._text.find(self._raw, position)
        limit = len(self._text) if limit < 0 else limit
        end = self._text.find("'", position + 1, limit)
        while end >= 0:
            if _NEXT_ARGUMENT.match(self._text, end + 1, limit):
                return self._text[position + 1 : end], end + 1
            end = self._text.find("'", end + 1, limit)
        raise RefusedJSON("bad_syntax", "a string without an end", position)

    def _number(self, match: "re.Match[str]") -> Any:
        digits = match[0]
        if len(digits) > MAX_DIGITS:
            raise RefusedJSON("number_too_long", f"a number of {len(digits)} digits", match.end())
        try:
            value = int(digits) if re.fullmatch(r"[+-]?[\d_]+", digits) else float(digits)
        except ValueError:
            raise RefusedJSON("bad_syntax", f"{digits[:20]} is no number", match.end()) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise RefusedJSON("not_finite", f"{digits[:20]} is beyond any float", match.end())
        return value

    def _name(self, position: int, mark: str) -> tuple[str, int]:
        match = _NAME.match(self._text, position)
        after = skip_space(self._text, match.end()) if match else position
        if not match or not self._text.startswith(mark, after):
            raise RefusedJSON("bad_arguments" if mark == "=" else "bad_syntax", f"expected a name and {mark}", position)
        return match[0], after + 1


def _unescaped(body: str, position: int) -> str:
    def plain(match: "re.Match[str]") -> str:
        mark = match[1]
        if mark[0] in "uUx" and len(mark) > 1:
            return chr(min(int(mark[1:], 16), 0x10FFFF))
        if mark[0] in "01234567":
            return chr(int(mark, 8))
        if mark in _PLAIN:
            return _PLAIN[mark]
        if mark in "NuUx":
            raise RefusedJSON("bad_syntax", f"an escape \\{mark}", position + match.end())
        return match[0]

    return writable(_ESCAPE.sub(plain, body)) if "\\" in body else body


def raw_python(value: Any) -> str:
    """A value as LFM2's templates write it: strings as Python, JSON inside objects and lists."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else repr(value)
