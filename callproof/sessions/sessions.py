"""Sessions: recorded conversations of customers with an assistant that calls tools.

    {"session_id": "car_sales-train-0001", "tags": ["parallel"], "messages": [
      {"role": "user", "content": "Any Octavia below 25'000?"},
      {"role": "assistant", "tool_calls": [{"name": "search_vehicles", "arguments": {"max_price": 25000}}]},
      {"role": "tool", "name": "search_vehicles", "content": "{\\"vehicles\\": []}"},
      {"role": "assistant", "content": "Sorry, none at the moment."}]}

`callproof.sessions.conversations` reads them from files, folders and globs (`callproof.sessions.sources`), in all
forms that `callproof.sessions.forms` lists. A call may be written in OpenAI's form, `{"id", "type": "function",
"function": {"name", "arguments"}}`, with its arguments as an object or as JSON text. What a message may be is said in
`callproof.sessions.talk`. The system prompt and the catalog come from the session if it brings them, and else from the
domain (see `callproof.turns.domain`).
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from callproof.calls import MAX_DEPTH, ToolCall, depth_is_over
from callproof.catalog import Catalog
from callproof.errors import UserError
from callproof.records import Name, Record, explain, refuse_half_characters

from .acceptance import Acceptance, GoldCall
from .dates import as_text, is_iso, recorded_at
from .forms import Form, ReadRecord, is_no_log, own_form
from .logs import NoGold, gold_answer, is_exchange, plain_record, read_exchange
from .many import Names, Places
from .rejected import Rejected


class Message(Record):
    """One message. Only the assistant's has `tool_calls` and `thinking`, only a tool's `name` (the tool that answered).

    `acceptances`, of each call, and `alternatives`: what is as right as the recorded calls, see
    `callproof.sessions.acceptance`; without them, nothing is.

    `answers`: which of the calls before it a tool's result answers, from 0, where results come in another order than
    the calls; without it, the n-th result answers the n-th call.

    `train`: false for a message of the assistant that is context only: training does not learn it, and evaluation does
    not ask for it. `loss_scale`: how many times its loss counts. `rejected`: what a model said wrongly in its place.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()
    alternatives: tuple[tuple[GoldCall, ...], ...] = ()
    name: str | None = None
    answers: int | None = Field(default=None, ge=0)
    train: bool = True
    loss_scale: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    rejected: tuple[Rejected, ...] = ()

    def said(self) -> dict[str, Any]:
        """What tells this message from others."""
        calls = [{"name": call.name, "arguments": call.arguments} for call in self.tool_calls]
        return {"role": self.role, "content": self.content, "thinking": self.thinking, "tool_calls": calls}

    @property
    def gold(self) -> tuple[GoldCall, ...]:
        """The recorded calls, each with what is accepted in its place."""
        acceptances = self.acceptances or (None,) * len(self.tool_calls)
        return tuple(GoldCall.of(*pair) for pair in zip(self.tool_calls, acceptances, strict=True))


