"""Near-duplicates among 100,000 sessions, without comparing all pairs.

MinHash signatures (Broder 1997) of one permutation (Li, Owen, Zhang 2012, "One Permutation Hashing"), cut into bands so
that sessions of similarity ALIKE share one almost surely (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets",
3.4); whatever shares a band is then compared exactly. ALIKE is the threshold at which Lee et al. (2022, "Deduplicating
Training Data Makes Language Models Better") call documents near-duplicates.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .corpus import Alike, Corpus, Likest
from .outline import BANDS, ROWS, Shingles

ALIKE = 0.8
MOST_BESIDE = 32
"""How many of the sessions that share a band with a session are compared with it at most."""

_DOUBT = 0.15
"""Pairs whose estimate is lower than what counts by more are not compared exactly: over four standard deviations."""

_ESTIMATE = ALIKE - _DOUBT

_CHUNK = 2_000
"""Pairs whose signatures are held at a time."""

_BITS = np.uint32(1) << np.arange(BANDS, dtype=np.uint32)


def jaccard(one: Shingles, other: Shingles) -> float:
    """How alike two sessions are: the share of their runs of words that both have (Broder 1997, "resemblance")."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def duplicates(corpus: Corpus) -> list[Alike]:
    """Every session that is like an earlier one, with the likest of those found."""
    return _nearest(corpus, corpus)


def like(corpus: Corpus, other: Corpus) -> list[Alike]:
    """Every session that is like one of another corpus, with the likest of those found."""
    return _nearest(corpus, other)


def _nearest(queries: Corpus, base: Corpus) -> list[Alike]:
    """Every session that is like one of another corpus, of its own like an earlier one, with the likest found."""
    search, earlier = _Search(queries, base), queries is base
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
            numbers = np.flatnonzero((first + beside < last) & (search.best.similarities < 1))
            others = order[first[numbers] + beside]
            if earlier:
                numbers, others = numbers[others < numbers], others[others < numbers]
            if not len(numbers):
                break
            search.compare(numbers, others)
        search.tried[order[np.arange(len(run)) - begins < MOST_BESIDE]] |= _BITS[band]
    return search.best.found()


def _spans(run: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where, in a sorted array, those that are equal to each begin and end."""
    starts = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    counts = np.diff(np.append(starts, len(run)))
    return np.repeat(starts, counts), np.repeat(starts + counts, counts)


class _Search:
    """A search for the likest session of another corpus that each one of a corpus is like.

    Attributes:
        best: what was found.
        tried: for each session of the other corpus a bit a band: it was compared with whatever shares that band.
    """

    def __init__(self, queries: Corpus, base: Corpus) -> None:
        self._queries, self._base = queries, base
        self.best = Likest(len(queries))
        self.tried = np.zeros(len(base), dtype=np.uint32)

    def compare(self, numbers: NDArray[np.intp], others: NDArray[np.intp]) -> None:
        """Compare pairs exactly where their estimate promises more than what is known, and keep what is alike."""
        for start in range(0, len(numbers), _CHUNK):
            mine, theirs = numbers[start : start + _CHUNK], others[start : start + _CHUNK]
            for number, other in self._promising(mine, theirs):
                similarity = jaccard(self._queries.shingles(number), self._base.shingles(other))
                if similarity >= ALIKE:
                    self.best.keep(number, other, similarity)

    def _promising(self, numbers: NDArray[np.intp], others: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
        equal = self._queries.agreement(numbers, self._base, others)
        estimates = np.count_nonzero(equal, axis=1) / equal.shape[1]
        some = np.flatnonzero(estimates >= np.maximum(_ESTIMATE, self.best.similarities[numbers] - _DOUBT))
        shared = equal[some].reshape(-1, BANDS, ROWS).all(axis=2) @ _BITS
        some = some[shared & self.tried[others[some]] == 0]
        yield from zip(numbers[some].tolist(), others[some].tolist(), strict=True)
