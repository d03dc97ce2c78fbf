"""JSON files as records, streamed: one object a line, an array, objects one after another, or `{"data": [...]}`.

JSON is read under the rules for calls: no key twice, no NaN, no number beyond a float. A byte order mark is skipped.
"""

import codecs
import io
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from callproof.calls import DECODER
from callproof.console import say_once
from callproof.errors import UserError, cause_of
from callproof.records import malformed, utf8

from ..reading.repeated import Checked, checked_value

MAX_RECORD = 8 * 2**20
"""The longest record, in bytes: about two million tokens, more than any model's context."""

_CHUNK = 2**16
_HELD = 2**18
"""Bytes of lines that are given at a time, about."""
_WRAPPERS = ("data", "rows", "records", "examples", "samples", "items", "sessions", "train", "dataset")
_WRAPPED = re.compile(rf'\s*\{{\s*"(?:{"|".join(_WRAPPERS)})"\s*:\s*\[\s*[\{{\]]'.encode())


class Lines(NamedTuple):
    """Lines of a file as they stand in it; `first` is the number of the first."""

    first: int
    lines: list[bytes]

    @property
    def is_blank(self) -> bool:
        return all(line.isspace() for line in self.lines)

    def values(self, path: str) -> tuple[list[tuple[int, Any]], Counter[str]]:
        """(line, value) of each record, of a malformed line the error; and how often which keys stand beside them."""
        beside = Counter[str]()
        read = (
            (number, value)
            for number, line in enumerate(self.lines, self.first)
            if not line.isspace()
            for value in _of_line(line, f"{path}:{number}")
        )
        return list(_opened(read, beside)), beside


class Extent(NamedTuple):
    """Where some lines of a file stand: the number of the first, and their bytes."""

    first: int
    begin: int
    size: int
    is_blank: bool

    def values(self, path: str) -> tuple[list[tuple[int, Any]], Counter[str]]:
        """See `Lines.values`; raises a UserError where the file is another one by now."""
        try:
            with Path(path).open("rb") as file:
                file.seek(self.begin)
                data = file.read(self.size)
        except OSError as error:
            raise UserError(path, f"cannot be read any more ({cause_of(error)})", "read it again") from None
        if len(data) < self.size:
            raise UserError(path, "became shorter while it was read", "read it again when it is whole")
        return Lines(self.first, io.BytesIO(data).readlines()).values(path)


def json_values(file: Any, path: str) -> Iterator[tuple[int, Any] | Lines | Extent]:
    """(line, value) of each record of a file, or its lines where each is read for itself.

    Args:
        file: open, binary, buffered.
        path: for errors.

    Raises:
        UserError: malformed JSON that is not one value a line (`path:line`).
    """
    if file.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
    begins = file.peek(_CHUNK)
    values, beside = _Values(file, path), Counter[str]()
    if begins.lstrip().startswith(b"["):
        yield from values.items()
    elif _WRAPPED.match(begins):
        yield from values.wrapped(beside)
    elif _is_printed(begins):
        yield from _opened(values.sequence(), beside)
    elif _stays(file):
        yield from _extents(file, path)
    else:
        yield from _lines(file, path)
    say_beside(path, beside)


def say_beside(path: str, beside: Counter[str]) -> None:
    """Say which keys of a file stand beside its records, if there are any."""
    if beside:
        named = ", ".join(f"{key} ({count})" for key, count in beside.items())
        say_once(f"{path}: keys beside its records that are not read: {named}")


def _is_printed(begins: bytes) -> bool:
    """Whether the first object goes on behind its first line."""
    first, end, rest = begins.lstrip().partition(b"\n")
    if not end or not first.startswith(b"{") or not rest.strip():
        return False
    try:
        DECODER.raw_decode(first.decode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        text = first.decode("utf-8", "replace").rstrip()
        return error.pos >= len(text) and text[-1:] in "{[,:" and not rest.lstrip().startswith(b'{"')
    except (ValueError, RecursionError):
        return False
    return False


def _opened(values: Iterator[tuple[int, Any]], beside: Counter[str]) -> Iterator[tuple[int, Any]]:
    """Values, of an object that wraps records those; its other keys are counted in `beside`."""
    for line, value in values:
        whole = value.value if isinstance(value, Checked) else value
        key = next((key for key in _WRAPPERS if _wraps(whole, key)), None)
        if key is None:
            yield line, value
        else:
            beside.update(other for other in whole if other != key)
            for inner in whole[key]:
                yield line, _of_row(inner, beside)


def _of_row(item: Any, beside: Counter[str]) -> Any:
    """The record of a row, as the hub's viewer wraps it."""
    if not isinstance(item, dict) or "row_idx" not in item or "row" not in item:
        return item
    beside.update(key for key in item if key != "row")
    return item["row"]


def _wraps(value: Any, key: str) -> bool:
    inner = value.get(key) if isinstance(value, dict) else None
    if not isinstance(inner, list) or not inner or "messages" in value or "conversations" in value:
        return False
    return all(isinstance(item, dict) and "role" not in item and "from" not in item for item in inner)


def _stays(file: Any) -> bool:
    """Whether any process can read a file again: it is a plain one of this machine."""
    plain = isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO)
    return plain and stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _extents(file: IO[bytes], path: str) -> Iterator[Extent]:
    """All lines, some at a time; those before one that is too long come before its error."""
    first, begin = 1, file.tell()
    while data := file.read(_HELD):
        whole = data.rfind(b"\n") + 1
        last = data[whole:] + (file.readline(MAX_RECORD + 1 - len(data) + whole) if whole < len(data) else b"")
        data = data[:whole] + last * (len(last) <= MAX_RECORD)
        if data:
            yield Extent(first, begin, len(data), data.isspace())
        first, begin = first + data.count(b"\n"), begin + len(data)
        if len(last) > MAX_RECORD:
            raise _too_long(f"{path}:{first}")


