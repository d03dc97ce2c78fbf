"""Sessions: recorded conversations of customers with an assistant that calls tools.

    {"session_id": "car_sales-train-0001", "tags": ["parallel"], "messages": [
      {"role": "user", "content": "Any Octavia below 25'000?"},
      {"role": "assistant", "tool_calls": [{"name": "search_vehicles", "arguments": {"max_price": 25000}}]},
      {"role": "tool", "name": "search_vehicles", "content": "{\\"vehicles\\": []}"},
      {"role": "assistant", "content": "Sorry, none at the moment."}]}

`read_sessions` reads them from files, folders and globs (`callproof.sessions.sources`), in all forms that
`callproof.sessions.forms` lists. A call may be written in OpenAI's form, `{"id", "type": "function", "function":
{"name", "arguments"}}`, with its arguments as an object or as JSON text. What a message may be is said in
`callproof.sessions.talk`. The system prompt and the catalog come from the session if it brings them, and else from the
domain (see `callproof.turns.domain`).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from callproof.calls import MAX_DEPTH, RefusedJSON, ToolCall, writable_value
from callproof.catalog import Catalog
from callproof.errors import UserError
from callproof.records import Record, explain, refuse_half_characters

from .forms import Form, ReadRecord, form_named, own_form
from .reading.faults import Tally, faults_of
from .sources import Found, Reader, read_records
from .told import Told


class Message(Record):
    """One message. Only the assistant's has `tool_calls` and `thinking`, only a tool's `name` (the tool that answered).

    `train`: false for a message of the assistant that is context only: it is not learned, and it is no gold.

    `answers`: which of the calls before it a tool's result answers, from 0, where results come in another order than
    the calls; without it, the n-th result answers the n-th call.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    answers: int | None = Field(default=None, ge=0)
    train: bool = True


class Session(Record):
    """A conversation in order; roles are checked on construction.

    `system` and `tools` are those that the session was recorded with; None: those of its domain. `metadata` is what its
    record held beside the conversation.
    """

    session_id: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()
    system: str | None = None
    tools: Catalog | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _roles(self) -> "Session":
        open_calls = 0
        for number, message in enumerate(self.messages):
            if message.tool_calls and message.role != "assistant":
                raise ValueError(f"messages.{number}: only the assistant calls tools, got role {message.role!r}")
            if message.role == "tool":
                if not open_calls:
                    raise ValueError(f"messages.{number}: a tool result without a call before it")
                open_calls -= 1
            else:
                open_calls = len(message.tool_calls)
        if all(message.role != "user" for message in self.messages):
            raise ValueError("messages: expected a message of the user, got none")
        return self

    @property
    def calls_tools(self) -> bool:
        return any(message.tool_calls for message in self.messages)

    def record(self) -> dict[str, Any]:
        """The session in callproof's own form, from which it is read back."""
        value: dict[str, Any] = {"session_id": self.session_id}
        value |= {"tags": list(self.tags)} if self.tags else {}
        value |= {} if self.system is None else {"system": self.system}
        value |= {} if self.tools is None else {"tools": [tool.wire() for tool in self.tools.tools]}
        value |= {"metadata": self.metadata} if self.metadata else {}
        return {**value, "messages": _messages(self.messages)}


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages as they are read; results that come in another order name their call by its number."""
    written: list[dict[str, Any]] = []
    for message in messages:
        value = message.model_dump(mode="json", exclude_defaults=True, exclude={"answers"})
        if message.role != "assistant":
            value["content"] = message.content
        for number, call in enumerate(value.get("tool_calls", ())):
            call["id"] = str(number)
        if message.answers is not None:
            value["tool_call_id"] = str(message.answers)
        written.append(value)
    return written


def read_sessions(
    sources: Path | str | Sequence[str], read: Reader = read_records, form: str | None = None
) -> Iterator[tuple[str, Session]]:
    """(place, session) of each record of one source or several, streamed; the place is `path:line`.

    Which forms the records have, which of their keys are kept as metadata and which are not read is said on stderr once
    a source is read to its end.

    Args:
        sources: files, folders or globs.
        read: what finds the records; training also reads Hugging Face datasets.
        form: the name of the one that all records have; None: each has the first that fits.

    Raises:
        UserError: unreadable or empty source, malformed records (all kinds of mistakes, with their first places), or a
            session id that occurred before (`path:line`).
    """
    forced = form_named(form) if form else None
    several = [str(sources)] if isinstance(sources, Path | str) else list(sources)
    yield from unique(pair for source in several for pair in _read(source, read, forced, len(several) > 1))


def _read(source: str, read: Reader, form: Form | None, named: bool) -> Iterator[tuple[str, Session]]:
    """The sessions of one source; `named`: ids of sessions that bring none hold the source."""
    told = Told(source)
    records = read(source)
    for where, name, value in records:
        try:
            record, session = _session(value, where, _named(source, name) if named else name, form)
        except UserError as error:
            raise _all_mistakes(error, where, records, form) from None
        told.add(record)
        yield where, session
    told.say()


def _named(source: str, name: str) -> str:
    """The name of a record among those of several sources."""
    file = source.rsplit("/", 1)[-1]
    return f"{source}{name[len(file) :]}" if name.startswith(f"{file}:") else f"{source}/{name}"


def _all_mistakes(error: UserError, where: str, records: Iterator[Found], form: Form | None) -> UserError:
    """One error for the mistakes of a record and of all that follow in its source."""
    tally = Tally(faults_of(error, where))
    try:
        for later, name, value in records:
            try:
                _session(value, later, name, form)
            except UserError as another:
                tally.add(faults_of(another, later))
    except UserError as another:
        tally.add(faults_of(another, ""))
    return tally.error()


def _session(value: dict[str, Any] | UserError, where: str, name: str, form: Form | None) -> tuple[ReadRecord, Session]:
    if isinstance(value, UserError):
        raise value
    refuse_half_characters(value, where)
    try:
        writable_value(value, 2 * MAX_DEPTH)
        record = own_form(value, where, name, form)
        return record, Session.model_validate(record.fields)
    except RefusedJSON:
        raise UserError(where, f"nested deeper than {2 * MAX_DEPTH}", "see docs/data.md for the forms") from None
    except ValidationError as error:
        raise UserError(where, explain(error), "see docs/data.md for the forms") from None


def unique(sessions: Iterable[tuple[str, Session]]) -> Iterator[tuple[str, Session]]:
    """Pass (place, session) pairs through.

    Raises:
        UserError: a session id occurs a second time.
    """
    seen: dict[str, str] = {}
    for where, session in sessions:
        if first := seen.get(session.session_id):
            raise UserError(where, f"session_id {session.session_id!r} is already at {first}", "rename it")
        seen[session.session_id] = where
        yield where, session


def to_session(record: dict[str, Any], where: str, name: str) -> Session:
    """The session that a record of any form holds; `name` is its id if it brings none.

    Raises:
        UserError: see `callproof.sessions.forms.own_form`.
    """
    return _session(record, where, name, None)[1]
