"""Where records come from: files, folders and globs, streamed; nothing reads a whole file.

- A file holds one JSON object a line, or one JSON array of objects, which begins with `[`.
- A folder stands for its `*.jsonl` and `*.json` files at any depth, in the order of their paths, hidden ones left out.
- A glob pattern (`*`, `?`, `[abc]`, and `**` for any depth) stands for the files that it names, in the same order.
- `hf:owner/name[:split]` and a folder that `datasets` has saved are Hugging Face datasets, which
  `train.rows.hub_data` reads; where its library is not imported, `callproof train convert` reads them in a process.

JSON is read under the rules for calls: no key twice, no NaN, no number beyond a float. A byte order mark is skipped.
"""

import atexit
import codecs
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from glob import glob, has_magic
from pathlib import Path
from typing import IO, Any, NamedTuple

from callproof.calls import DECODER
from callproof.errors import UserError, cause_of
from callproof.records import malformed, utf8

MAX_RECORD = 8 * 2**20
"""The longest record, in bytes: about two million tokens, more than any model's context."""

_CHUNK = 2**16
_SAVED_DATASET = ("state.json", "dataset_info.json", "dataset_dict.json")


class Found(NamedTuple):
    """A record, its place (`path:line`), and the id that its session gets if it has none of its own."""

    where: str
    name: str
    value: dict[str, Any]


Reader = Callable[[str], Iterator[Found]]


def is_dataset(source: str) -> bool:
    """Whether a source is a Hugging Face dataset, on the hub or on disk."""
    return source.startswith("hf:") or any((Path(source) / name).is_file() for name in _SAVED_DATASET)


def read_records(source: str) -> Iterator[Found]:
    """The records of a file, a folder or a glob.

    Raises:
        UserError: nothing there, an empty file, text that is not UTF-8, malformed JSON, no object, or a record over
            `MAX_RECORD` (`path:line`).
    """
    if is_dataset(source):
        yield from _of_dataset(source)
        return
    for path, name in find_files(source):
        empty = True
        for line, value in _read(path):
            empty = False
            if not isinstance(value, dict):
                problem = f"expected a JSON object, got {type(value).__name__}"
                raise UserError(f"{path}:{line}", problem, "write one object a record")
            yield Found(f"{path}:{line}", f"{name}:{line}", value)
        if empty:
            raise UserError(path, "is empty, holds no sessions", "give one JSON object a line")


def dataset_record(source: str, number: int, value: dict[str, Any]) -> Found:
    """Row `number` (from 0) of a Hugging Face dataset."""
    return Found(f"{source}[{number}]", f"{source.rstrip('/').rsplit('/', 1)[-1]}:{number}", value)


def _of_dataset(source: str) -> Iterator[Found]:
    """The rows of a dataset, which `callproof train convert`, in a process of its own, writes as JSON lines."""
    for number, (_, value) in enumerate(_read(_exported(source))):
        yield dataset_record(source, number, value)


@cache
def _exported(source: str) -> Path:
    """A file that is kept until this process ends, since eval turns are read more than once."""
    folder = Path(tempfile.mkdtemp(prefix="callproof-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    words = ["train", "convert", source, "--as-is", "--out", str(folder / "records.jsonl")]
    done = subprocess.run([sys.executable, "-m", "callproof", *words], capture_output=True, text=True, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ")
        raise UserError(source, f"cannot be read by callproof train convert ({reason})", "correct data.eval")
    return folder / "records.jsonl"


def find_files(source: str) -> list[tuple[Path, str]]:
    """The files of a source, each with its name inside the source.

    Raises:
        UserError: there is none.
    """
    path = Path(source)
    if path.is_dir():
        inside = sorted(file for kind in ("*.jsonl", "*.json") for file in path.rglob(kind) if file.is_file())
        named = [(file, file.relative_to(path)) for file in inside]
        files = [(file, str(name)) for file, name in named if not any(part.startswith(".") for part in name.parts)]
    elif has_magic(source) and not path.exists():
        files = [(Path(file), Path(file).name) for file in sorted(glob(source, recursive=True))]
        files = [(file, name) for file, name in files if file.is_file()]
    else:
        return [(path, path.name)]
    if not files:
        raise UserError(source, "holds no *.jsonl or *.json file", "check the path")
    return files


def _read(path: Path) -> Iterator[tuple[int, Any]]:
    """(line, JSON value) of each record of a file."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(path, f"cannot be read ({cause_of(error)})", "check the path") from None
    with file:
        if file.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            file.read(len(codecs.BOM_UTF8))
        begins = file.peek(_CHUNK).lstrip()
        yield from _Array(file, path).items() if begins.startswith(b"[") else _lines(file, path)


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, Any]]:
    number = 0
    while line := file.readline(MAX_RECORD + 1):
        number += 1
        where = f"{path}:{number}"
        if len(line) > MAX_RECORD:
            raise _too_long(where)
        if b"\0" in line:
            raise UserError(where, "holds NUL bytes, is no text", "save the file as UTF-8")
        if line.strip():
            try:
                yield number, DECODER.decode(utf8(line, where))
            except (ValueError, RecursionError) as error:
                raise malformed(where, error) from None


def _too_long(where: str) -> UserError:
    return UserError(where, f"a record of more than {MAX_RECORD:,} bytes", "split the session, or write one a line")


class _Array:
    """Reads the items of a JSON array one at a time, with only a moving window of the file in memory."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._line = "", 0, 1
        self._ended = False

    def items(self) -> Iterator[tuple[int, Any]]:
        self._take("[")
        if self._next() == "]":
            self._take("]")
        else:
            yield from self._values()
        if self._next():
            raise self._wrong("text after the array", self._at)

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
        return UserError(f"{self._path}:{line}", f"malformed JSON ({problem})", "write a JSON array of objects")
