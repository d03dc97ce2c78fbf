"""JSON of sessions, whose tools are the same from session to session: each list of them is read once.

The value is that of `callproof.calls.decode` or of its `DECODER`; what is not plain is left to them, and so are errors.
What is remembered is shared between records: nobody changes it.
"""

import re
from collections import OrderedDict
from typing import Any, NamedTuple

from callproof.calls import DECODER, MAX_DEPTH, depth_is_over

TOOLS = ("tools", "functions", "available_tools", "toolConfig", "tool_config", "gen_ai.tool.definitions")
"""Under which names records bring their tools."""

_SHORTEST, _LONGEST = 256, 2**15
"""Characters of a part that is remembered."""
_BEGINNINGS, _ALIKE = 128, 4
"""How many beginnings of parts are remembered, and how many parts that begin so."""

_SAMPLE = 64
_SPACE = "[ \\t\\n\\r]*"
_KEY = re.compile(rf'{_SPACE}"([^"\\\x00-\x1f]*)"{_SPACE}:{_SPACE}')
_NEXT = re.compile(rf"{_SPACE}([,\]}}]){_SPACE}")
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


class Written(list[Any]):
    """A list that stood in a text as `text`."""

    __slots__ = ("text",)
    text: str


class Checked(NamedTuple):
    """A value of which it is known that it holds no half character and is nested no deeper than MAX_DEPTH."""

    value: Any


class _NotPlain(Exception):
    """The text is to be read by others."""


class Repeats:
    """Reads texts, and remembers their tools, the latest used of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], list[tuple[str, Any]]] = OrderedDict()

    def read(self, text: str) -> Checked | None:
        """The value of a text of one object or one list; None where it is not plain."""
        begin = len(text) - len(text.lstrip(" \t\n\r"))
        try:
            if text.startswith("{", begin):
                value, end = self._object(text, begin + 1)
            elif text.startswith("[", begin):
                value, end = _decoded(text, begin, 1)
            else:
                return None
        except (_NotPlain, ValueError, RecursionError):
            return None
        return None if text[end:].strip(" \t\n\r") else Checked(value)

    def _object(self, text: str, at: int) -> tuple[dict[str, Any], int]:
        value: dict[str, Any] = {}
        while True:
            key = _KEY.match(text, at)
            if key is None or key[1] in value:
                raise _NotPlain
            begin = key.end()
            if text.startswith("[", begin) and key[1] in TOOLS:
                item, end = self._remembered(text, begin, 1)
            else:
                item, end = _decoded(text, begin, 1)
            value[key[1]] = item
            mark, at = _mark(text, end, "}")
            if mark == "}":
                return value, at

    def _remembered(self, text: str, begin: int, level: int) -> tuple[Any, int]:
        sample = text[begin : begin + _SAMPLE], text[begin + 4 * _SAMPLE : begin + 5 * _SAMPLE]
        known = self._known.get(sample)
        for written, value in known or ():
            if text.startswith(written, begin):
                self._known.move_to_end(sample)
                return value, begin + len(written)
        value, end = _decoded(text, begin, level)
        if _SHORTEST <= end - begin <= _LONGEST:
            written = text[begin:end]
            if isinstance(value, list):
                value = Written(value)
                value.text = written
            self._known[sample] = [(written, value), *(known or ())[: _ALIKE - 1]]
            if len(self._known) > _BEGINNINGS:
                self._known.popitem(last=False)
        return value, end


def _decoded(text: str, begin: int, level: int) -> tuple[Any, int]:
    """The value that begins there, inside of so many others."""
    value, end = DECODER.raw_decode(text, begin)
    if text.find("\\u", begin, end) >= 0 and _HALF_CHARACTER.search(text, begin, end):
        raise _NotPlain
    room = MAX_DEPTH - level
    if text.count("{", begin, end) + text.count("[", begin, end) > room and depth_is_over(value, room):
        raise _NotPlain
    return value, end


def _mark(text: str, at: int, closing: str) -> tuple[str, int]:
    """The comma or the closing mark there, and where what follows begins."""
    mark = _NEXT.match(text, at)
    if mark is None or mark[1] not in (",", closing):
        raise _NotPlain
    return mark[1], mark.end()


_REPEATS = Repeats()


def checked_value(text: str) -> Checked | None:
    """The value of a text of one object or one list; None where `decode` has to read it."""
    return _REPEATS.read(text)
