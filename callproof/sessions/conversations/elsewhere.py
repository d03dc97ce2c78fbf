"""The lines of records, read in several processes: what comes out is what one process would read, in the same order.

A source of few records is read here: a process costs more than reading them.
"""

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import NamedTuple

from callproof.console import Said, held_back, say_once
from callproof.console.workers import Allowance, in_order
from callproof.errors import UserError

from ..sources import Beside, Found, Raw
from .lines import LineReader, Outcome, Packed

_TOGETHER = 64
"""Records that a process takes at a time, where they are not raw."""


class _Part(NamedTuple):
    """Some records, raw or not; `error`: what reading the source raised behind them."""

    items: tuple[Found | Raw, ...]
    error: UserError | None = None


class _Read(NamedTuple):
    """What came of a part, the keys that stand beside its records by path, and what is to be said of it."""

    outcomes: list[Outcome]
    beside: list[tuple[str, Counter[str]]]
    said: list[Said]


def outcomes(items: Iterable[Found | Raw], reader: LineReader) -> Iterator[Outcome]:
    """What comes of records, in order.

    Raises:
        UserError: what reading raises, in its turn.
    """
    parts = _parts(items)
    first = list(islice(parts, 2))
    parts = chain(first, parts)
    work = in_order(partial(_in_a_process, reader), parts, 0.0) if len(first) > 1 else _here(reader, parts)
    keys = Beside()
    for part, read in work:
        for said in read.said:
            say_once(*said)
        for path, beside in read.beside:
            keys.add(path, beside)
        yield from read.outcomes
        if part.error:
            raise part.error
    keys.say()


def _parts(items: Iterable[Found | Raw]) -> Iterator[_Part]:
    """Records in parts, each raw one a part of its own."""
    held: list[Found | Raw] = []
    try:
        for item in items:
            if held and (isinstance(item, Raw) or len(held) == _TOGETHER):
                yield _Part(tuple(held))
                held = []
            if isinstance(item, Raw):
                yield _Part((item,))
            else:
                held.append(item)
    except UserError as error:
        yield _Part(tuple(held), error)
        return
    if held:
        yield _Part(tuple(held))


def _here(reader: LineReader, parts: Iterable[_Part]) -> Iterator[tuple[_Part, _Read]]:
    for part in parts:
        yield part, _read(reader, part, [])


def _in_a_process(reader: LineReader, part: _Part, _: Allowance) -> _Read:
    with held_back() as said:
        read = _read(reader, part, said)
    return read._replace(outcomes=_packed(read.outcomes))


def _packed(outcomes: list[Outcome]) -> list[Outcome]:
    """Outcomes with their sessions packed, which only who wants them opens."""
    sessions = [outcome.line and outcome.line.session for outcome in outcomes]
    data = pickle.dumps(sessions, pickle.HIGHEST_PROTOCOL)
    return [
        outcome._replace(line=outcome.line._replace(session=Packed(data, number)))
        if outcome.line and outcome.line.session
        else outcome
        for number, outcome in enumerate(outcomes)
    ]


def _read(reader: LineReader, part: _Part, said: list[Said]) -> _Read:
    found: list[Found] = []
    keys: list[tuple[str, Counter[str]]] = []
    for item in part.items:
        if isinstance(item, Found):
            found.append(item)
            continue
        records, beside = item.read()
        found += records
        keys.append((item.path, beside))
    return _Read([reader.outcome(record) for record in found], keys, said)
