"""Sessions from records: lines of one conversation are one session, whatever file and form they come from.

A record that names its session (`session_id`) is a session of its own, unless it is a line of a log; every other record
may be the beginning of another (`callproof.sessions.conversations.chains`). To know, all lines from the first such
record on are kept in a temporary file until the source ends; in memory, only hashes are held.

A line of a log that holds no gold is left out, and counted (`callproof.sessions.logs.exchanges`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from callproof.console import say_once
from callproof.errors import UserError

from ..many import Names
from ..reading.faults import Tally, faults_of
from ..sessions import Session, unique
from ..sources import Found, Raw, RawReader, opened, read_raw
from . import elsewhere
from .chains import Chains, Fate
from .how_read import HowRead
from .lines import Digest, Kept, Line, LineReader, Opener, Outcome
from .spool import Spool

Refused = Callable[[UserError], None]
"""What is done with a record that cannot be read; it raises, or takes note of it."""


@dataclass
class Account:
    """What became of the lines of a source.

    `merged`: lines whose answers are all learnt from other lines; `partly`: sessions in which only some answers are
    learnt; `without_gold`: lines by the reason why they hold no gold, with the first place of each.
    """

    lines: int = 0
    sessions: int = 0
    conversations: Names = field(default_factory=Names)
    merged: int = 0
    partly: int = 0
    without_gold: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    how_read: HowRead = field(default_factory=HowRead)

    def sentences(self, source: str) -> list[str]:
        """What is to be said of the source; nothing where each record is a session in callproof's own form."""
        said = list(self.how_read.sentences(source))
        if self.merged or self.partly:
            made = f"{_several(self.sessions, 'session')} of {_several(len(self.conversations), 'conversation')}"
            kept = f"{self.partly} learnt in part" if self.partly else "each learnt whole"
            said.append(f"{source}: {made} made of {_several(self.lines, 'line')}: {self.merged} are in others, {kept}")
        for reason, count in self.without_gold.items():
            said.append(f"{source}: {_several(count, 'line')} left out, first {self.first[reason]}: {reason}")
        return said


def read_sessions(
    sources: Path | str | Sequence[str],
    read: RawReader = read_raw,
    session_key: str | None = None,
    form: str | None = None,
) -> Iterator[tuple[str, Session]]:
    """(place, session) of each session of one source or several, streamed; the place is `path:line`.

    Which forms the records have, which of their keys are kept as metadata and which are not read is said on stderr once
    all is read.

    Args:
        sources: files, folders, globs or URLs.
        read: what finds the records; training also reads Hugging Face datasets.
        session_key: dotted path in a record, under which the name of its conversation stands.
        form: the name of the form that all records have; None: each has the first that fits.

    Raises:
        UserError: unreadable or empty source, malformed records (all kinds of mistakes, with their first places), a
            session id that occurred before (`path:line`), or nothing under `session_key`.
    """
    return _read_sessions(sources, read, LineReader(session_key, form))


def read_digests(
    sources: Path | str | Sequence[str],
    digest: Digest,
    read: RawReader = read_raw,
    session_key: str | None = None,
    form: str | None = None,
) -> Iterator[tuple[str, Any]]:
    """(place, digest) of each session, as `read_sessions` reads them, but in several processes.

    Args:
        sources, read, session_key, form: as of `read_sessions`.
        digest: what is wanted of a session.

    Raises:
        UserError: as `read_sessions`.
    """
    return _read_sessions(sources, read, LineReader(session_key, form, digest))


def _read_sessions(
    sources: Path | str | Sequence[str], read: RawReader, reader: LineReader
) -> Iterator[tuple[str, Any]]:
    account = Account()
    several = [str(sources)] if isinstance(sources, Path | str) else list(sources)
    source = ", ".join(several)
    yield from unique(_merged(lambda: _of_all(several, read), reader, account))
    for sentence in account.sentences(source):
        say_once(sentence)
    if not account.sessions:
        raise UserError(source, f"holds no session in {account.lines} lines", "see the reasons above")


