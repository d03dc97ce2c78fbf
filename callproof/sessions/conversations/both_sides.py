"""Conversations that stand on both sides of a split, by what is said in them, however they are named and split up."""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .beginnings import Message, beginnings, hash_of, hashes_of


class Tale(NamedTuple):
    """What a session tells, as hashes of 64 bits of the beginnings of its answers."""

    hashes: bytes

    @classmethod
    def of(cls, messages: Iterable[Message]) -> "Tale":
        """What messages tell, those of `callproof.sessions.conversations.beginnings`."""
        return cls(hashes_of(beginnings(messages)))


class Told:
    """What the sessions of one side tell, as hashes: 16 bytes for each answer, and 32 for each session."""

    def __init__(self) -> None:
        self._hashes, self._lines = array("Q"), array("Q")
        self._ends, self._end_lines = array("Q"), array("Q")
        self._count = 0

    def add(self, tale: Tale, group: str, conversation: str | None) -> None:
        """Take one more session: what it tells, and the name of its conversation, its own id where it has none."""
        told = array("Q")
        told.frombytes(tale.hashes)
        self._hashes.extend(told)
        self._lines.extend([self._count] * len(told))
        for end in (*told[-1:], hash_of(["conversation", group])):
            self._ends.append(end)
            self._end_lines.append(self._count)
        if conversation:
            self._hashes.append(hash_of(["conversation", conversation]))
            self._lines.append(self._count)
        self._count += 1

    def shared_with(self, other: "Told") -> dict[int, int]:
        """The sessions here, by number, that are of one conversation with one of another side, and that one's number.

        They are where one goes on where the other ends, or where both name one conversation.
        """
        inside = _pairs(self._ends, self._end_lines, other._hashes, other._lines)
        return {**_pairs(self._hashes, self._lines, other._ends, other._end_lines), **inside}


def _pairs(wanted: "array[int]", lines: "array[int]", known: "array[int]", known_lines: "array[int]") -> dict[int, int]:
    """For each line with a hash among the known ones, a line that has it there."""
    there, mine = _unsigned(known), _unsigned(wanted)
    order = np.argsort(there, kind="stable")
    at = np.searchsorted(there[order], mine)
    inside = np.flatnonzero(at < len(there))
    matching = inside[there[order[at[inside]]] == mine[inside]]
    return {lines[place]: known_lines[int(order[at[place]])] for place in matching}


def _unsigned(values: "array[int]") -> NDArray[np.uint64]:
    return np.array(values, dtype=np.uint64)
