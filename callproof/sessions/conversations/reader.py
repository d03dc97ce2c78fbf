"""Sessions from records: lines of one conversation are one session, whatever file and form they come from.

A record that names its session (`session_id`) is a session of its own, unless it is a line of a log; every other record
may be the beginning of another (`callproof.sessions.conversations.chains`). To know, all lines from the first such
record on are kept in a temporary file until the source ends; in memory, only hashes are held.

A line of a log that holds no gold is left out, and counted (`callproof.sessions.logs.exchanges`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from callproof.catalog import Catalog
from callproof.console import say_once
from callproof.errors import UserError

from ..forms import Form, form_named
from ..logs import NoGold, gold_answer, plain_record, read_exchange
from ..reading.faults import Tally, faults_of
from ..sessions import Session, is_logged, read_record, to_session, unique
from ..sources import Found, Reader, read_records
from .beginnings import hash_of
from .chains import Chains, Fate, Link
from .how_read import LOGGED, HowRead
from .spool import Spool

Refused = Callable[[UserError], None]
"""What is done with a record that cannot be read; it raises, or takes note of it."""


class Line(NamedTuple):
    """A record: its session, None where it holds no gold, and its link to others, None where it is a session alone.

    `name` is that of its conversation, where it has one; `without_gold`: why it holds no gold; `number`: from 1.
    """

    where: str
    session: Session | None
    link: Link | None = None
    name: str | None = None
    without_gold: str | None = None
    number: int = 0


@dataclass
class Account:
    """What became of the lines of a source.

    `merged`: lines whose answers are all learnt from other lines; `partly`: sessions in which only some answers are
    learnt; `without_gold`: lines by the reason why they hold no gold, with the first place of each.
    """

    lines: int = 0
    sessions: int = 0
    conversations: set[str] = field(default_factory=set)
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
    read: Reader = read_records,
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
    account, forced = Account(), form_named(form) if form else None
    several = [str(sources)] if isinstance(sources, Path | str) else list(sources)
    source = ", ".join(several)
    yield from unique(merged_sessions(lambda: _of_all(several, read), session_key, account, form=forced))
    for sentence in account.sentences(source):
        say_once(sentence)
    if not account.sessions:
        raise UserError(source, f"holds no session in {account.lines} lines", "see the reasons above")


def _of_all(sources: Sequence[str], read: Reader) -> Iterator[Found]:
    """The records of several sources; the names of those of one among others hold the source."""
    for source in sources:
        file = source.rsplit("/", 1)[-1]
        for found in read(source):
            inside = found.name[len(file) :] if found.name.startswith(f"{file}:") else f"/{found.name}"
            yield found if len(sources) == 1 else found._replace(name=f"{source}{inside}")


def merged_sessions(
    read: Callable[[], Iterator[Found]],
    session_key: str | None,
    account: Account,
    refused: Refused | None = None,
    form: Form | None = None,
) -> Iterator[tuple[str, Session]]:
    """(place, session) of the sessions that records make, and an account of them.

    Args:
        read: opens the records.
        session_key: see `read_sessions`.
        account: is filled while the sessions are read.
        refused: takes the error of a record that cannot be read; without it, the mistakes of all records are raised.
        form: the one that all records have; None: each has the first that fits.
    """
    lines = _lines(read, session_key, account, refused, form)
    for line in lines:
        if line.link:
            yield from _chained(chain([line], lines), account)
        elif line.session and (session := _learnt(line.session, Fate(0), None, account)):
            yield line.where, session


def _chained(lines: Iterable[Line], account: Account) -> Iterator[tuple[str, Session]]:
    """The sessions of lines of which some are beginnings of others."""
    chains, names, seen, linked = Chains(), dict[int, str](), set[str](), 0
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
            if session and (session := _learnt(session, fate, names.get(fate.conversation), account)):
                if is_request is not None and session.session_id in seen:  # proxies log each try of a request
                    renamed = {"session_id": f"{session.session_id}#{number}", "conversation": session.group}
                    session = session.model_copy(update=renamed)
                seen.update([session.session_id] if is_request is not None else [])
                yield where, session


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _learnt(session: Session, fate: Fate, conversation: str | None, account: Account) -> Session | None:
    """The session with what is learnt from it; None where nothing is."""
    if fate.answers is not None and not fate.answers:
        account.merged += 1
        return None
    account.sessions += 1
    if conversation and conversation != session.session_id:
        session = session.model_copy(update={"conversation": conversation})
    account.conversations.add(session.group)
    if fate.answers is None:
        return session
    account.partly += 1
    return session.learnt_at(fate.answers)


def _lines(
    read: Callable[[], Iterator[Found]],
    session_key: str | None,
    account: Account,
    refused: Refused | None,
    form: Form | None,
) -> Iterator[Line]:
    """The lines that records make; behind a mistake, without `refused`, only further mistakes are looked for."""
    tally = Tally()
    for found in _until_mistake(read(), tally):
        account.lines += 1
        try:
            line = _line(found, session_key, account, form)
        except UserError as error:
            tally.add(faults_of(error, found.where)) if refused is None else refused(error)
            continue
        if tally:
            continue
        if line.without_gold:
            account.without_gold[line.without_gold] += 1
            account.first.setdefault(line.without_gold, found.where)
        yield line._replace(number=account.lines)


def _until_mistake(records: Iterator[Found], tally: Tally) -> Iterator[Found]:
    """Records, and at their end the error of all mistakes that were made among them."""
    try:
        yield from records
    except UserError as error:
        if not tally:
            raise
        tally.add(faults_of(error, ""))
    if tally:
        raise tally.error()


def _line(found: Found, session_key: str | None, account: Account, form: Form | None) -> Line:
    if isinstance(found.value, UserError):
        raise found.value
    if form is None and is_logged(found.value):
        account.how_read.forms[LOGGED] += 1
        return _logged(found, session_key)
    return _recorded(found, session_key, account, form)


def _recorded(found: Found, session_key: str | None, account: Account, form: Form | None) -> Line:
    """The line of a record that is no request: a session alone, where it names itself."""
    record, session = read_record(found.record, found.where, found.name, form)
    account.how_read.add(record)
    name = name_under(session_key, found) if session_key else None
    if name is None and found.record.get("session_id") is not None:
        return Line(found.where, session)
    messages = [message.said() for message in session.messages]
    link = Link(messages, name, tools=_tools_hash(session))
    return Line(found.where, session, link, name)


def _logged(found: Found, session_key: str | None) -> Line:
    """The line of a request and its answer."""
    named = name_under(session_key, found) if session_key else None
    try:
        exchange = read_exchange(found.record)
    except NoGold as error:
        return Line(found.where, None, without_gold=str(error))
    name = named or exchange.session
    messages = [*exchange.messages, exchange.spoken]
    link = Link(messages, name, exchange.trace, is_request=True, tools=hash_of(exchange.tools))
    name = name or exchange.trace
    try:
        gold_answer(exchange)
    except NoGold as error:
        return Line(found.where, None, link._replace(is_gold=False), name, str(error))
    session = to_session(plain_record(found.record, exchange), found.where, found.name)
    told = [message.said() for message in session.messages]
    if len(_answers(told)) != len(_answers(messages)):  # a turn in several messages is one in the session
        link = link._replace(messages=told)
    return Line(found.where, session, link, name)


def _answers(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [message for message in messages if message.get("role") == "assistant"]


def name_under(session_key: str, found: Found) -> str:
    """The name of a record's conversation under a dotted path; raises a UserError where there is none."""
    value: Any = found.record
    for part in session_key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        problem = f"expected the name of its conversation under data.session_key, got {value!r}"[:200]
        raise UserError(f"{found.where}: {session_key}", problem, "name it, or leave data.session_key out")
    return str(value)


def _tools_hash(session: Session) -> int:
    return hash_of(None) if session.tools is None else _hash_of_catalog(_Same(session.tools))


class _Same:
    """A catalog as a key: only the same object is equal, which its cache keeps alive."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.catalog is self.catalog

    def __hash__(self) -> int:
        return id(self.catalog)


@lru_cache(maxsize=1024)
def _hash_of_catalog(key: _Same) -> int:
    return hash_of([tool.wire() for tool in key.catalog.tools])
