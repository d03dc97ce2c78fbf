"""How alike two sessions are: Jaccard similarity of their sets of word 5-grams (Broder 1997, "resemblance").

`nearest` finds alike sessions among 100,000 without comparing all pairs: MinHash signatures (Broder 1997) of one
permutation (Li, Owen, Zhang 2012, "One Permutation Hashing"), cut into bands so that sessions of similarity ALIKE share
one almost surely (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4); whatever shares a band is then
compared exactly. ALIKE is the threshold at which Lee et al. (2022, "Deduplicating Training Data Makes Language Models
Better") call documents near-duplicates.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .many import Pieces
from .outline import BANDS, ROWS, Outline, Shingles

ALIKE = 0.8
CONTAINED = 0.9
"""Share of a session's runs of words from which on another one contains it."""

SUBSTANTIAL = 24
"""Runs of words that a session must have to be said to be contained."""

MOST_BESIDE = 32
"""How many of the sessions that share a band with a session are compared with it at most."""

_ESTIMATE = ALIKE - 0.15
"""Pairs whose estimate is lower are not compared exactly; it is over four standard deviations below ALIKE."""

_BYTES = 4
"""Of a shingle."""

_HELD = 2**22
"""Bytes of shingles that stay in memory; beyond them all are in a temporary file."""

_RUNS = 2**21
"""Runs of words that are held in memory to be found in other sessions."""

_RUNS_AT_ONCE = 2**16
"""Runs of words that are looked for at a time."""

_HIGH_BITS, _LOW_BITS = 23, 25
_CHUNK = 2_000
"""Sessions whose signatures are held at a time."""

