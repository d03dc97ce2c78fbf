"""Sessions: recorded conversations of customers with an assistant that calls tools, one JSON object a line.

    {"session_id": "car_sales-train-0001", "tags": ["parallel"], "messages": [
      {"role": "user", "content": "Any Octavia below 25'000?"},
      {"role": "assistant", "tool_calls": [{"name": "search_vehicles", "arguments": {"max_price": 25000}}]},
      {"role": "tool", "name": "search_vehicles", "content": "{\\"vehicles\\": []}"},
      {"role": "assistant", "content": "Sorry, none at the moment."}]}

A call may also be written in OpenAI's form, `{"id", "type": "function", "function": {"name", "arguments"}}`, with its
arguments as an object or as JSON text. The system prompt and the catalog come from the domain (see `callproof.prompt`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from callproof.calls import ToolCall
from callproof.errors import UserError
from callproof.records import Record, explain, read_jsonl, refuse_half_characters


class Message(Record):
    """One message. `tool_calls` only on the assistant's; `name` (the tool that answered) only on a tool's."""

    role: Literal["user", "assistant", "tool"]
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None


class Session(Record):
    """A conversation without its system prompt, in order; roles are checked on construction."""

    session_id: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()

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
        if self.messages[0].role != "user":
            raise ValueError(f"messages.0: expected the user to begin, got role {self.messages[0].role!r}")
        return self


def read_sessions(path: Path) -> Iterator[tuple[int, Session]]:
    """(line number, session) of a sessions file, streamed.

    Raises:
        UserError: unreadable file, malformed line, or a session id that occurred before (`path:line`).
    """
    seen: dict[str, int] = {}
    for number, value in read_jsonl(path):
        refuse_half_characters(value, f"{path}:{number}")
        try:
            session = Session.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{path}:{number}", explain(error), "see callproof/sessions.py for the form") from None
        if session.session_id in seen:
            first = seen[session.session_id]
            raise UserError(
                f"{path}:{number}", f"session_id {session.session_id!r} is already on line {first}", "rename it"
            )
        seen[session.session_id] = number
        yield number, session
