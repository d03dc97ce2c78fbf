"""Mistakes in records, gathered so that a person mends them all at once.

A record is read on after a mistake, and a source is read on after a record that holds one: the error that is raised
names each kind of mistake once, with how often it occurs and its first three places.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from callproof.errors import UserError

PLACES = 3
"""How many places of one kind of mistake are named."""

_KINDS = 10
_LENGTH = 160
_NUMBER = re.compile(r"\.\d+(?=\.|$)")


class Fault(NamedTuple):
    """A mistake: the record (`path:line`), the path in it, what is wrong, and how to mend it."""

    where: str
    path: str
    problem: str
    mend: str

    @property
    def kind(self) -> tuple[str, str]:
        """Equal for mistakes that a person sees as one; positions in lists do not count."""
        return _NUMBER.sub("", self.path), self.problem

    @property
    def place(self) -> str:
        return f"{self.where}: {self.path}" if self.path else self.where


class BadRecord(UserError):
    """A record with one mistake or more."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(*_line(Tally(faults)))

    def __reduce__(self) -> tuple[type["BadRecord"], tuple[tuple[Fault, ...]]]:
        return BadRecord, (self.faults,)


def faults_of(error: UserError, where: str) -> tuple[Fault, ...]:
    """The mistakes that an error tells of a record; `where` is its place."""
    if isinstance(error, BadRecord):
        return error.faults
    place, problem, mend = (str(part) for part in error.args)
    own = place.startswith(where)
    path = place.removeprefix(where).removeprefix(": ") if own else ""
    return (Fault(where if own else place, path, problem, mend),)


class Tally:
    """Mistakes by kind: the first three of each, and how many there are; memory does not grow with their number."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.first: dict[tuple[str, str], list[Fault]] = {}
        self.counts: dict[tuple[str, str], int] = {}
        self.add(faults)

    def __bool__(self) -> bool:
        return bool(self.first)

    def add(self, faults: Iterable[Fault]) -> None:
        """Take more mistakes; of the kinds beyond a thousand only the number is kept."""
        for fault in faults:
            kind = fault.kind if fault.kind in self.first or len(self.first) < 1000 else ("", "other mistakes")
            self.counts[kind] = self.counts.get(kind, 0) + 1
            places = self.first.setdefault(kind, [])
            if len(places) < PLACES:
                places.append(fault)

    def error(self) -> UserError:
        """One error that names them all."""
        return UserError(*_line(self))


def _line(tally: Tally) -> tuple[str, str, str]:
    """Place, problem and mend of the one line that names all mistakes."""
    kinds = list(tally.first)
    head = tally.first[kinds[0]][0]
    if sum(tally.counts.values()) == 1:
        return head.place, head.problem, head.mend
    told = [f"{_short(head.problem)}{_often(tally, kinds[0])}"]
    for kind in kinds[1:_KINDS]:
        fault = tally.first[kind][0]
        place = fault.path or "the record" if fault.where == head.where else fault.place
        told.append(f"{place}: {_short(fault.problem)}{_often(tally, kind)}")
    if len(kinds) > _KINDS:
        told.append(f"{len(kinds) - _KINDS} more kinds of mistakes")
    mends = dict.fromkeys(tally.first[kind][0].mend for kind in kinds[:PLACES])
    return head.place, "; ".join(told), "; ".join(mends)


def _often(tally: Tally, kind: tuple[str, str]) -> str:
    count = tally.counts[kind]
    if count == 1:
        return ""
    places = ", ".join(dict.fromkeys(fault.place for fault in tally.first[kind]))
    return f" ({count} times: {places}{', ...' if count > PLACES else ''})"


def _short(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 3]}..."
