"""A session as hashes: its runs of words, and a signature of those (see `callproof.sessions.likeness`)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

SHINGLE = 5
BANDS, ROWS = 25, 6
"""A pair of similarity 0.8 shares a band with probability 0.9995, of 0.9 with 0.99999999, of 0.5 with 0.33."""

Shingles = NDArray[np.uint32]
_Words = NDArray[np.uint64]

_RNG = np.random.default_rng(1997)
_BINS = ((np.arange(BANDS * ROWS, dtype=np.uint64) << np.uint64(32)) // np.uint64(BANDS * ROWS)).astype(np.uint32)
"""Where each part begins of as many equal ones of the range of hashes."""
_MULTIPLIERS = _RNG.integers(1, 2**31, (BANDS * ROWS, 1), dtype=np.uint32) * np.uint32(2) + np.uint32(1)
_PLACES = _RNG.integers(1, 2**63, SHINGLE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_BASE = 0xD1342543DE82EF95
_GAP = b"\0"
_SPACED = bytes(code if re.match(r"\w", chr(code)) else _GAP[0] for code in range(256))


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
