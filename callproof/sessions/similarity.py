"""How alike two sessions are: Jaccard similarity of their sets of word 5-grams (Broder 1997, "resemblance").

`nearest` finds alike sessions among 100,000 without comparing all pairs: MinHash signatures (Broder 1997) of one
permutation (Li, Owen, Zhang 2012, "One Permutation Hashing"), cut into bands so that sessions of similarity ALIKE share
one almost surely (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4); whatever shares a band is then
compared exactly. ALIKE is the threshold at which Lee et al. (2022,
"Deduplicating Training Data Makes Language Models Better") call documents near-duplicates.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from .many import Pieces

SHINGLE = 5
ALIKE = 0.8
CONTAINED = 0.9
"""Share of a session's runs of words from which on another one contains it."""

SUBSTANTIAL = 24
"""Runs of words that a session must have to be said to be contained."""

BANDS, ROWS = 25, 6
"""A pair of similarity 0.8 shares a band with probability 0.9995, of 0.9 with 0.99999999, of 0.5 with 0.33."""

MOST_BESIDE = 32
"""How many of the sessions that share a band with a session are compared with it at most."""

Shingles = NDArray[np.uint32]
_Words = NDArray[np.uint64]

_ESTIMATE = ALIKE - 0.15
"""Pairs whose estimate is lower are not compared exactly; it is over four standard deviations below ALIKE."""

_BYTES = 4
"""Of a shingle."""

_HELD = 2**22
"""Bytes of shingles that stay in memory; beyond them all are in a temporary file."""

_RUNS = 2**20
"""Runs of words that are held in memory to be found in other sessions; of those, a sixteenth at a time."""

_KNOWN_BITS = 25
_CHUNK = 2_000
"""Sessions whose signatures are held at a time."""

_BANDS_AT_ONCE = 5
_BITS = np.uint32(1) << np.arange(BANDS, dtype=np.uint32)

_RNG = np.random.default_rng(1997)
_BINS = ((np.arange(BANDS * ROWS, dtype=np.uint64) << np.uint64(32)) // np.uint64(BANDS * ROWS)).astype(np.uint32)
"""Where each part begins of as many equal ones of the range of hashes."""
_MULTIPLIERS = _RNG.integers(1, 2**31, (BANDS * ROWS, 1), dtype=np.uint32) * np.uint32(2) + np.uint32(1)
_BANDS = _RNG.integers(1, 2**63, ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_PLACES = _RNG.integers(1, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_BASE = 0xD1342543DE82EF95
_GAP = b"\0"
_SPACED = bytes(code if re.match(r"\w", chr(code)) else _GAP[0] for code in range(256))


class Alike(NamedTuple):
    """Session `number` and an `other` like it, by their numbers, with their similarity (ALIKE to 1)."""

    number: int
    other: int
    similarity: float


def shingles(messages: Iterable[Mapping[str, Any]]) -> Shingles:
    """All runs of five words of a session as sorted hashes: contents, calls and tool results, nothing masked.

    Of two sessions of a thousand runs each, two different runs have one hash with a probability of 0.0002.
    """
    texts: list[str] = []
    for message in messages:
        calls = message.get("tool_calls")
        texts.append(message.get("content", "") + (to_json(calls).decode() if calls else ""))
    words = _word_hashes("\n".join(texts).lower())
    runs = max(1, len(words) - SHINGLE + 1)
    mixed = np.zeros(runs, dtype=np.uint64)
    for place in range(min(SHINGLE, len(words))):
        mixed += words[place : place + runs] * _PLACES[place]
    hashed = (mixed >> np.uint64(32)).astype(np.uint32)
    hashed.sort()
    is_new = np.ones(runs, dtype=bool)
    np.not_equal(hashed[1:], hashed[:-1], out=is_new[1:])
    return hashed[is_new]


def _word_hashes(text: str) -> _Words:
    """A hash of each word of a text: its bytes as the digits of a number to an odd base, in 64 bits.

    Sums from the text's begin on give it, as the powers of an odd number can be divided by in 64 bits.
    """
    if text.isascii():
        spaced = text.encode().translate(_SPACED)
    else:
        spaced = _GAP.join(word.encode("utf-8", "surrogatepass") for word in re.findall(r"\w+", text))
    symbols = np.frombuffer(b"".join((_GAP, spaced, _GAP)), dtype=np.uint8)
    inside = symbols != _GAP[0]
    borders = np.flatnonzero(inside[1:] != inside[:-1])
    powers, inverses = _POWERS if len(symbols) <= _USUAL else _powers(len(symbols))
    sums = np.add.accumulate(symbols * powers[: len(symbols)])[borders]
    hashes = (sums[1::2] - sums[::2]) * inverses[borders[::2]]
    return (hashes ^ (hashes >> np.uint64(31))) * _MIX


def _powers(count: int) -> tuple[_Words, _Words]:
    """The first powers of the base, and of what it gives 1 with, in 64 bits."""
    both = (np.full(count, base % 2**64, dtype=np.uint64) for base in (_BASE, pow(_BASE, -1, 2**64)))
    powers, inverses = (np.multiply.accumulate(each) for each in both)
    return powers, inverses


_USUAL = 2**16
"""Bytes of text that most sessions do not exceed."""
_POWERS = _powers(_USUAL)


def jaccard(one: Shingles, other: Shingles) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def signature(hashes: Shingles) -> NDArray[np.uint32]:
    """MinHash signature, shape (BANDS * ROWS,): the smallest shingle of each part of the range of hashes.

    Where a part holds none, it is the smallest in a random order of its own; so any two sessions have the same number
    at a place with the probability of their similarity.
    """
    begins = np.searchsorted(hashes, _BINS)
    smallest = hashes.take(begins, mode="clip")
    empty = np.flatnonzero(begins == np.append(begins[1:], len(hashes)))
    if len(empty):
        smallest[empty] = np.minimum.reduce(_MULTIPLIERS[empty] * hashes, axis=1)
    return smallest


class Outline(NamedTuple):
    """A session as a corpus keeps it: its shingles and their signature, as bytes."""

    shingles: bytes
    signature: bytes

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]]) -> "Outline":
        hashes = shingles(messages)
        return cls(hashes.tobytes(), signature(hashes).tobytes())


