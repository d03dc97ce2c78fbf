"""Names and places of millions of sessions in little memory: names as hashes of 128 bits, texts in a temporary file."""

import hashlib
import re
import tempfile
from array import array
from functools import lru_cache
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HELD = 2**18
"""Bytes of texts that stay in memory."""

_HALVES = Struct(">QQ")
_NUMBERED = re.compile(r"(.*?)(\d{1,18})(\D*)", re.DOTALL)


class Names:
    """Names that have occurred, each with the number of its first occurrence: 30 to 60 bytes of memory a name."""

    def __init__(self) -> None:
        self._slots = array("L", bytes(8 * 64))
        self._hashes = array("Q")

    def __len__(self) -> int:
        """How many different names there are."""
        return len(self._hashes) // 2

    def add(self, name: str) -> int | None:
        """The number of a name that has occurred, from 0; None of a new one, which gets the next number."""
        low, high = _hashed(name)
        slot = self._slot(low, high)
        if self._slots[slot]:
            return self._slots[slot] - 1
        self._hashes.extend((low, high))
        self._slots[slot] = len(self)
        if 2 * len(self) > len(self._slots):
            self._grow()
        return None

    def _slot(self, low: int, high: int) -> int:
        """Where a hash stands, or would stand."""
        last = len(self._slots) - 1
        slot = low & last
        while number := self._slots[slot]:
            if self._hashes[2 * number - 2] == low and self._hashes[2 * number - 1] == high:
                break
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        self._slots = array("L", bytes(16 * len(self._slots)))
        for number in range(len(self)):
            self._slots[self._slot(*self._hashes[2 * number : 2 * number + 2])] = number + 1


@lru_cache(maxsize=8)
def _hashed(name: str) -> tuple[int, int]:
    """128 bits of a name, in halves; a session's is often asked for more than once in a row."""
    low, high = _HALVES.unpack(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    return low, high


class Places:
    """Places such as `path:line`, by their numbers from 0: 16 bytes each, and the paths."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, str], int] = {}
        self._own, self._numbers = array("L"), array("Q")

    def add(self, place: str) -> None:
        match = _NUMBERED.fullmatch(place)
        plain = match and match[2] == str(int(match[2]))
        frame, number = ((match[1], match[3]), int(match[2])) if match and plain else ((place, "\0"), 0)
        self._own.append(self._frames.setdefault(frame, len(self._frames)))
        self._numbers.append(number)

    def __getitem__(self, number: int) -> str:
        before, after = list(self._frames)[self._own[number]]
        return before if after == "\0" else f"{before}{self._numbers[number]}{after}"


class Pieces:
    """Pieces of bytes by their numbers from 0, in a temporary file where they are many: 8 bytes of memory each.

    Args:
        held: how many bytes of them stay in memory.
    """

    def __init__(self, held: int) -> None:
        self._held, self._tail, self._in_file = held, bytearray(), 0
        self._file: Any = None
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, piece: bytes) -> None:
        self._tail += piece
        self._ends.append(self._ends[-1] + len(piece))
        if len(self._tail) > self._held:
            self._spill()

    def _spill(self) -> None:
        """Put what is in memory into the file; it has no buffer, which reads that go to and fro would only fill."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with this object)
        self._file.seek(self._in_file)
        rest = memoryview(bytes(self._tail))
        while rest:
            rest = rest[self._file.write(rest) :]
        self._in_file = self._ends[-1]
        self._tail.clear()

    def sizes(self) -> NDArray[np.int64]:
        """How many bytes each of them has."""
        return np.diff(np.array(self._ends, dtype=np.int64))

    def read(self, first: int, last: int) -> bytes:
        """Those from one to another, both included, as one."""
        begin, end = self._ends[first], self._ends[last + 1]
        if begin >= self._in_file:
            return bytes(self._tail[begin - self._in_file : end - self._in_file])
        if end > self._in_file:
            self._spill()
        self._file.seek(begin)
        return self._file.read(end - begin)


class Texts:
    """Texts by their numbers from 0: 8 bytes of memory each."""

    def __init__(self) -> None:
        self._pieces = Pieces(_HELD)

    def __len__(self) -> int:
        return len(self._pieces)

    def append(self, text: str) -> None:
        self._pieces.append(text.encode("utf-8", "surrogatepass"))

    def __getitem__(self, number: int) -> str:
        return self._pieces.read(number, number).decode("utf-8", "surrogatepass")
