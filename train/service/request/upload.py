"""The body of POST /train, streamed: the part `config` into memory, the part `file` to disk, both under a limit."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_CONFIG = 2**20
_DRAIN = 64 * 2**20
"""Bytes of a refused body that are still read."""
_CONFIG_TYPES = ("application/json", "text/plain", "")
_ENDINGS = (".jsonl", ".json")


class BadUpload(Exception):
    """A body that is not as the service expects it; the text says what came."""


class TooLarge(Exception):
    """More bytes than the limit."""


@dataclass
class _Part:
    """A part that is being read: its headers, and where its bytes go."""

    headers: dict[str, str]
    name: str = ""
    size: int = 0


class Upload:
    """What one request brings; read it with `read`.

    Args:
        file: where the part `file` goes.
        limit: of that part, in bytes.
    """

    def __init__(self, file: Path, limit: int) -> None:
        self.config = bytearray()
        self.file_name = ""
        self._path, self._limit = file, limit
        self._parts: list[str] = []
        self._part = _Part({})
        self._header = [bytearray(), bytearray()]
        self._ended = False
        self._out: IO[bytes] | None = None

    async def read(self, headers: Mapping[str, str], body: AsyncIterator[bytes]) -> None:
        """Read a whole body.

        Raises:
            BadUpload: it is no form with one part `config` and one part `file`.
            TooLarge: a part is over its limit.
            OSError: the file cannot be stored.
        """
        parser = MultipartParser(_boundary(headers.get("content-type", "")), self._callbacks())
        try:
            with self._path.open("wb") as self._out:
                async for chunk in body:
                    parser.write(chunk)
            parser.finalize()
        except (FormParserError, UnicodeError) as error:
            raise BadUpload(f"malformed multipart/form-data ({error})") from None
        if not self._ended:
            raise BadUpload("the form is not complete: its last boundary is missing")
        if missing := [name for name in ("config", "file") if name not in self._parts]:
            raise BadUpload(f"expected the parts config and file, got no {' and no '.join(missing)}")

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._add(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._part = _Part({})

    def _end(self) -> None:
        self._ended = True

    def _end_header(self) -> None:
        name, value = (text.decode("latin-1") for text in self._header)
        self._part.headers[name.lower()] = value
        self._header = [bytearray(), bytearray()]

    def _end_headers(self) -> None:
        headers = self._part.headers
        _, options = parse_options_header(headers.get("content-disposition", ""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in ("config", "file"):
            raise BadUpload(f"expected the parts config and file, got {_quoted(name)}")
        if name in self._parts:
            raise BadUpload(f"the part {name} is given twice")
        self._part.name = name
        self._parts.append(name)
        if name == "config":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in _CONFIG_TYPES:
                raise BadUpload(f"config: expected application/json, got {_quoted(kind)}")
        else:
            self.file_name = _file_name(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _add(self, data: bytes) -> None:
        self._part.size += len(data)
        if self._part.size > (self._limit if self._part.name == "file" else MAX_CONFIG):
            raise TooLarge
        if self._part.name == "config":
            self.config += data
        elif self._out:
            self._out.write(data)


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadUpload(f"expected multipart/form-data with the parts config and file, got {_quoted(content_type)}")
    return options[b"boundary"]


def _file_name(name: str) -> str:
    """The last part of the client's file name, for error messages only: what is stored has a name of ours."""
    name = re.split(r"[/\\]", name)[-1]
    if not name.lower().endswith(_ENDINGS) or not name.isprintable():
        raise BadUpload(f"file: expected an uploaded file *{' or *'.join(_ENDINGS)}, got {_quoted(name)}")
    return name[-100:]


def _quoted(text: str) -> str:
    return json.dumps(text[:100])


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read on and throw away, up to a limit: a client that is still sending would not see the answer."""
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > _DRAIN:
            return
