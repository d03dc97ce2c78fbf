"""Lines of a source in a temporary file, so that what they are is read once, however large the source is.

Catalogs stay in memory as long as there are few of them: the lines of a source mostly share theirs.
"""

import json
import pickle
import tempfile
from collections.abc import Iterator
from typing import Any

from callproof.catalog import Catalog

from ..sessions import Session
from .lines import Packed

_CATALOGS = 1024
_TOGETHER = 1024
"""Lines that are written at a time, where others hold their sessions."""
_BUFFER = 2**18


class Spool:
    """A context manager that takes lines, each with the session that it holds or None, and then gives them back."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="callproof-", buffering=_BUFFER)  # noqa: SIM115 (closed by __exit__)
        self._held: list[tuple[Any, int | str | None, Any]] = []
        self._data: bytes | None = None
        """What the sessions of the held lines are packed in."""
        self._catalogs: list[Catalog] = []
        self._numbers: dict[int, int] = {}

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, line: Any, session: Any) -> None:
        """Take one more; `line` holds plain values, and `session` may be a digest."""
        catalog, data = None, session.data if isinstance(session, Packed) else None
        if self._data is not None and data is not None and data is not self._data:
            self._write()
        if isinstance(session, Session) and session.tools is not None:
            catalog = self._kept(session.tools)
            session = session.model_copy(update={"tools": None})
        self._held.append((line, catalog, session))
        self._data = data or self._data
        if (session is not None and data is None) or len(self._held) == _TOGETHER:
            self._write()

    def _write(self) -> None:
        """Write the held lines as one, so that what they share is written once."""
        pickle.dump(self._held, self._file, pickle.HIGHEST_PROTOCOL)
        self._held, self._data = [], None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        self._write()
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            for line, catalog, session in pickle.load(self._file):
                if catalog is not None:
                    session = session.model_copy(update={"tools": self._read(catalog)})
                yield line, session

    def _kept(self, catalog: Catalog) -> int | str:
        """The number of a catalog that stays in memory, or the JSON text of one."""
        number = self._numbers.get(id(catalog))
        if number is None and len(self._catalogs) < _CATALOGS:
            number = self._numbers[id(catalog)] = len(self._catalogs)
            self._catalogs.append(catalog)
        return number if number is not None else json.dumps([tool.wire() for tool in catalog.tools])

    def _read(self, catalog: int | str) -> Catalog:
        return self._catalogs[catalog] if isinstance(catalog, int) else Catalog.from_wire(json.loads(catalog))