class _Shelf:
    """Outlines of many sessions by their numbers from 0, in memory while they are few."""

    def __init__(self) -> None:
        self._signatures, self._shingles = Pieces(_HELD), Pieces(_HELD)

    def put(self, outline: Outline) -> int:
        """Take that of one session; returns its number."""
        self._signatures.append(outline.signature)
        self._shingles.append(outline.shingles)
        return len(self._shingles) - 1

    def count(self, number: int) -> int:
        """How many shingles a session has."""
        return self._shingles.size(number) // _BYTES

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

    def _count(self, number: int) -> int:
        """How many shingles a session has."""
        return self._shelf.count(self._places[number])

    def part(self, numbers: list[int]) -> "Corpus":
        """Some of the sessions, in this order."""
        part = Corpus()
        part._shelf = self._shelf
        part._places = array("Q", (self._places[number] for number in numbers))
        return part

    def duplicates(self) -> list[Alike]:
        """Every session that is like an earlier one, with the likest of those found."""
        return _nearest(self, self, earlier=True)

    def leaks_into(self, other: "Corpus") -> list[Alike]:
        """Every session that is like one of another corpus, with the likest of those found; else one that holds it."""
        alike = {pair.number: pair for pair in (*self.contained_in(other), *self.like(other))}
        return [alike[number] for number in sorted(alike)]

    def like(self, other: "Corpus") -> list[Alike]:
        """Every session that is like one of another corpus, with the likest of those found."""
        return _nearest(self, other, earlier=False)

    def contained_in(self, other: "Corpus") -> list[Alike]:
        """Every session of which a longer one of another corpus holds nearly all runs of words, with their share.

        Sessions of fewer than SUBSTANTIAL runs say too little to tell a copy from common phrases.
        """
        best: dict[int, Alike] = {}
        for runs, owners in self._blocks():
            known = np.zeros(2**_KNOWN_BITS, dtype=bool)
            known[_place(runs)] = True
            for hashes, numbers in other._all_runs():
                perhaps = np.flatnonzero(known[_place(hashes)])
                for mine, number, count in _shared(hashes[perhaps], numbers[perhaps], runs, owners):
                    share = count / self._count(mine)
                    if share >= CONTAINED and share > (best[mine].similarity if mine in best else 0):
                        best[mine] = Alike(mine, number, share)
        return [best[number] for number in sorted(best)]

    def _blocks(self) -> Iterator[tuple[Shingles, NDArray[np.int64]]]:
        """The runs of words of the sessions that have enough of them, sorted, and whose they are, some at a time."""
        numbers = [number for number in range(len(self._places)) if self._count(number) >= SUBSTANTIAL]
        for runs, owners in self._runs_of(numbers, _RUNS):
            order = np.argsort(runs, kind="stable")
            yield runs[order], owners[order]

    def _all_runs(self) -> Iterator[tuple[Shingles, NDArray[np.int64]]]:
        """All runs of words and whose they are, some at a time."""
        return self._runs_of(range(len(self._places)), _RUNS // 16)

    def _runs_of(self, numbers: Iterable[int], most: int) -> Iterator[tuple[Shingles, NDArray[np.int64]]]:
        held: list[int] = []
        count = 0
        for number in numbers:
            held.append(number)
            count += self._count(number)
            if count >= most:
                yield self._together(held)
                held, count = [], 0
        if held:
            yield self._together(held)

    def _together(self, numbers: list[int]) -> tuple[Shingles, NDArray[np.int64]]:
        places = [self._places[number] for number in numbers]
        return self._shelf.shingles(places), np.repeat(numbers, list(map(self._shelf.count, places)))

    def bands(self) -> Iterable[NDArray[np.uint64]]:
        """For each band an array of shape (sessions,); two sessions have equal numbers where their bands are equal."""
        for first in range(0, BANDS, _BANDS_AT_ONCE):
            bands = np.empty((_BANDS_AT_ONCE, len(self._places)), dtype=np.uint64)
            for start in range(0, len(self._places), _CHUNK):
                rows = self._shelf.signatures(self._places[start : start + _CHUNK]).astype(np.uint64)
                for band in range(_BANDS_AT_ONCE):
                    columns = rows[:, (first + band) * ROWS : (first + band + 1) * ROWS]
                    bands[band, start : start + len(rows)] = (columns * _BANDS).sum(axis=1, dtype=np.uint64)
            yield from bands

    def agreement(self, numbers: NDArray[np.intp], other: "Corpus", others: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Where the signatures of pairs are equal, shape (pairs, BANDS * ROWS); its mean estimates their similarity."""
        mine, theirs = (each._signatures_of(some) for each, some in ((self, numbers), (other, others)))
        return mine == theirs

    def _signatures_of(self, numbers: NDArray[np.intp]) -> NDArray[np.uint32]:
        distinct, places = np.unique(numbers, return_inverse=True)
        return self._shelf.signatures([self._places[number] for number in distinct])[places]


def _place(hashes: Shingles) -> NDArray[np.int64]:
    """Where a table of what is known says of hashes whether they may be known."""
    return (hashes >> np.uint32(32 - _KNOWN_BITS)).astype(np.int64)


def _shared(
    hashes: Shingles, numbers: NDArray[np.int64], runs: Shingles, owners: NDArray[np.int64]
) -> Iterator[tuple[int, int, int]]:
    """(owner, number, how many runs they share), by number; `runs` is sorted, `owners` says whose each is."""
    first = np.searchsorted(runs, hashes, "left")
    there = np.flatnonzero(runs[np.minimum(first, len(runs) - 1)] == hashes)
    hashes, numbers, first = hashes[there], numbers[there], first[there]
    times, span = np.searchsorted(runs, hashes, "right") - first, int(owners.max()) + 1
    for some in _portions(times, numbers):
        repeated = times[some]
        begins = np.repeat(first[some] - np.cumsum(repeated) + repeated, repeated)
        pairs = np.repeat(numbers[some], repeated) * span + owners[begins + np.arange(len(begins))]
        found, counts = np.unique(pairs, return_counts=True)
        for pair, count in zip(found.tolist(), counts.tolist(), strict=True):
            yield pair % span, pair // span, count


def _portions(times: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of whole sessions: all, where what is found in them is not too much to be held at a time."""
    if times.sum() <= _RUNS:
        yield slice(None)
        return
    borders = np.flatnonzero(np.diff(numbers)) + 1
    yield from map(slice, (0, *borders), (*borders, len(numbers)))


def _nearest(queries: Corpus, base: Corpus, earlier: bool) -> list[Alike]:
    best: dict[int, Alike] = {}
    tried = np.zeros(len(base), dtype=np.uint32)
    for band, (mine, theirs) in enumerate(zip(queries.bands(), base.bands(), strict=True)):
        order = np.argsort(theirs, kind="stable")
        run = theirs[order]
        first, last = np.searchsorted(run, mine, "left"), np.searchsorted(run, mine, "right")
        for beside in range(MOST_BESIDE):
            numbers = np.flatnonzero(first + beside < last)
            others = order[first[numbers] + beside]
            if earlier:
                numbers, others = numbers[others < numbers], others[others < numbers]
            if not len(numbers):
                break
            _compare(queries, base, numbers, others, tried, best)
        tried[order[np.arange(len(run)) - np.searchsorted(run, run, "left") < MOST_BESIDE]] |= _BITS[band]
    return [best[number] for number in sorted(best)]


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
