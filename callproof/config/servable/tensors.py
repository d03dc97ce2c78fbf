"""Tensors of a safetensors file, read without torch: names and shapes from its header, values in pieces."""

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from callproof.errors import UserError

MAX_HEADER = 100 * 2**20
PIECE = 2**24
FLOATS = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


class Tensor(NamedTuple):
    """A tensor's place in its file: `start` and `end` are bytes from the file's beginning."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(file: Path) -> dict[str, Tensor]:
    """Name -> tensor of a safetensors file (8 bytes of length, JSON, data), which is checked to be whole.

    Raises:
        UserError: the file is none, or is cut.
    """
    size, tensors, end = file.stat().st_size, dict[str, Tensor](), -1
    with file.open("rb") as stream, contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length) if length <= min(size, MAX_HEADER) else b"")
        header.pop("__metadata__", None)
        tensors = {name: _tensor(entry, 8 + length) for name, entry in header.items()}
        end = max(tensor.end for tensor in tensors.values())
    if end != size:
        raise UserError(file, "is no whole safetensors file", "train again, or copy it again")
    return tensors


def _tensor(entry: dict[str, Any], data: int) -> Tensor:
    start, end = entry["data_offsets"]
    return Tensor(entry["dtype"], tuple(entry["shape"]), data + start, data + end)


class Values(NamedTuple):
    """What the values of a tensor are: `finite` without NaN and infinity; `largest`, without its sign."""

    finite: bool
    largest: float


def values_of(file: Path, tensor: Tensor) -> Values:
    """Look at every value of a tensor whose type is one of `FLOATS`."""
    kind = FLOATS[tensor.dtype]
    finite, largest = True, 0.0
    with file.open("rb") as stream:
        stream.seek(tensor.start)
        for at in range(tensor.start, tensor.end, PIECE):
            piece = np.frombuffer(stream.read(min(PIECE, tensor.end - at)), kind)
            values = _widened(piece) if tensor.dtype == "BF16" else piece
            finite &= bool(np.isfinite(values).all())
            largest = max(largest, float(np.abs(values).max(initial=0)))
    return Values(finite, largest)


def _widened(piece: Any) -> Any:
    """bfloat16 values, given as 16 bit integers, as float32: the upper half of its bits."""
    return (piece.astype("<u4") << 16).view("<f4")
