"""Sessions as hashes of their runs of words, to be compared: many of them in little memory."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, starmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..many import Pieces
from .outline import BANDS, ROWS, Outline, Shingles

_BYTES = 4
"""Of a shingle."""

_HELD = 2**18
"""Bytes of shingles that stay in memory; beyond them all are in a temporary file."""

_CHUNK = 2_000
"""Sessions whose signatures are held at a time."""

_BANDS_AT_ONCE = 5
_WEIGHTS = np.random.default_rng(1997).integers(1, 2**63, ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


class Alike(NamedTuple):
    """Session `number` and an `other` like it, by their numbers, with their similarity (0 to 1)."""

    number: int
    other: int
    similarity: float


class Likest:
    """For each session of a corpus, by its number, the likest of others that is known.

    Attributes:
        similarities: shape (sessions,), 0 where none is known.
    """

    def __init__(self, count: int) -> None:
        self.similarities, self._others = np.zeros(count), np.zeros(count, dtype=np.int64)

    def keep(self, number: int, other: int, similarity: float) -> None:
        """Keep the other one if it is likelier than what is known."""
        if similarity > self.similarities[number]:
            self.similarities[number], self._others[number] = similarity, other

    def found(self) -> list[Alike]:
        """All that are known, by number."""
        numbers = np.flatnonzero(self.similarities)
        columns = (numbers, self._others[numbers], self.similarities[numbers])
        return list(starmap(Alike, zip(*(column.tolist() for column in columns), strict=True)))


class _Shelf:
    """Outlines of many sessions by their numbers from 0, in memory while they are few."""

    def __init__(self) -> None:
        self._signatures, self._shingles = Pieces(_HELD), Pieces(_HELD)

    def put(self, outline: Outline) -> int:
        """Take that of one session; returns its number."""
        self._signatures.append(outline.signature)
        self._shingles.append(outline.shingles)
        return len(self._shingles) - 1

    def counts(self) -> NDArray[np.int64]:
        """How many shingles each session has."""
        return self._shingles.sizes() // _BYTES

    def signatures(self, numbers: Sequence[int]) -> NDArray[np.uint32]:
        """Those of some sessions, shape (sessions, BANDS * ROWS)."""
        rows = b"".join(self._signatures.read(*run) for run in _consecutive(numbers))
        return np.frombuffer(rows, dtype=np.uint32).reshape(-1, BANDS * ROWS)

    def shingles(self, numbers: Sequence[int]) -> Shingles:
        """Those of some sessions, one after another."""
        return np.frombuffer(b"".join(self._shingles.read(*run) for run in _consecutive(numbers)), dtype=np.uint32)


def _consecutive(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of numbers that follow each other."""
    borders = np.flatnonzero(np.diff(numbers) != 1).tolist()
    for before, last in pairwise((-1, *borders, len(numbers) - 1)):
        yield numbers[before + 1], numbers[last]


class Corpus:
    """Sessions by their outlines: 24 bytes of memory for each, and 44 more while alike ones are looked for."""

    def __init__(self, sessions: Iterable[Iterable[Mapping[str, Any]]] = ()) -> None:
        self._shelf = _Shelf()
        self._places = array("Q")
        for messages in sessions:
            self.add(messages)

    def add(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Take one more session."""
        self.take(Outline.of(messages))

    def take(self, outline: Outline) -> None:
        """Take one more session by its outline."""
        self._places.append(self._shelf.put(outline))

    def __len__(self) -> int:
        return len(self._places)

    def shingles(self, number: int) -> Shingles:
        """Those of a session."""
        return self._shelf.shingles(self._places[number : number + 1])

    def counts(self) -> NDArray[np.int64]:
        """How many shingles each session has."""
        return self._shelf.counts()[np.array(self._places, dtype=np.int64)]

    def part(self, numbers: list[int]) -> "Corpus":
        """Some of the sessions, in this order."""
        part = Corpus()
        part._shelf = self._shelf
        part._places = array("Q", (self._places[number] for number in numbers))
        return part

    def runs_of(self, numbers: NDArray[np.int64], most: int) -> Iterator[tuple[Shingles, NDArray[np.int64]]]:
        """The runs of words of some sessions and whose they are, about `most` at a time."""
        places, counts = np.array(self._places, dtype=np.int64)[numbers], self.counts()[numbers]
        borders = np.flatnonzero(np.diff(np.cumsum(counts) // most)) + 1
        for some in np.split(np.arange(len(numbers)), borders) if len(numbers) else ():
            yield self._shelf.shingles(places[some].tolist()), np.repeat(numbers[some], counts[some])

    def bands(self) -> Iterable[NDArray[np.uint64]]:
        """For each band an array of shape (sessions,); two sessions have equal numbers where their bands are equal."""
        for first in range(0, BANDS, _BANDS_AT_ONCE):
            bands = np.empty((_BANDS_AT_ONCE, len(self._places)), dtype=np.uint64)
            for start in range(0, len(self._places), _CHUNK):
                rows = self._shelf.signatures(self._places[start : start + _CHUNK]).astype(np.uint64)
                for band in range(_BANDS_AT_ONCE):
                    columns = rows[:, (first + band) * ROWS : (first + band + 1) * ROWS]
                    bands[band, start : start + len(rows)] = (columns * _WEIGHTS).sum(axis=1, dtype=np.uint64)
            yield from bands

    def agreement(self, numbers: NDArray[np.intp], other: "Corpus", others: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Where the signatures of pairs are equal, shape (pairs, BANDS * ROWS); its mean estimates their similarity."""
        mine, theirs = (each._signatures_of(some) for each, some in ((self, numbers), (other, others)))
        return mine == theirs

    def _signatures_of(self, numbers: NDArray[np.intp]) -> NDArray[np.uint32]:
        distinct, places = np.unique(numbers, return_inverse=True)
        return self._shelf.signatures([self._places[number] for number in distinct])[places]
