"""Frozen records, and the files they live in: one JSON object a line, appended as results land."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from callproof.errors import UserError


class Record(BaseModel):
    """Base of everything that is written to disk or read from it: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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
        raise UserError(path, f"cannot be read ({error.strerror})", "check the path") from None
    except UnicodeDecodeError as error:
        raise UserError(path, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from None


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line with its end) of a file, streamed.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(path, f"cannot be read ({error.strerror})", "check the path") from None
    with file:
        yield from enumerate(file, start=1)


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of each line that is not blank, streamed.

    Raises:
        UserError: the file cannot be read, or a line is not one JSON object in UTF-8 (`path:line`).
    """
    for number, line in read_lines(path):
        if line.strip():
            yield number, _object(line, f"{path}:{number}")


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(where, f"is not UTF-8 (byte {error.start})", "save the file as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
        raise UserError(where, f"malformed JSON ({problem})", "write one JSON object a line") from None
    if not isinstance(value, dict):
        raise UserError(where, f"expected a JSON object, got {type(value).__name__}", "write one object a line")
    return value


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` when the block ends well.

    A reader sees the old file or the new one, never a part; a block that raises leaves the old one alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file in one step, see `replacing`."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as file:
        file.write(text.encode())