class Session(Record):
    """A conversation in order; roles are checked on construction.

    `system` and `tools` are those that the session was recorded with; None: those of its domain. `conversation` names
    what several sessions are branches of: they stay on one side of a split, and count as one in intervals. `metadata`
    is what its record held beside the conversation. `at`: when it took place, in ISO 8601; without an offset it is
    local time.
    """

    session_id: Name
    messages: tuple[Message, ...] = Field(min_length=1)
    tags: tuple[Name, ...] = ()
    system: str | None = None
    tools: Catalog | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    conversation: Name | None = None
    at: str | None = None

    @field_validator("at")
    @classmethod
    def _date(cls, at: str | None) -> str | None:
        if at is not None and not is_iso(at):
            raise ValueError("expected a date in ISO 8601 such as 2026-05-04T10:30:00+02:00")
        return at

    @model_validator(mode="after")
    def _roles(self) -> "Session":
        open_calls = 0
        for number, message in enumerate(self.messages):
            if message.tool_calls and message.role != "assistant":
                raise ValueError(f"messages.{number}: only the assistant calls tools, got role {message.role!r}")
            if message.acceptances and len(message.acceptances) != len(message.tool_calls):
                raise ValueError(f"messages.{number}: expected an acceptance for each of its calls")
            if (message.alternatives or message.rejected) and message.role != "assistant":
                has = "alternatives" if message.alternatives else "rejected answers"
                raise ValueError(f"messages.{number}: only the assistant has {has}, got role {message.role!r}")
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

    @property
    def group(self) -> str:
        """The name of its conversation."""
        return self.conversation or self.session_id

    def said(self) -> list[dict[str, Any]]:
        """Its messages, each as what tells it from others."""
        return [message.said() for message in self.messages]

    def known_as(self, conversation: str, session_id: str | None = None) -> "Session":
        """The session under the name of its conversation, and under another id if one is given."""
        renamed = {"session_id": session_id} if session_id else {}
        return self.model_copy(update={"conversation": conversation, **renamed})

    def learnt_at(self, answers: Collection[int]) -> "Session":
        """The session with only some of the assistant's messages to learn; those are counted from 0."""
        spoken = [number for number, message in enumerate(self.messages) if message.role == "assistant"]
        left_out = {number for at, number in enumerate(spoken) if at not in answers}
        messages = tuple(
            message.model_copy(update={"train": False}) if number in left_out else message
            for number, message in enumerate(self.messages)
        )
        return self.model_copy(update={"messages": messages})

    def record(self) -> dict[str, Any]:
        """The session in callproof's own form, from which it is read back."""
        value: dict[str, Any] = {"session_id": self.session_id}
        value |= {} if self.conversation is None else {"conversation": self.conversation}
        value |= {} if self.at is None else {"at": self.at}
        value |= {"tags": list(self.tags)} if self.tags else {}
        value |= {} if self.system is None else {"system": self.system}
        value |= {} if self.tools is None else {"tools": [tool.wire() for tool in self.tools.tools]}
        value |= {"metadata": self.metadata} if self.metadata else {}
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


def unique(sessions: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Pass (place, session) pairs through.

    Raises:
        UserError: a session id occurs a second time.
    """
    names, places = Names(), Places()
    for where, session in sessions:
        if (first := names.add(session.session_id)) is not None:
            raise UserError(where, f"session_id {session.session_id!r} is already at {places[first]}", "rename it")
        places.add(where)
        yield where, session


def to_session(record: dict[str, Any], where: str, name: str) -> Session:
    """The session that a record of any form holds; `name` is its id if it brings none.

    Raises:
        UserError: see `callproof.sessions.forms.own_form`; a line of a log that holds no gold.
    """
    try:
        if is_logged(record):
            exchange = read_exchange(record)
            gold_answer(exchange)
            record = plain_record(record, exchange)
        read, session = read_record(record, where, name)
        if read.without_gold:
            raise NoGold(read.without_gold)
        return session
    except NoGold as error:
        raise UserError(where, str(error), "leave the line out") from None


def is_logged(record: dict[str, Any]) -> bool:
    """Whether a record is a line of a log of requests."""
    return is_exchange(record) and not is_no_log(record)


def read_record(
    record: dict[str, Any], where: str, name: str, form: Form | None = None, is_checked: bool = False
) -> tuple[ReadRecord, Session]:
    """What a record that is no line of a log says, and its session.

    Args:
        record, where, name: as of `to_session`.
        form: the one that it must have; None: the first that fits.
        is_checked: no half character is in it, and it is not nested too deep.

    Raises:
        UserError: see `callproof.sessions.forms.own_form`.
        NoGold: see there.
    """
    if not is_checked:
        _check_values(record, where)
    read = own_form(record, where, name, form)
    at = as_text(record.get("at")) or recorded_at(record)
    try:
        return read, Session.model_validate({**read.fields, "at": at})
    except ValidationError as error:
        raise UserError(where, explain(error), "see docs/reference/data.md for the forms") from None


def _check_values(record: dict[str, Any], where: str) -> None:
    """Raise a UserError for half a character, or for values nested too deep."""
    refuse_half_characters(record, where)
    if depth_is_over(record, 2 * MAX_DEPTH):
        raise UserError(where, f"nested deeper than {2 * MAX_DEPTH}", "see docs/reference/data.md for the forms")
