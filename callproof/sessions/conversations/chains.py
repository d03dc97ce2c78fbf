"""Which lines are one conversation, and which of them is left to learn each answer from.

A tool that logs requests writes one line for each, with the whole history so far. Lines are one conversation where

- they name it (`Link.name`); what else they hold then does not matter;
- one of them goes on where the other ends (`callproof.sessions.conversations.beginnings`);
- both are requests in a log, and share any beginning, their trace, or all up to the first message of the user.

Of such a conversation, every answer is learnt from one line: from one that carries its thinking where another has lost
it, then from one with the tools that the answer was given with, then from the longest. Lines of which no answer is
learnt are merged into the others. So a history that only grew becomes its last line, and where it branched, each
branch is a session in which only the answers count that are new in it.

A line costs 18 bytes, one of a log 16 to 32 more, and each answer in it 9; only lines of one conversation cost more.
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .beginnings import Beginning, Message, beginnings, hash_of, hashes_of, opening


class Link(NamedTuple):
    """What a line says of its conversation.

    `tools`: a hash of those that it was asked with. `is_gold`: whether its last answer may be learnt; where not, it is
    learnt from no other line either.
    """

    messages: Sequence[Message]
    name: str | None = None
    trace: str | None = None
    is_request: bool = False
    tools: int = 0
    is_gold: bool = True


class Hashed(NamedTuple):
    """A link as `Chains` keeps it: the beginnings of its messages, and the keys that it shares with others.

    `hashes` and `thinks` are arrays of a beginning's hash (`Q`) and of whether its answer thinks (`b`), as bytes.
    """

    hashes: bytes
    thinks: bytes
    keys: tuple[int, ...]
    is_request: bool
    is_named: bool
    tools: int
    is_gold: bool

    @classmethod
    def of(cls, link: Link) -> "Hashed":
        told = list(beginnings(link.messages, link.name))
        hashes, thinks = hashes_of(told), bytes(beginning.thinks for beginning in told)
        return cls(hashes, thinks, tuple(_keys(link)), link.is_request, link.name is not None, link.tools, link.is_gold)


class Fate(NamedTuple):
    """What becomes of a line: the number of its conversation's first line, and the answers that are learnt from it.

    `answers` counts the messages of the assistant from 0; None: all of them.
    """

    conversation: int
    answers: frozenset[int] | None = None


class Chains:
    """Takes the lines in order, known by their numbers from 0, and then says what becomes of each."""

    def __init__(self) -> None:
        self._hashes, self._thinks = array("Q"), array("b")
        self._starts = array("Q", [0])
        self._tools = array("Q")
        self._requests, self._gold = array("b"), array("b")
        self._keys, self._key_lines = array("Q"), array("L")

    def add(self, link: Link | Hashed) -> None:
        number = len(self._tools)
        link = Hashed.of(link) if isinstance(link, Link) else link
        self._hashes.frombytes(link.hashes)
        self._thinks.frombytes(link.thinks)
        self._starts.append(len(self._hashes))
        self._tools.append(link.tools)
        self._gold.append(link.is_gold)
        self._requests.append(link.is_request and not link.is_named)
        for key in link.keys:
            self._keys.append(key)
            self._key_lines.append(number)

    def first(self, number: int) -> int:
        """A line's first beginning, which stays as its conversation goes on; 0 where it has none."""
        start, end = self._starts[number], self._starts[number + 1]
        return self._hashes[start] if start < end else 0

    def fates(self) -> "Fates":
        """What becomes of the lines taken so far."""
        roots = _Roots()
        starts = np.array(self._starts, dtype=np.int64)
        lines = np.repeat(np.arange(len(self._tools)), np.diff(starts))
        hashes, requests = np.array(self._hashes, dtype=np.uint64), np.array(self._requests, dtype=bool)
        is_end = np.zeros(len(hashes), dtype=bool)
        is_end[starts[1:][np.diff(starts) > 0] - 1] = True
        for run in _runs(hashes):
            sharing = lines[run]
            goes_on = is_end[run].any() and not is_end[run].all()
            roots.join(sharing if goes_on else sharing[requests[sharing]])
        key_lines = np.array(self._key_lines, dtype=np.int64)
        for run in _runs(np.array(self._keys, dtype=np.uint64)):
            roots.join(key_lines[run])
        return Fates({number: fate for group in roots.groups() for number, fate in self._shared(group)})

    def _shared(self, group: list[int]) -> Iterable[tuple[int, Fate]]:
        """The fates of the lines of one conversation."""
        told = {number: self._told(number) for number in group}
        refused = {told[number][-1].hash for number in group if not self._gold[number] and told[number]}
        asked_with = {told[number][-1].hash: self._tools[number] for number in reversed(group) if told[number]}
        best: dict[int, tuple[bool, bool, int, int]] = {}
        for number in filter(self._gold.__getitem__, group):
            for answer in told[number]:
                same_tools = asked_with.get(answer.hash, self._tools[number]) == self._tools[number]
                rank = (answer.thinks, same_tools, len(told[number]), -number)
                best[answer.hash] = max(best.get(answer.hash, rank), rank)
        for number, answers in told.items():
            own = [at for at, answer in enumerate(answers) if answer.hash in best and -best[answer.hash][3] == number]
            learnt = frozenset(at for at in own if answers[at].hash not in refused)
            yield number, Fate(group[0], None if len(learnt) == len(answers) > 0 else learnt)

    def _told(self, number: int) -> list[Beginning]:
        inside = range(self._starts[number], self._starts[number + 1])
        return [Beginning(self._hashes[at], bool(self._thinks[at])) for at in inside]


class Fates:
    """The fate of each line by its number; a line that shares nothing stays as it is."""

    def __init__(self, shared: dict[int, Fate]) -> None:
        self._shared = shared

    def __getitem__(self, number: int) -> Fate:
        return self._shared.get(number) or Fate(number)

    def is_alone(self, number: int) -> bool:
        return number not in self._shared


def _keys(link: Link) -> list[int]:
    """What lines of one conversation have in common beside what was said."""
    if link.name is not None:
        return [hash_of(["name", link.name])]
    if not link.is_request:
        return []
    return [opening(link.messages), *([] if link.trace is None else [hash_of(["trace", link.trace])])]


def _runs(hashes: NDArray[np.uint64]) -> Iterable[NDArray[np.intp]]:
    """The places of each hash that occurs more than once, in order."""
    order = np.argsort(hashes, kind="stable")
    borders = np.flatnonzero(np.diff(hashes[order])) + 1
    starts, ends = np.r_[0, borders], np.r_[borders, len(order)]
    for run in np.flatnonzero(ends - starts > 1):
        yield order[starts[run] : ends[run]]


class _Roots:
    """Disjoint sets of lines; only lines that are joined to another are held."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def join(self, lines: NDArray[np.int64]) -> None:
        numbers = [int(line) for line in lines]
        for number in numbers[1:] if numbers[1:] and numbers[-1] != numbers[0] else ():
            first, second = sorted((self._root(numbers[0]), self._root(number)))
            self._above[second] = first

    def groups(self) -> Iterable[list[int]]:
        """The lines of each set, in order; sets of one line are left out."""
        members: dict[int, list[int]] = {}
        for number in sorted(self._above):
            members.setdefault(self._root(number), []).append(number)
        return (group for group in members.values() if len(group) > 1)

    def _root(self, number: int) -> int:
        root = number
        while (above := self._above.setdefault(root, root)) != root:
            root = above
        while number != root:
            self._above[number], number = root, self._above[number]
        return root
