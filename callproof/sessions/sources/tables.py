"""Rows of tables as records: CSV and TSV, whose first line names the columns, and Parquet."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from callproof.console import say_once
from callproof.errors import UserError

from ..reading.loose import as_json
from ..reading.repeated import Checked

_ROWS, _BUFFER = 64, 2**20
"""Rows of Parquet that are held at a time, and bytes of each column: else a whole group of rows is."""

_FREE = ("arguments", "args", "kwargs", "parameters", "input", "input_schema", "inputSchema")
"""Fields whose keys differ from row to row."""


def csv_rows(file: Any, path: str, delimiter: str) -> Iterator[tuple[int, Any]]:
    """(line, record) of each row; empty cells are left out, and of a row of another length the error is given.

    Args:
        file: open, binary.
        path: for errors.
        delimiter: between cells.

    Raises:
        UserError: no UTF-8, or no table.
    """
    csv.field_size_limit(2**30)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, delimiter=delimiter)
    line = 1
    try:
        names = next(rows, [])
        if len(set(names)) < len(names):
            raise UserError(f"{path}:1", "a column has its name twice", "rename it")
        line = rows.line_num + 1
        for row in rows:
            if row:
                yield line, _row(names, row, f"{path}:{line}")
            line = rows.line_num + 1
    except UnicodeDecodeError:
        raise UserError(f"{path}:{line}", "is not UTF-8", "save the file as UTF-8") from None
    except csv.Error as error:
        raise UserError(f"{path}:{line}", f"is no table ({error})", "save it as CSV") from None


def _row(names: list[str], row: list[str], where: str) -> dict[str, str] | UserError:
    if len(row) != len(names):
        return UserError(where, f"expected {len(names)} cells, got {len(row)}", "quote cells that hold the delimiter")
    return {name: cell for name, cell in zip(names, row, strict=True) if cell}


class Batch(NamedTuple):
    """Rows of a Parquet file as Arrow holds them; `first` is the number of the first, from 1."""

    first: int
    rows: Any
    unfilled: "Unfilled"

    @property
    def is_blank(self) -> bool:
        return not len(self.rows)

    def values(self, path: str) -> tuple[list[tuple[int, Any]], Counter[str]]:
        """(row, record) of each row."""
        with _as_parquet(path):
            rows = [self.unfilled.row(row) for row in self.rows.to_pylist()]
        records = ({key: as_json(value) for key, value in row.items()} for row in rows)
        return list(enumerate(map(_checked, records), self.first)), Counter()


def _checked(record: dict[str, Any]) -> Any:
    """A record, known to be plain where it holds texts of Arrow, which are UTF-8, and numbers alone."""
    return record if any(isinstance(value, list | dict) for value in record.values()) else Checked(record)


def parquet_rows(file: Any, path: str) -> Iterator[Batch]:
    """The rows of a Parquet file, some at a time.

    Raises:
        UserError: pyarrow is not installed, or no Parquet.
    """
    try:
        from pyarrow import parquet
    except ImportError:
        problem = "is Parquet, which pyarrow reads, and that is not installed"
        raise UserError(path, problem, "pip install pyarrow") from None
    with _as_parquet(path):
        table = parquet.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
        unfilled = Unfilled(table.schema_arrow, path)
        number = 1
        for batch in table.iter_batches(batch_size=_ROWS, use_threads=False):
            yield Batch(number, batch, unfilled)
            number += len(batch)


@contextmanager
def _as_parquet(path: str) -> Iterator[None]:
    """Context manager: what pyarrow raises is one line."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(path, f"cannot be read as Parquet ({reason})", "write it again") from None


class Unfilled:
    """Takes the nulls out of rows that Arrow filled in: it gives all structs of a column the same keys.

    In schemas and arguments, whose keys differ from row to row, null and absent cannot be told apart any more: null is
    taken for absent there, and the columns are named once.

    Args:
        schema: of pyarrow.
        source: for what is said.
    """

    def __init__(self, schema: Any, source: str) -> None:
        self._paths = [path for field in schema for path in _free_structs(field, (field.name,))]
        if self._paths:
            names = ", ".join(".".join(path) for path in self._paths)
            say_once(f"{source}: null is taken for absent in {names}: structs of Arrow cannot tell them apart")

    def row(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row without them."""
        for path in self._paths:
            row = _emptied(row, path)
        return row


def _free_structs(field: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of the structs whose keys differ from row to row."""
    from pyarrow import types

    kind = field.type
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if not types.is_struct(kind):
        return
    if path[-1] in _FREE:
        yield path
        return
    for inner in kind:
        yield from _free_structs(inner, (*path, inner.name))


def _emptied(value: Any, path: tuple[str, ...]) -> Any:
    """A value with no null in the objects under a path, at any depth."""
    if isinstance(value, list):
        return [_emptied(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    if path:
        return {**value, path[0]: _emptied(value.get(path[0]), path[1:])}
    return {key: _emptied(item, ()) for key, item in value.items() if item is not None}