def _lines(file: IO[bytes], path: str) -> Iterator[Lines]:
    """All lines, some at a time; those before one that cannot be read come before its error."""
    held, size = Lines(1, []), 0
    try:
        while line := file.readline(MAX_RECORD + 1):
            if len(line) > MAX_RECORD:
                raise _too_long(f"{path}:{held.first + len(held.lines)}")
            held.lines.append(line)
            size += len(line)
            if size >= _HELD:
                yield held
                held, size = Lines(held.first + len(held.lines), []), 0
    except Exception:
        if held.lines:
            yield held
        raise
    if held.lines:
        yield held


def _of_line(line: bytes, where: str) -> list[Any]:
    """The values of a line, or the error that it is."""
    if b"\0" in line:
        return [UserError(where, "holds NUL bytes, is no text", "save the file as UTF-8")]
    try:
        text = utf8(line, where)
        if value := checked_value(text):
            return [value]
        try:
            return [DECODER.decode(text)]
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise
            return _one_after_another(text)
    except UserError as error:
        return [error]
    except (ValueError, RecursionError) as error:
        return [malformed(where, error)]


def _one_after_another(text: str) -> list[Any]:
    values, at = [], 0
    while rest := text[at:].lstrip():
        at = len(text) - len(rest)
        value, at = DECODER.raw_decode(text, at)
        values.append(value)
    return values


def _too_long(where: str) -> UserError:
    return UserError(where, f"a record of more than {MAX_RECORD:,} bytes", "split the session, or write one a line")


class _Values:
    """Reads JSON values one at a time, with only a moving window of the file in memory."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file, self._path = file, path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._line = "", 0, 1
        self._ended = False

    def items(self) -> Iterator[tuple[int, Any]]:
        """The items of an array that is all there is."""
        yield from self._array()
        if self._next():
            raise self._wrong("text after the array", self._at)

    def sequence(self) -> Iterator[tuple[int, Any]]:
        """Values one after another."""
        while self._next():
            line = self._line
            yield line, self._value()

    def wrapped(self, beside: Counter[str]) -> Iterator[tuple[int, Any]]:
        """The items of the arrays that are the first in objects; the other keys of those are counted in `beside`."""
        while self._next():
            self._take("{")
            self._key()
            for line, item in self._array():
                yield line, _of_row(item, beside)
            while self._take(",}") == ",":
                beside[self._key()] += 1
                self._next()
                self._value()

    def _key(self) -> str:
        self._next()
        key = self._value()
        self._take(":")
        return str(key)

    def _array(self) -> Iterator[tuple[int, Any]]:
        self._take("[")
        if self._next() == "]":
            self._take("]")
        else:
            yield from self._values()

    def _values(self) -> Iterator[tuple[int, Any]]:
        mark = ","
        while mark == ",":
            self._next()
            line = self._line
            yield line, self._value()
            mark = self._take(",]")

    def _next(self) -> str:
        """Skip white space and return the next character without consuming it; empty at the end of the file."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._move(self._at + 1)
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _take(self, marks: str) -> str:
        character = self._next()
        if not character or character not in marks:
            raise self._wrong(f"expected {' or '.join(marks)}, got {character or 'the end of the file'}", self._at)
        self._move(self._at + 1)
        return character

    def _value(self) -> Any:
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_final(error) or not self._more():
                    raise self._wrong(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise malformed(f"{self._path}:{self._line}", error) from None
            else:
                self._move(end)
                return value

    def _is_final(self, error: json.JSONDecodeError) -> bool:
        """Whether reading more text would not help: the error is not at the window's end, nor an unfinished string."""
        return error.pos < len(self._text) - 32 and not error.msg.startswith("Unterminated string")

    def _more(self) -> bool:
        """Read on, at least doubling the window, so that the total work stays linear; False at the end of the file."""
        if self._ended:
            return False
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > MAX_RECORD:
            raise _too_long(f"{self._path}:{self._line}")
        chunk = self._file.read(max(_CHUNK, len(self._text)))
        self._ended = not chunk
        try:
            self._text += self._decoder.decode(chunk, final=self._ended)
        except UnicodeDecodeError:
            raise UserError(f"{self._path}:{self._line}", "is not UTF-8", "save the file as UTF-8") from None
        return True

    def _move(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def _wrong(self, problem: str, position: int) -> UserError:
        line = self._line + self._text.count("\n", self._at, position)
        return UserError(f"{self._path}:{line}", f"malformed JSON ({problem})", "write one JSON object a line")