def _of_all(sources: Sequence[str], read: RawReader) -> Iterator[Found | Raw]:
    """The records of several sources; the names of those of one among others hold the source."""
    for source in sources:
        file = source.rsplit("/", 1)[-1]
        for item in read(source):
            inside = item.name[len(file) :] if f"{item.name}:".startswith(f"{file}:") else f"/{item.name}"
            yield item if len(sources) == 1 else item._replace(name=f"{source}{inside}")


def merged_sessions(
    read: Callable[[], Iterator[Found | Raw]],
    session_key: str | None,
    account: Account,
    refused: Refused | None = None,
) -> Iterator[tuple[str, Session]]:
    """(place, session) of the sessions that records make, and an account of them.

    Args:
        read: opens the records.
        session_key: see `read_sessions`.
        account: is filled while the sessions are read.
        refused: takes the error of a record that cannot be read; without it, the mistakes of all records are raised.
    """
    return _merged(read, LineReader(session_key), account, refused)


def _merged(
    read: Callable[[], Iterator[Found | Raw]], reader: LineReader, account: Account, refused: Refused | None = None
) -> Iterator[tuple[str, Any]]:
    lines, opened = _lines(read, reader, account, refused), Opener()
    for line in lines:
        if line.link:
            yield from _chained(chain([line], lines), account)
        elif line.session and (session := _learnt(opened(line.session), Fate(0), None, account)):
            yield line.where, session


def _chained(lines: Iterable[Line], account: Account) -> Iterator[tuple[str, Kept]]:
    """The sessions of lines of which some are beginnings of others."""
    chains, names, seen, linked, opened = Chains(), dict[int, str](), Names(), 0, Opener()
    with Spool() as spool:
        for line in lines:
            if line.link:
                chains.add(line.link)
            spool.add((line.where, line.number, line.name, line.link and line.link.is_request), line.session)
        fates = chains.fates()
        for (where, number, name, is_request), session in spool:
            fate = Fate(-1)
            if is_request is not None:
                fate = fates[linked]
                unnamed = is_request or not fates.is_alone(linked)
                name = name or (f"{chains.first(linked):016x}" if unnamed else None)
                if name:
                    names.setdefault(fate.conversation, name)
                linked += 1
            if session and (session := _learnt(opened(session), fate, names.get(fate.conversation), account)):
                if is_request is not None and seen.add(session.session_id) is not None:
                    # proxies log each try of a request
                    session = session.known_as(session.group, f"{session.session_id}#{number}")
                    seen.add(session.session_id)
                yield where, session


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


Told = TypeVar("Told", bound=Kept)


def _learnt(session: Told, fate: Fate, conversation: str | None, account: Account) -> Told | None:
    """The session with what is learnt from it; None where nothing is."""
    if fate.answers is not None and not fate.answers:
        account.merged += 1
        return None
    account.sessions += 1
    if conversation and conversation != session.session_id:
        session = session.known_as(conversation)
    account.conversations.add(session.group)
    if fate.answers is None:
        return session
    account.partly += 1
    return session.learnt_at(fate.answers)


def _lines(
    read: Callable[[], Iterator[Found | Raw]], reader: LineReader, account: Account, refused: Refused | None
) -> Iterator[Line]:
    """The lines that records make; behind a mistake, without `refused`, only further mistakes are looked for."""
    tally = Tally()
    for found in _until_mistake(_outcomes(read(), reader), tally):
        account.lines += 1
        if found.read_as:
            account.how_read.add(found.read_as)
        if found.error:
            tally.add(faults_of(found.error, found.where)) if refused is None else refused(found.error)
        elif found.line and not tally:
            if reason := found.line.without_gold:
                account.without_gold[reason] += 1
                account.first.setdefault(reason, found.where)
            yield found.line._replace(number=account.lines)


def _outcomes(items: Iterator[Found | Raw], reader: LineReader) -> Iterator[Outcome]:
    """What comes of records: digests in several processes."""
    return elsewhere.outcomes(items, reader) if reader.digest else map(reader.outcome, opened(items))


def _until_mistake(outcomes: Iterator[Outcome], tally: Tally) -> Iterator[Outcome]:
    """What comes of records, and at their end the error of all mistakes that were made among them."""
    try:
        yield from outcomes
    except UserError as error:
        if not tally:
            raise
        tally.add(faults_of(error, ""))
    if tally:
        raise tally.error()
