"""Where records come from: files, folders, globs and URLs, streamed; nothing reads a whole file.

- JSON, in every way to write several objects into a file (`json_text`); CSV, TSV and Parquet (`tables`); each of them
  but Parquet also packed by gzip, bzip2 or xz.
- A folder stands for all such files at any depth, in the order of their paths; how many others it holds is said.
- A glob pattern (`*`, `?`, `[abc]`, and `**` for any depth) stands for the files that it names, in the same order.
- A URL (`s3://`, `https://`) is read where fsspec is installed (`remote`).
- `hf:owner/name[/config][:split]` and a folder that `datasets` has saved are Hugging Face datasets, which
  `train.rows.hub_data` reads; where its library is not imported, another process does (`datasets`).
"""

import bz2
import gzip
import lzma
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import Any, NamedTuple

from callproof.console import say_once
from callproof.errors import UserError, cause_of, relative_to

from ..reading.repeated import Checked
from .datasets import exported, is_dataset
from .json_text import Extent, Lines, json_values, say_beside
from .remote import is_remote, open_remote, remote_files
from .tables import Batch, csv_rows, parquet_rows

_JSON = (".jsonl", ".json", ".ndjson", ".jsonlines")
_TABLES = {".csv": ",", ".tsv": "\t"}
_PACKED: dict[str, Callable[[Any], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz"}
_PARQUET = b"PAR1"
Content = Lines | Extent | Batch
"""Records as they stand in their file."""

_NAMED = 5


class Found(NamedTuple):
    """A record, its place (`path:line`), and the id that its session gets if it has none of its own.

    Of a line that holds none, `value` is the error to raise. `is_checked`: no half character is in it, and it is not
    nested too deep.
    """

    where: str
    name: str
    value: dict[str, Any] | UserError
    is_checked: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The value; raises it where it is the error."""
        if isinstance(self.value, UserError):
            raise self.value
        return self.value


Reader = Callable[[str], Iterator[Found]]


def dataset_record(source: str, number: int, value: dict[str, Any] | UserError) -> Found:
    """Row `number` (from 0) of a Hugging Face dataset."""
    return Found(f"{source}[{number}]", f"{source.rstrip('/').rsplit('/', 1)[-1]}:{number}", value)


class Raw(NamedTuple):
    """Some of the records of a file, in order, as they stand in it; `name` is the file's inside its source."""

    path: str
    name: str
    content: Content

    def read(self) -> tuple[list[Found], Counter[str]]:
        """The records, and how often which keys stand beside them."""
        values, beside = self.content.values(self.path)
        places = _Places(self.path, self.name)
        return [places.found(line, value) for line, value in values], beside


RawReader = Callable[[str], Iterator[Found | Raw]]


class Beside:
    """Takes the keys that stand beside records, file by file, and says them."""

    def __init__(self) -> None:
        self._path, self._keys = "", Counter[str]()

    def add(self, path: str, keys: Counter[str]) -> None:
        if path != self._path:
            self.say()
            self._path, self._keys = path, Counter()
        self._keys.update(keys)

    def say(self) -> None:
        """Say those of the last file."""
        say_beside(self._path, self._keys)
        self._keys = Counter()


def read_records(source: str) -> Iterator[Found]:
    """The records of a file, a folder, a glob or a URL.

    Raises:
        UserError: nothing there, an empty file, text that is not UTF-8, a record over `MAX_RECORD` (`path:line`), or a
            package that is not installed.
    """
    return opened(read_raw(source))


def opened(items: Iterable[Found | Raw]) -> Iterator[Found]:
    """Records, those read that are raw."""
    keys = Beside()
    for item in items:
        if isinstance(item, Found):
            yield item
            continue
        found, beside = item.read()
        keys.add(item.path, beside)
        yield from found
    keys.say()


def read_raw(source: str) -> Iterator[Found | Raw]:
    """As `read_records`, but records that can be read each for itself are raw, so that another process may do it."""
    if is_dataset(source):
        for number, found in enumerate(opened(_of_file(str(exported(source)), ""))):
            yield dataset_record(source, number, found.value)
        return
    for path, name in find_files(source):
        empty = True
        for item in _of_file(path, name):
            empty = empty and isinstance(item, Raw) and item.content.is_blank
            yield item
        if empty:
            raise UserError(path, "is empty, holds no sessions", "give one JSON object a line")


def _of_file(path: str, name: str) -> Iterator[Found | Raw]:
    places = _Places(path, name)
    for item in _read(path):
        yield Raw(path, name, item) if isinstance(item, Content) else places.found(*item)


class _Places:
    """Gives the records of a file, in order, their places."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._last = self._again = 0

    def found(self, line: int, value: Any) -> Found:
        checked = isinstance(value, Checked)
        value = value.value if checked else value
        self._again = self._again + 1 if line == self._last else 0
        self._last = line
        place = f"{line}.{self._again}" if self._again else f"{line}"
        if not isinstance(value, dict | UserError):
            problem = f"expected a JSON object, got {type(value).__name__}"
            value = UserError(f"{self._path}:{line}", problem, "write one object a record")
        return Found(f"{self._path}:{line}", f"{self._name}:{place}", value, checked)


def find_files(source: str) -> list[tuple[str, str]]:
    """The paths or URLs of a source, each with its name inside the source.

    Raises:
        UserError: there is none.
    """
    if is_remote(source):
        urls = remote_files(source)
        readable = [(url, url.rsplit("/", 1)[-1]) for url in urls if len(urls) == 1 or _kind(url)]
        return _some(readable, source, [url for url in urls[1:] if not _kind(url)])
    path = Path(source)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        named = [(file, file.relative_to(path)) for file in inside]
        shown = [(file, name) for file, name in named if not any(part.startswith(".") for part in name.parts)]
        files = [(str(file), str(name)) for file, name in shown if _kind(str(file))]
        return _some(files, source, [str(name) for file, name in shown if not _kind(str(file))])
    if has_magic(source) and not path.exists():
        files = [(file, Path(file).name) for file in sorted(glob(source, recursive=True)) if Path(file).is_file()]
        return _some(files, source, [])
    return [(source, path.name)]


def _some(files: list[tuple[str, str]], source: str, left_out: list[str]) -> list[tuple[str, str]]:
    """Files, once those that are left out are said; raises a UserError where there are none."""
    if not files:
        raise UserError(source, "holds no file of records (JSON, CSV, TSV or Parquet)", relative_to(source))
    if count := len(left_out):
        names = ", ".join(left_out[:_NAMED]) + ", ..." * (count > _NAMED)
        say_once(f"{source}: {count} file{'s' * (count > 1)} not read: {names}")
    return files


def _kind(path: str) -> str | None:
    """The suffix that tells how a file is read; None where none does."""
    suffixes = [suffix.lower() for suffix in Path(path.split("?")[0]).suffixes]
    last = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in _PACKED else suffixes[-1] if suffixes else ""
    return last if last in (*_JSON, *_TABLES, ".parquet") else None


def _read(path: str) -> Iterator[tuple[int, Any] | Content]:
    """(line, record) of each record of a file, or what it holds as it stands there."""
    with _opened(path) as raw:
        begins = raw.peek(8)
        if begins.startswith(_PARQUET):
            yield from parquet_rows(raw, path)
            return
        packed = next((suffix for magic, suffix in _MAGIC.items() if begins.startswith(magic)), None)
        file = _PACKED[packed](raw) if packed else raw
        kind = _kind(path)
        try:
            yield from csv_rows(file, path, _TABLES[kind]) if kind in _TABLES else json_values(file, path)
        except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise UserError(path, f"is cut off or damaged ({error})", "pack it again") from None


def _opened(path: str) -> AbstractContextManager[Any]:
    return open_remote(path) if is_remote(path) else _open_here(path)


@contextmanager
def _open_here(path: str) -> Iterator[Any]:
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (an error inside the block is not one of opening)
    except OSError as error:
        raise UserError(path, f"cannot be read ({cause_of(error)})", relative_to(path)) from None
    with file:
        yield file
