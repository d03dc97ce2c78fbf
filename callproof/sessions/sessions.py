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

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from callproof.calls import MAX_DEPTH, RefusedJSON, ToolCall, writable_value
from callproof.catalog import Catalog
from callproof.errors import UserError
from callproof.records import Record, explain, refuse_half_characters

from .acceptance import Acceptance, GoldCall
from .forms import own_form
from .sources import Reader, read_records


class Message(Record):
    """One message. Only the assistant's has `tool_calls` and `thinking`, only a tool's `name` (the tool that answered).

    `acceptances`, of each call, and `alternatives`: what is as right as the recorded calls, see
    `callproof.sessions.acceptance`; without them, nothing is.

    `answers`: which of the calls before it a tool's result answers, from 0, where results come in another order than
    the calls; without it, the n-th result answers the n-th call.
    """

    role: Literal["user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()
    alternatives: tuple[tuple[GoldCall, ...], ...] = ()
    name: str | None = None
    answers: int | None = Field(default=None, ge=0)

    @property
    def gold(self) -> tuple[GoldCall, ...]:
        """The recorded calls, each with what is accepted in its place."""
        acceptances = self.acceptances or (None,) * len(self.tool_calls)
        return tuple(GoldCall.of(*pair) for pair in zip(self.tool_calls, acceptances, strict=True))


class Session(Record):
    """A conversation in order; roles are checked on construction.

    `system` and `tools` are those that the session was recorded with; None: those of its domain.
    """

    session_id: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()
    system: str | None = None
    tools: Catalog | None = None

    @model_validator(mode="after")
    def _roles(self) -> "Session":
        open_calls = 0
        for number, message in enumerate(self.messages):
            if message.tool_calls and message.role != "assistant":
                raise ValueError(f"messages.{number}: only the assistant calls tools, got role {message.role!r}")
            if message.acceptances and len(message.acceptances) != len(message.tool_calls):
                raise ValueError(f"messages.{number}: expected an acceptance for each of its calls")
            if message.alternatives and message.role != "assistant":
                raise ValueError(f"messages.{number}: only the assistant has alternatives, got role {message.role!r}")
            if message.role == "tool":
                if not open_calls:
                    raise ValueError(f"messages.{number}: a tool result without a call before it")
                open_calls -= 1
            else:
                open_calls = len(message.tool_calls)
        if self.messages[0].role != "user":
            raise ValueError(f"messages.0: expected the user to begin, got role {self.messages[0].role!r}")
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
        return {**value, "messages": _messages(self.messages)}

    @property
    def trained(self) -> "Session":
        """What training learns of it: without acceptances and alternatives."""
        bare = {"acceptances": (), "alternatives": ()}
        return self.model_copy(update={"messages": tuple(each.model_copy(update=bare) for each in self.messages)})


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages as they are read; results that come in another order name their call by its number."""
    written: list[dict[str, Any]] = []
    for message in messages:
        left_out = {"answers", "acceptances", "alternatives"}
        value = message.model_dump(mode="json", exclude_defaults=True, exclude=left_out)
        if message.role != "assistant":
            value["content"] = message.content
        for number, call in enumerate(value.get("tool_calls", ())):
            call["id"] = str(number)
            call |= message.acceptances[number].written() if message.acceptances else {}
        if message.alternatives:
            value["alternatives"] = [list(map(_written, answer)) for answer in message.alternatives]
        if message.answers is not None:
            value["tool_call_id"] = str(message.answers)
        written.append(value)
    return written


def _written(call: GoldCall) -> dict[str, Any]:
    plain = call.model_dump(mode="json", include={"name", "arguments"}, exclude_defaults=True)
    return {**plain, **call.written()}


def read_sessions(source: Path | str, read: Reader = read_records) -> Iterator[tuple[str, Session]]:
    """(place, session) of each record of a source, streamed; the place is `path:line`.

    Args:
        source: a file, a folder or a glob.
        read: what finds the records; training also reads Hugging Face datasets.

    Raises:
        UserError: unreadable or empty source, malformed line, or a session id that occurred before (`path:line`).
    """
    records = read(str(source))
    yield from unique((where, to_session(value, where, name)) for where, name, value in records)


def unique(sessions: Iterable[tuple[str, Session]]) -> Iterator[tuple[str, Session]]:
    """Pass (place, session) pairs through.

    Raises:
        UserError: a session id occurs a second time.
    """
    seen: dict[str, str] = {}
    for where, session in sessions:
        first = seen.setdefault(session.session_id, where)
        if first != where:
            raise UserError(where, f"session_id {session.session_id!r} is already at {first}", "rename it")
        yield where, session


def to_session(record: dict[str, Any], where: str, name: str) -> Session:
    """The session that a record of any form holds; `name` is its id if it brings none.

    Raises:
        UserError: see `callproof.sessions.forms.own_form`.
    """
    refuse_half_characters(record, where)
    try:
        writable_value(record, 2 * MAX_DEPTH)
        return Session.model_validate(own_form(record, where, name))
    except RefusedJSON:
        raise UserError(where, f"nested deeper than {2 * MAX_DEPTH}", "see docs/data.md for the forms") from None
    except ValidationError as error:
        raise UserError(where, explain(error), "see docs/data.md for the forms") from None