_BANDS_AT_ONCE = 5
_BITS = np.uint32(1) << np.arange(BANDS, dtype=np.uint32)
_WEIGHTS = np.random.default_rng(1997).integers(1, 2**63, ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


class Alike(NamedTuple):
    """Session `number` and an `other` like it, by their numbers, with their similarity (ALIKE to 1)."""

    number: int
    other: int
    similarity: float


def jaccard(one: Shingles, other: Shingles) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


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

    def _counts(self) -> NDArray[np.int64]:
        """How many shingles each session has."""
        return self._shelf.counts()[np.array(self._places, dtype=np.int64)]

    def part(self, numbers: list[int]) -> "Corpus":
        """Some of the sessions, in this order."""
        part = Corpus()
        part._shelf = self._shelf
        part._places = array("Q", (self._places[number] for number in numbers))
        return part

    def duplicates(self) -> list[Alike]:
        """Every session that is like an earlier one, with the likest of those found."""
        return _nearest(self, self)

    def leaks_into(self, other: "Corpus") -> list[Alike]:
        """Every session that is like one of another corpus, with the likest of those found; else one that holds it."""
        alike = {pair.number: pair for pair in (*self.contained_in(other), *self.like(other))}
        return [alike[number] for number in sorted(alike)]

    def like(self, other: "Corpus") -> list[Alike]:
        """Every session that is like one of another corpus, with the likest of those found."""
        return _nearest(self, other)

    def contained_in(self, other: "Corpus") -> list[Alike]:
        """Every session of which a longer one of another corpus holds nearly all runs of words, with their share.

        Sessions of fewer than SUBSTANTIAL runs say too little to tell a copy from common phrases.
        """
        best: dict[int, Alike] = {}
        counts = self._counts()
        for runs, owners in self._blocks(counts):
            known = _Known(runs)
            for hashes, numbers in other._runs_of(np.arange(len(other)), other._counts(), _RUNS_AT_ONCE):
                perhaps = known.perhaps(hashes)
                for mine, number, share in _held(hashes[perhaps], numbers[perhaps], runs, owners, counts):
                    if share > (best[mine].similarity if mine in best else 0):
                        best[mine] = Alike(mine, number, share)
        return [best[number] for number in sorted(best)]

    def _blocks(self, counts: NDArray[np.int64]) -> Iterator[tuple[Shingles, NDArray[np.int64]]]:
        """The runs of words of the sessions that have enough of them, sorted, and whose they are, some at a time."""
        for runs, owners in self._runs_of(np.flatnonzero(counts >= SUBSTANTIAL), counts, _RUNS):
            order = np.argsort(runs, kind="stable")
            yield runs[order], owners[order]

    def _runs_of(
        self, numbers: NDArray[np.int64], counts: NDArray[np.int64], most: int
    ) -> Iterator[tuple[Shingles, NDArray[np.int64]]]:
        """The runs of words of some sessions and whose they are, about `most` at a time."""
        places, counts = np.array(self._places, dtype=np.int64)[numbers], counts[numbers]
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


class _Known:
    """Tells which of many hashes may be among some: where both their high and their low bits are."""

    def __init__(self, hashes: Shingles) -> None:
        self._high, self._low = np.zeros(2**_HIGH_BITS, dtype=bool), np.zeros(2**_LOW_BITS, dtype=bool)
        self._high[_high(hashes)] = True
        self._low[_low(hashes)] = True

    def perhaps(self, hashes: Shingles) -> NDArray[np.intp]:
        """The places of those that may be."""
        places = np.flatnonzero(self._high[_high(hashes)])
        return places[self._low[_low(hashes[places])]]


def _high(hashes: Shingles) -> Shingles:
    return hashes >> np.uint32(32 - _HIGH_BITS)


def _low(hashes: Shingles) -> Shingles:
    return hashes & np.uint32(2**_LOW_BITS - 1)


def _held(
    hashes: Shingles, numbers: NDArray[np.int64], runs: Shingles, owners: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[tuple[int, int, float]]:
    """(owner, number, share of the owner's runs that it holds) where it holds enough, by number.

    Args:
        hashes, numbers: runs of words, and whose they are.
        runs, owners: sorted, and whose they are of so many that have `counts`.
    """
    span = len(counts)
    first = np.searchsorted(runs, hashes, "left")
    there = np.flatnonzero(runs[np.minimum(first, len(runs) - 1)] == hashes)
    hashes, numbers, first = hashes[there], numbers[there], first[there]
    times = np.searchsorted(runs, hashes, "right") - first
    for some in _portions(times, numbers):
        repeated = times[some]
        begins = np.repeat(first[some] - np.cumsum(repeated) + repeated, repeated)
        pairs = np.repeat(numbers[some], repeated) * span + owners[begins + np.arange(len(begins))]
        found, shared = np.unique(pairs, return_counts=True)
        shares = shared / counts[found % span]
        enough = shares >= CONTAINED
        for pair, share in zip(found[enough].tolist(), shares[enough].tolist(), strict=True):
            yield pair % span, pair // span, share


def _portions(times: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of whole sessions: all, where what is found in them is not too much to be held at a time."""
    if times.sum() <= _RUNS:
        yield slice(None)
        return
    borders = np.flatnonzero(np.diff(numbers)) + 1
    yield from map(slice, (0, *borders), (*borders, len(numbers)))


def _nearest(queries: Corpus, base: Corpus) -> list[Alike]:
    """Every session that is like one of another corpus, of its own like an earlier one, with the likest found."""
    best: dict[int, Alike] = {}
    tried, earlier = np.zeros(len(base), dtype=np.uint32), queries is base
    bands = ((band, band) for band in base.bands()) if earlier else zip(queries.bands(), base.bands(), strict=True)
    for band, (mine, theirs) in enumerate(bands):
        order = np.argsort(theirs, kind="stable")
        run = theirs[order]
        begins, ends = _spans(run)
        if earlier:
            first, last = np.empty_like(order), np.empty_like(order)
            first[order], last[order] = begins, ends
        else:
            first, last = np.searchsorted(run, mine, "left"), np.searchsorted(run, mine, "right")
        for beside in range(MOST_BESIDE):
            numbers = np.flatnonzero(first + beside < last)
            others = order[first[numbers] + beside]
            if earlier:
                numbers, others = numbers[others < numbers], others[others < numbers]
            if not len(numbers):
                break
            _compare(queries, base, numbers, others, tried, best)
        tried[order[np.arange(len(run)) - begins < MOST_BESIDE]] |= _BITS[band]
    return [best[number] for number in sorted(best)]


def _spans(run: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where, in a sorted array, those that are equal to each begin and end."""
    starts = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    counts = np.diff(np.append(starts, len(run)))
    return np.repeat(starts, counts), np.repeat(starts + counts, counts)


def _compare(
    queries: Corpus,
    base: Corpus,
    numbers: NDArray[np.intp],
    others: NDArray[np.intp],
    tried: NDArray[np.uint32],
    best: dict[int, Alike],
) -> None:
    """Compare pairs exactly where their estimate promises more than what is known, and keep what is alike.

    Args:
        tried: for each session of the base a bit a band: it was compared with whatever shares that band.
    """
    for start in range(0, len(numbers), _CHUNK):
        chunk, chunk_others = numbers[start : start + _CHUNK], others[start : start + _CHUNK]
        equal = queries.agreement(chunk, base, chunk_others)
        shared = equal.reshape(-1, BANDS, ROWS).all(axis=2) @ _BITS
        estimates = np.where(shared & tried[chunk_others], 0, equal.mean(axis=1))
        for at in np.flatnonzero(estimates >= _ESTIMATE):
            number, other = int(chunk[at]), int(chunk_others[at])
            known = best[number].similarity if number in best else 0.0
            if known == 1 or known - 0.15 > estimates[at]:
                continue
            similarity = jaccard(queries.shingles(number), base.shingles(other))
            if similarity >= ALIKE and similarity > known:
                best[number] = Alike(number, other, similarity)
