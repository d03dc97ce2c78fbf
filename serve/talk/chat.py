"""A conversation with a served model: a session that grows turn by turn.

`callproof.turns.domain` assembles the prompt, as for training and evaluation, and the request is that of `evaluate` on
the raw channel. An answer whose calls are all well-formed is stored as text and calls; any other is stored as the text
that the model wrote, as vLLM's parsers do.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from callproof.calls import ToolCall, parse_answer, writable
from callproof.catalog import Catalog
from callproof.config import RunConfig
from callproof.endpoint import request
from callproof.errors import UserError, cause_of
from callproof.records import replacing
from callproof.scoring import Channel
from callproof.sessions import Message, Session, read_sessions, text_beside, to_session
from callproof.turns import Domain, Turn, prefills_thinking, readable_format

from .reading import Judged, Reading, read_forming, read_whole

WHERE = "this conversation"


class Sampling(NamedTuple):
    """Sampling settings; an answer has at most `max_tokens` tokens."""

    max_tokens: int
    temperature: float


class _Step(NamedTuple):
    message: Message
    calls: tuple[Judged, ...] = ()


class Chat:
    """One conversation.

    Args:
        config: names the domain, which gives the system prompt and the tools.
        session_id: determines the date and the order of tools in the prompt, see `callproof.turns.prompt`.
        system: a system prompt to use unchanged in place of the domain's.
        messages: the conversation so far.

    Raises:
        UserError: a file of the domain is missing or malformed, or the format of calls is unknown.
    """

    def __init__(
        self, config: RunConfig, session_id: str, system: str | None = None, messages: Iterable[Message] = ()
    ) -> None:
        self._domain, self._system, self.session_id = Domain(config), system, session_id
        self.format, self._prefilled = readable_format(config), prefills_thinking(config)
        self._steps = [_Step(message) for message in messages]
        self._skipped: set[int] = set()
        probe = self._session((Message(role="user"),))
        self.catalog: Catalog = self._domain.catalog(probe, WHERE)
        self._domain.conversation(probe, WHERE)

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(step.message for step in self._steps)

    @property
    def calls(self) -> list[Judged]:
        """All calls of the model, in order."""
        return [call for step in self._steps for call in step.calls]

    @property
    def open_calls(self) -> list[tuple[int, ToolCall]]:
        """(index, call) for each call of the last answer that has no result yet."""
        results: list[Message] = []
        for message in reversed(self.messages):
            if message.role != "tool":
                break
            results.insert(0, message)
        else:
            return []
        done = {at if result.answers is None else result.answers for at, result in enumerate(results)}
        return [(number, call) for number, call in enumerate(message.tool_calls) if number not in done]

    @property
    def waiting(self) -> ToolCall | None:
        """The next call whose result the user is asked for."""
        return next((call for number, call in self.open_calls if number not in self._skipped), None)

    @property
    def wants_answer(self) -> bool:
        """Whether it is the model's turn."""
        return bool(self._steps) and self.messages[-1].role != "assistant" and self.waiting is None

    def say(self, text: str) -> None:
        """Add a message of the user."""
        self._steps.append(_Step(Message(role="user", content=writable(text))))

    def answer(self, text: str, finish_reason: str | None) -> Reading:
        """Add the model's answer; returns it with a verdict on each call."""
        text = writable(text)
        reading = self.reading(text, finish_reason)
        self._steps.append(_Step(self.answer_message(text, finish_reason), reading.calls))
        self._skipped = set()
        return reading

    def reading(self, text: str, finish_reason: str | None) -> Reading:
        """A complete answer as it is displayed."""
        return read_whole(text, self.catalog, finish_reason, self.format.name, self._prefilled)

    def reading_so_far(self, text: str) -> Reading:
        """An answer as it is displayed while it streams."""
        return read_forming(text, self.catalog, self.format.name, self._prefilled)

    def answer_message(self, text: str, finish_reason: str | None) -> Message:
        """The message that stores an answer in a session; see the head of this module."""
        tools = self.catalog.parameters
        answer = parse_answer(text, finish_reason, self.format.name, tools, self._prefilled)
        calls = tuple(call for call in answer.calls if isinstance(call, ToolCall))
        if not calls or len(calls) < answer.attempts or answer.truncated:
            return Message(role="assistant", content=text)
        return Message(role="assistant", content=text_beside(text, answer, self.format.name, tools), tool_calls=calls)

    def result(self, text: str) -> None:
        """Add a tool's result for the call that waits, or else for the first one that was skipped.

        Raises:
            UserError: every call has a result.
        """
        calls = self.open_calls
        if not calls:
            raise UserError("/result", "no call waits for a result", "write a message")
        number, call = next((open_call for open_call in calls if open_call[0] not in self._skipped), calls[0])
        next_in_order = len(self._last_answer.tool_calls) - len(calls)
        answers = None if number == next_in_order else number
        content = writable(text)
        self._steps.append(_Step(Message(role="tool", name=call.name, content=content, answers=answers)))

    def skip(self) -> None:
        """Leave the call that waits without a result."""
        number = next((number for number, _ in self.open_calls if number not in self._skipped), None)
        if number is not None:
            self._skipped.add(number)

    def undo(self) -> None:
        """Remove the last message of the user and everything after it.

        Raises:
            UserError: the conversation is empty.
        """
        if not self._steps:
            raise UserError("/undo", "the conversation is empty", "write a message")
        last = max(at for at, step in enumerate(self._steps) if step.message.role == "user")
        del self._steps[last:]

    def drop_answer(self) -> None:
        """Remove the last message if it is an answer, so that it can be asked for again.

        Raises:
            UserError: the conversation is empty.
        """
        if not self._steps:
            raise UserError("/retry", "the conversation is empty", "write a message")
        if self.messages[-1].role == "assistant":
            self._steps.pop()

    def session(self) -> Session:
        """The conversation as a session.

        Raises:
            UserError: the conversation is empty.
        """
        if not self._steps:
            raise UserError("/save", "the conversation is empty", "write a message first")
        return self._session(self.messages)

    def request(self, model: str, sampling: Sampling, seed: int = 0, channel: Channel = "raw") -> dict[str, Any]:
        """The request body that asks a model for the next message, streamed, over a channel.

        Raises:
            UserError: the model called a tool, but there is no catalog.
        """
        whole = self._domain.conversation(self._session(self.messages), WHERE)
        turn = Turn(
            turn_id=f"{self.session_id}/{len(self._steps)}",
            session_id=self.session_id,
            position=len(self._steps),
            messages=whole.messages,
            tools=whole.tools,
            gold=(),
            unsent_tools=whole.unsent_tools,
            template_kwargs=whole.template_kwargs,
            prefilled_thinking=self._prefilled,
        )
        return request(turn, model, **sampling._asdict(), seed=seed, channel=channel, stream=True, format=self.format)

    @property
    def _last_answer(self) -> Message:
        return next(message for message in reversed(self.messages) if message.role == "assistant")

    def _session(self, messages: tuple[Message, ...]) -> Session:
        return Session(session_id=self.session_id, messages=messages, system=self._system)


