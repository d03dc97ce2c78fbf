"""Rows of tables as records: CSV and TSV, whose first line names the columns, and Parquet."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from callproof.errors import UserError

from ..reading.loose import as_json

_ROWS = 64
"""Rows of Parquet that are held at a time."""

_FREE = ("arguments", "parameters", "input_schema", "inputSchema")
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


def parquet_rows(file: Any, path: str) -> Iterator[tuple[int, Any]]:
    """(row from 1, record) of each row of a Parquet file.

    Raises:
        UserError: pyarrow is not installed, no Parquet, or columns of structs in which absent and null are the same.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        problem = "is Parquet, which pyarrow reads, and that is not installed"
        raise UserError(path, problem, "pip install pyarrow") from None
    try:
        table = parquet.ParquetFile(file)
        refuse_structs(table.schema_arrow, path)
        number = 0
        for batch in table.iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield number, {key: as_json(value) for key, value in row.items()}
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(path, f"cannot be read as Parquet ({reason})", "write it again") from None


def refuse_structs(schema: Any, source: str) -> None:
    """Refuse columns of structs where the keys differ from row to row: Arrow gives all rows the same, filled with null.

    Args:
        schema: of pyarrow.
        source: for errors.

    Raises:
        UserError: such a column.
    """
    for field in schema:
        _refuse(field, source, field.name)


def _refuse(field: Any, source: str, path: str) -> None:
    from pyarrow import types

    kind = field.type
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if not types.is_struct(kind):
        return
    if path.rsplit(".", 1)[-1] in _FREE:
        problem = f"column {path} holds structs, in which Arrow makes absent and null the same"
        raise UserError(source, problem, "store it as JSON text, or with the feature type Json")
    for inner in kind:
        _refuse(inner, source, f"{path}.{inner.name}")
