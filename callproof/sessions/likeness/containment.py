"""Sessions that stand whole inside longer ones, as a history does in a later one of the same conversation.

Runs of words that many sessions share, as those of one domain do, say little, and there are very many of them. So a
session is looked for by its rarest runs alone (a prefix filter: Chaudhuri, Ganti, Kaushik 2006, "A Primitive Operator
for Similarity Joins"): whatever holds nearly all of its runs holds most of any of them. What is found so is then
compared exactly.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .corpus import Alike, Corpus, Likest
from .outline import Shingles

CONTAINED = 0.9
"""Share of a session's runs of words from which on another one contains it."""

SUBSTANTIAL = 24
"""Runs of words that a session must have to be said to be contained."""

MOST_HOLDERS = 32
"""Of so many that contain a session the likest is taken; no more are looked for."""

_RUNS = 2**21
"""Runs of words that are held in memory to be found in other sessions."""

_RUNS_RANKED = 2**20
"""Runs of words of which the rarest are found at a time."""

_RUNS_AT_ONCE = 2**16
"""Runs of words that are looked for at a time."""

_HIGH_BITS, _LOW_BITS = 23, 25

_Numbers = NDArray[np.int64]


def contained_in(corpus: Corpus, other: Corpus) -> list[Alike]:
    """Every session of which a longer one of another corpus holds nearly all runs of words, with their share.

    Sessions of fewer than SUBSTANTIAL runs say too little to tell a copy from common phrases.
    """
    counts = corpus.counts()
    best = Likest(len(counts))
    for runs, owners in _looked_for_at_once(corpus, counts):
        search = _Search(corpus, other, best, runs, owners)
        for hashes, holders in other.runs_of(np.arange(len(other)), _RUNS_AT_ONCE):
            search.look(hashes, holders)
    return best.found()


def _looked_for_at_once(corpus: Corpus, counts: _Numbers) -> Iterator[tuple[Shingles, _Numbers]]:
    """The rarest runs of sessions that have enough, and whose they are, sorted by the runs; some sessions at a time."""
    parts: list[tuple[Shingles, _Numbers]] = []
    for runs, owners in corpus.runs_of(np.flatnonzero(counts >= SUBSTANTIAL), _RUNS_RANKED):
        parts.append(_rarest(runs, owners, counts))
        if sum(len(owners) for _, owners in parts) >= _RUNS:
            yield _sorted(parts)
            parts = []
    if parts:
        yield _sorted(parts)


def _rarest(runs: Shingles, owners: _Numbers, counts: _Numbers) -> tuple[Shingles, _Numbers]:
    """Of each owner the runs that are looked for: those that the fewest of the others have."""
    _, places, times = np.unique(runs, return_inverse=True, return_counts=True)
    order = np.lexsort((times[places], owners))
    begins = np.searchsorted(owners, owners)  # owners are sorted
    looked_for = order[np.arange(len(order)) - begins < _looked_for(counts[owners])]
    return runs[looked_for], owners[looked_for]


def _sorted(parts: list[tuple[Shingles, _Numbers]]) -> tuple[Shingles, _Numbers]:
    runs, owners = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(runs, kind="stable")
    return runs[order], owners[order]


def _spare(counts: _Numbers) -> _Numbers:
    """How many runs of sessions may be missing where they are contained."""
    return counts - np.ceil(counts * CONTAINED - 1e-6).astype(np.int64)


def _looked_for(counts: _Numbers) -> _Numbers:
    """How many runs of sessions are looked for: so many that over half of them are there where they are contained."""
    return 2 * _spare(counts) + 2


class _Search:
    """A search for those that contain some sessions.

    Args:
        best: keeps what is found.
        runs, owners: what is looked for, sorted, and whose it is.
    """

    def __init__(self, corpus: Corpus, other: Corpus, best: Likest, runs: Shingles, owners: _Numbers) -> None:
        self._corpus, self._other, self._best, self._counts = corpus, other, best, corpus.counts()
        self._holders = np.zeros(len(corpus), dtype=np.int64)
        self._settle(runs, owners)

    def _settle(self, runs: Shingles, owners: _Numbers) -> None:
        self._runs, self._owners, self._known = runs, owners, _Known(runs)

    def look(self, hashes: Shingles, holders: _Numbers) -> None:
        """Look among runs of words of others, one session after another; `holders` says whose they are."""
        perhaps = self._known.perhaps(hashes)
        hashes, holders = hashes[perhaps], holders[perhaps]
        first = np.searchsorted(self._runs, hashes, "left")
        times = np.searchsorted(self._runs, hashes, "right") - first
        for some in _portions(times, holders):
            for owner, holder in self._candidates(first[some], times[some], holders[some]):
                self._compare(owner, holder)
        self._forget()

    def _candidates(self, first: _Numbers, times: _Numbers, holders: _Numbers) -> Iterator[tuple[int, int]]:
        """(owner, holder) where enough of what is looked for was found, at `first` and as many `times`."""
        span = len(self._counts)
        places = np.repeat(first - np.cumsum(times) + times, times) + np.arange(times.sum())
        pairs, found = np.unique(np.repeat(holders, times) * span + self._owners[places], return_counts=True)
        owners = pairs % span
        counts = self._counts[owners]
        missing = _looked_for(counts) - found
        most = 1 - missing / counts
        enough = (missing <= _spare(counts)) & (most > self._best.similarities[owners])
        for pair, share in zip(pairs[enough].tolist(), most[enough].tolist(), strict=True):
            owner = pair % span
            if share > self._best.similarities[owner] and self._holders[owner] < MOST_HOLDERS:
                yield owner, pair // span

    def _compare(self, owner: int, holder: int) -> None:
        shared = np.intersect1d(self._corpus.shingles(owner), self._other.shingles(holder), assume_unique=True)
        share = len(shared) / int(self._counts[owner])
        if share >= CONTAINED:
            self._holders[owner] += 1
            self._best.keep(owner, holder, share)

    def _forget(self) -> None:
        """Look no longer for what was found whole, or often enough, where that is much."""
        done = ((self._best.similarities == 1) | (self._holders >= MOST_HOLDERS))[self._owners]
        if 2 * done.sum() > len(done):
            self._settle(self._runs[~done], self._owners[~done])


def _portions(times: _Numbers, holders: _Numbers) -> Iterator[slice]:
    """Slices of whole sessions in which not too much is found to be held at a time."""
    ends = np.append(np.flatnonzero(np.diff(holders)) + 1, len(holders))
    found = np.append(0, np.cumsum(times))[ends]
    begin = 0
    for last in np.flatnonzero(np.append(np.diff(found // _RUNS) > 0, True)):
        yield slice(begin, int(ends[last]))
        begin = int(ends[last])


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
