"""The line that a record makes: its session, and what it says of others; a record is read without knowing others."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, Self

from callproof.catalog import Catalog
from callproof.errors import UserError

from ..forms import form_named
from ..logs import NoGold, gold_answer, plain_record, read_exchange
from ..sessions import Session, is_logged, read_record, to_session
from ..sources import Found
from .beginnings import hash_of
from .both_sides import Tale
from .chains import Hashed, Link
from .how_read import LOGGED, ReadAs


class Kept(Protocol):
    """A session, or a digest of one: what reading a source needs to know of it, and changes in it."""

    @property
    def session_id(self) -> str: ...

    @property
    def group(self) -> str: ...

    def known_as(self, conversation: str, session_id: str | None = None) -> Self:
        """The same under the name of its conversation, and under another id if one is given."""
        ...

    def learnt_at(self, answers: frozenset[int]) -> Self:
        """The same with only some of the assistant's messages to learn, counted from 0."""
        ...


Said = list[dict[str, Any]]
"""The messages of a session, see `Message.said`."""

Digest = Callable[[str, Session, Said, Tale | None], Kept]
"""(place, session, what was said in it, what it tells where that is known) -> what is wanted of it; picklable, as are
its results."""


class Packed(NamedTuple):
    """A session or digest: that of a number in a pickled list, whose bytes it shares with others."""

    data: bytes
    number: int


class Opener:
    """Opens what is packed, each list once as long as its sessions come in a row."""

    def __init__(self) -> None:
        self._data, self._sessions = b"", list[Kept]()

    def __call__(self, session: Kept | Packed) -> Kept:
        if not isinstance(session, Packed):
            return session
        if session.data is not self._data:
            self._data, self._sessions = session.data, pickle.loads(session.data)
        return self._sessions[session.number]


class Line(NamedTuple):
    """A record: its session, None where it holds no gold, and its link to others, None where it is a session alone.

    `name` is that of its conversation, where it has one; `without_gold`: why it holds no gold; `number`: from 1.
    """

    where: str
    session: Kept | Packed | None
    link: Hashed | None = None
    name: str | None = None
    without_gold: str | None = None
    number: int = 0


class Outcome(NamedTuple):
    """What came of a record: a line or an error, and how it was read, as far as it was."""

    where: str
    line: Line | None
    read_as: ReadAs | None
    error: UserError | None = None


class LineReader:
    """Reads records.

    Args:
        session_key: dotted path in a record, under which the name of its conversation stands.
        form: the name of the form that all records have; None: each has the first that fits.
        digest: gives what is wanted of a session; None: all of it.
    """

    def __init__(self, session_key: str | None = None, form: str | None = None, digest: Digest | None = None) -> None:
        if form:
            form_named(form)
        self._session_key, self._form, self.digest = session_key, form, digest

    def outcome(self, found: Found) -> Outcome:
        """What comes of a record."""
        read_as: list[ReadAs] = []
        try:
            line = self._line(found, read_as)
        except UserError as error:
            return Outcome(found.where, None, read_as[0] if read_as else None, error)
        return Outcome(found.where, line, read_as[0])

    def _line(self, found: Found, read_as: list[ReadAs]) -> Line:
        if isinstance(found.value, UserError):
            raise found.value
        if self._form is None and is_logged(found.value):
            read_as.append(ReadAs(LOGGED))
            return self._logged(found)
        return self._recorded(found, read_as)

    def _recorded(self, found: Found, read_as: list[ReadAs]) -> Line:
        """The line of a record that is no request: a session alone, where it names itself."""
        form = form_named(self._form) if self._form else None
        try:
            record, session = read_record(found.record, found.where, found.name, form, found.is_checked)
        except NoGold as error:
            read_as.append(ReadAs(LOGGED))
            return Line(found.where, None, without_gold=str(error))
        reason = record.without_gold
        read_as.append(ReadAs(LOGGED) if reason else ReadAs.of(record))
        name = _name_under(self._session_key, found) if self._session_key else None
        if name is None and found.record.get("session_id") is not None:
            return Line(found.where, None if reason else self._digested(found, session), without_gold=reason)
        said = session.said()
        link = Hashed.of(Link(said, name, tools=_tools_hash(session), is_gold=not reason))
        if reason:
            return Line(found.where, None, link, name, reason)
        tale = None if name else Tale(link.hashes)
        return Line(found.where, self._digested(found, session, said, tale), link, name)

    def _logged(self, found: Found) -> Line:
        """The line of a request and its answer."""
        named = _name_under(self._session_key, found) if self._session_key else None
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
            return Line(found.where, None, Hashed.of(link._replace(is_gold=False)), name, str(error))
        session = to_session(plain_record(found.record, exchange), found.where, found.name)
        said = session.said()
        if len(_answers(said)) != len(_answers(messages)):  # a turn in several messages is one in the session
            link = link._replace(messages=said)
        return Line(found.where, self._digested(found, session, said), Hashed.of(link), name)

    def _digested(self, found: Found, session: Session, said: Said | None = None, tale: Tale | None = None) -> Kept:
        return self.digest(found.where, session, said or session.said(), tale) if self.digest else session


def _answers(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [message for message in messages if message.get("role") == "assistant"]


def _name_under(session_key: str, found: Found) -> str:
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