def save(path: Path, session: Session, before: bytes | None) -> bytes:
    """Add a session to a .jsonl file of sessions; returns the line written.

    Args:
        before: the line that an earlier save of this conversation wrote; it is replaced.

    Raises:
        UserError: `path` is no .jsonl file, cannot be read as sessions or written, or holds another session with this
            id; or an answer contains what no session may.
    """
    if path.suffix != ".jsonl":
        raise UserError(path, "expected a file of sessions", "name it ....jsonl")
    line = json.dumps(session.record(), ensure_ascii=False).encode() + b"\n"
    to_session(json.loads(line), WHERE, session.session_id)
    old = _sessions_in(path)
    if before and before in old:
        new = [line if old_line == before else old_line for old_line in old]
    else:
        new = [*old, line]
        _refuse_twice(path, session.session_id)
    with replacing(path) as file:
        file.writelines(new)
    return line


def _sessions_in(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    try:
        return [line.rstrip(b"\n") + b"\n" for line in path.read_bytes().splitlines(keepends=True)]
    except OSError as error:
        raise UserError(path, f"cannot be read ({cause_of(error)})", "choose another file") from None


def _refuse_twice(path: Path, session_id: str) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    for where, session in read_sessions(path):
        if session.session_id == session_id:
            raise UserError(where, f"already holds a session {session_id!r}", "save to another file, or /reset")
