"""Frozen records, and the files they live in: one JSON object a line, appended as results land."""

import json
import os
import re
import shutil
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from .errors import UserError, cause_of, in_one_line, relative_to

MAX_NUMBER = 2**31 - 1
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, line and paragraph separators, and what turns the direction of text."""

Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Positive = Annotated[int, Field(ge=1, le=MAX_NUMBER)]


def _speakable(name: str) -> str:
    if character := _UNSPEAKABLE.search(name):
        raise ValueError(f"a name on one line, without control characters such as {character[0]!r}")
    return name


Name = Annotated[str, Field(min_length=1), AfterValidator(_speakable)]
"""Stands in tables, files and lines of others: nothing in it can end a line or hide another text."""


class Record(BaseModel):
    """Base of everything that is written to disk or read from it: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def explain(error: ValidationError) -> str:
    """The first problem of a pydantic error as `field.path: what was expected`."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path}: {first['msg']}" if path else first["msg"]


def read_text(path: Path) -> str:
    """The UTF-8 text of a file.

    Raises:
        UserError: the file is missing, is no file, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(path, f"cannot be read ({cause_of(error)})", relative_to(path)) from None
    except UnicodeDecodeError as error:
        raise UserError(path, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from None


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line with its end) of a file, streamed.

    Raises:
        UserError: the file cannot be read, or begins with a byte order mark.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(path, f"cannot be read ({cause_of(error)})", relative_to(path)) from None
    with file:
        if file.peek(len(BOM_UTF8)).startswith(BOM_UTF8):
            raise UserError(f"{path}:1", "begins with a byte order mark", "save the file as UTF-8 without it")
        yield from enumerate(file, start=1)


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of each line that is not blank, streamed.

    Raises:
        UserError: the file cannot be read, or a line is not one JSON object in UTF-8 (`path:line`).
    """
    for number, line in read_lines(path):
        if line.strip():
            yield number, json_object(line, f"{path}:{number}")


def read_json(path: Path, mend: str) -> Any:
    """The JSON value that a file holds; `mend` is the advice of the error where the file holds none.

    Raises:
        UserError: the file cannot be read, or is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise malformed(f"{path}:{getattr(error, 'lineno', 1)}", error, mend) from None


def read_object(path: Path, mend: str) -> dict[str, Any]:
    """The JSON object that a file holds; raises as `read_json`, and where it holds another value."""
    value = read_json(path, mend)
    if not isinstance(value, dict):
        raise UserError(path, f"expected a JSON object, got {type(value).__name__}", mend)
    return value


def json_object(line: bytes, where: str) -> dict[str, Any]:
    """The object that a line holds; raises a UserError where it is not one JSON object in UTF-8."""
    try:
        value = json.loads(utf8(line, where))
    except (ValueError, RecursionError) as error:
        raise malformed(where, error) from None
    if not isinstance(value, dict):
        raise UserError(where, f"expected a JSON object, got {type(value).__name__}", "write one object a line")
    return value


def utf8(line: bytes, where: object) -> str:
    """The text of a line.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(where, f"is not UTF-8 (byte {error.start})", "save the file as UTF-8") from None


def malformed(
    where: object, error: ValueError | RecursionError, mend: str = "write one JSON object a line"
) -> UserError:
    """The UserError to raise for JSON text that the decoder refused with `error`."""
    problem = str(error)
    if isinstance(error, json.JSONDecodeError):
        problem = error.msg
    elif isinstance(error, RecursionError):
        problem = "nested too deep"
    elif type(error) is ValueError:
        problem = "a number of too many digits"
    return UserError(where, f"malformed JSON ({problem})", mend)


def refuse_half_characters(value: object, where: object) -> None:
    """Check that a JSON value holds no lone surrogate (`\\ud800` without its second half).

    Such a string is valid JSON, but has no UTF-8 form, so it could not be tokenised, sent or saved.

    Raises:
        UserError: a string or a key holds one (`where: path.in.the.value`).
    """
    with suppress(ValueError):
        to_json(value)
        return
    for path, text in _texts(value):
        try:
            text.encode()
        except UnicodeEncodeError:
            place = path.encode("ascii", "backslashreplace").decode()
            problem = "holds half a surrogate pair (\\ud800 to \\udfff)"
            raise UserError(f"{where}: {place}" if place else where, problem, "write the whole character") from None


def _texts(value: object) -> Iterator[tuple[str, str]]:
    """(dotted path, text) of every string and every key inside a JSON value, in document order."""
    waiting = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str):
            yield path, item
        inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        places = [(f"{path}.{key}".lstrip("."), key, child) for key, child in inner]
        yield from ((place, key) for place, key, _ in places if isinstance(key, str))
        waiting += [(place, child) for place, _, child in reversed(places)]


@contextmanager
def leaving_nothing(path: Path) -> Iterator[None]:
    """Context manager: if its block raises, remove `path` and its parent folders, except those that existed before."""
    new = [place for place in (path, *path.parents) if not os.path.exists(place)]
    try:
        yield
    except BaseException:
        for place in new:
            with suppress(OSError):
                place.rmdir() if place.is_dir() else place.unlink()
        raise


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Context manager that gives an open file, and renames it to `path` when the block ends without an error.

    Readers see the old file or the complete new one. If the block raises, the old file stays and no new folder is left.
    A device or a pipe, such as /dev/null, is written to and stays what it is.

    Raises:
        UserError: the file cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        if path.is_char_device() or path.is_fifo():
            with path.open("wb") as file:
                yield file
            return
        with leaving_nothing(partial):
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                yield file
            os.replace(partial, path)
    except OSError as error:
        mend = "choose another place, or free some space"
        raise UserError(path, f"cannot be written ({cause_of(error)})", mend) from None


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to fill, which takes the place of `path` when the block ends well.

    A block that raises leaves the earlier folder alone, and no new folder behind. See `replace_folder`.

    Raises:
        UserError: a file cannot be read or written, in the block or while the folders change places.
    """
    fresh = _beside(path, "new")
    try:
        _remove_folder(fresh)
        with leaving_nothing(fresh):
            fresh.mkdir(parents=True)
            try:
                yield fresh
            except BaseException:
                _remove_folder(fresh)
                raise
        replace_folder(fresh, path)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        problem = f"cannot be written ({cause_of(error)}{place})"
        raise UserError(path, problem, "choose another place, or free some space") from None


def replace_folder(fresh: Path, path: Path) -> None:
    """Move the folder `fresh` to `path`, on the same file system; an earlier folder there is deleted last.

    Killed at any moment, either the earlier folder or `fresh` is whole: at `path`, or as `.<name>.old` beside it in the
    instant between the two renames, from where the next replacement takes it back first.
    """
    old = _beside(path, "old")
    if old.exists() and not path.exists():
        old.rename(path)
    _remove_folder(old)
    if not path.exists():
        fresh.rename(path)
        return
    path.rename(old)
    try:
        fresh.rename(path)
    except OSError:
        old.rename(path)
        raise
    _remove_folder(old)


def _beside(path: Path, ending: str) -> Path:
    """A hidden name in the folder of `path`."""
    whole = path.absolute()
    return whole.with_name(f".{whole.name}.{ending}")


def _remove_folder(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file in one step, see `replacing`."""
    with replacing(path) as file:
        file.write(to_json(value, indent=2) + b"\n")


def headed_yaml(documents: Sequence[Mapping[str, Any]], comments: Sequence[str]) -> str:
    """YAML documents under a head of comments, each in one line whatever is in it."""
    head = "".join(f"# {in_one_line(line)}\n" for line in comments)
    return head + yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=1000)
