"""What a format is: how one family of models writes calls, and what its reader hands out."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from callproof.calls.calls import ToolCall
from callproof.calls.strict_json import MalformedReason

Tools = Mapping[str, Mapping[str, Any]]
"""The tools of a request: name -> JSON Schema of its parameters."""


_HEADER = 300


class ReadCall(NamedTuple):
    """A call, and where the text that makes it complete ends.

    `decoded`: its arguments were a JSON string; `untyped`: how many values no schema settled.
    """

    call: ToolCall
    end: int
    decoded: bool = False
    untyped: int = 0


class Block(NamedTuple):
    """A stretch of text that a format takes for an attempt: its calls, or the reason why it is none.

    `times`: how often in a row the very same refused text stands here.
    """

    start: int
    end: int
    items: Sequence[ReadCall | MalformedReason]
    closed: bool
    times: int = 1


class Blocks(list[Block]):
    """The blocks of a text as they are read. A runaway answer repeats one a hundred thousand times: they become one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text, self._unit = text, ""

    def add(self, start: int, end: int, items: Sequence[ReadCall | MalformedReason], closed: bool) -> None:
        """Take one more block."""
        refused = isinstance(items[0], str)
        if refused and self._repeats(start, end) and self[-1][2:4] == (items, closed):
            self[-1] = Block(self[-1].start, end, items, closed, self[-1].times + 1)
            return
        self._unit = self._text[start:end] if refused else ""
        self.append(Block(start, end, items, closed))

    def add_repeats(self, start: int, end: int) -> int:
        """Take all further blocks with the very text of the last one, `start` to `end`, but three; how many they were.

        The reading of a block looks no further than two of its kind ahead.
        """
        unit, position = self._text[start:end], end
        if not isinstance(self[-1].items[0], str) or not self._text.startswith(unit, position):
            return 0
        while self._text.startswith(unit, position):
            position += len(unit)
        count = max((position - end) // len(unit) - 3, 0)
        self[-1] = self[-1]._replace(end=end + count * len(unit), times=self[-1].times + count)
        return count

    def _repeats(self, start: int, end: int) -> bool:
        unit = self._unit
        return bool(unit) and end - start == len(unit) and self[-1].end == start and self._text.startswith(unit, start)


def leading(pattern: "re.Pattern[str] | None", text: str, start: int) -> int:
    """Where a block begins whose tag at `start` follows the header that a pattern, ending in `\\Z`, describes."""
    if pattern is None:
        return start
    header = pattern.search(text[max(0, start - _HEADER) : start])
    return start - len(header[0]) if header else start


class Thinking(NamedTuple):
    """The texts around a model's thinking. A template may write `open` itself, then only `close` comes back."""

    open: str
    close: str


THINK = Thinking("<think>", "</think>")

Reader = Callable[[str, Tools], list[Block]]


@dataclass(frozen=True, slots=True)
class Format:
    """One notation for calls.

    Attributes:
        name: as vLLM names it in `--tool-call-parser`.
        read: text, tools -> the blocks of the text, in order. Linear time, never raises.
        render: calls -> text as a model writes them; `read` reads them back.
        openings: texts that open an attempt.
        marks: texts that tell this format from others; None: the openings.
        ends_turn: its closing tag ends the turn, so servers cut it off; a call without it is no oddity.
        special_tags: tags that a tokenizer may mark special; a raw request must then ask for them.
        wrappers: tags around calls or text that say nothing of their own.
        ends: texts that a template may write after an assistant turn.
        thinking: how thinking is set off.
        headers: regular expressions of what may stand before an opening and belong to it, whole or half.
    """

    name: str
    read: Reader
    render: Callable[[Sequence[ToolCall]], str]
    openings: tuple[str, ...]
    special_tags: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    thinking: Thinking = THINK
    marks: tuple[str, ...] | None = None
    ends_turn: bool = False
    headers: tuple[str, ...] = ()

    @property
    def telling(self) -> tuple[str, ...]:
        """The marks, or else the openings."""
        return self.openings if self.marks is None else self.marks

    @property
    def thoughts(self) -> tuple[Thinking, ...]:
        """Its own way to set thinking off, and the common one."""
        return (self.thinking,) if self.thinking == THINK else (self.thinking, THINK)
