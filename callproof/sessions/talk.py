"""Reads the messages of a record into callproof's own form: roles, text, calls, and which call a result answers.

- `developer` is `system`. System messages stand before all others and are joined by an empty line.
- The user begins. A greeting of the assistant answers no prompt, so it can be neither trained nor tested: it is
  refused, and belongs into the system prompt.
- Messages of the assistant in a row stay apart, as they were recorded: each is an answer of its own.
- `content` is text, null, or a list of text parts, which are joined by a line break as vLLM does it.
- Thinking of the assistant comes from `thinking`, `reasoning` or `reasoning_content`, and is kept apart from its text;
  thinking inside `content` stays there.
- Calls come from `tool_calls`, or from `<tool_call>` blocks in the assistant's text; both at once are refused, and so
  is a malformed or unclosed block: what a model is to learn must be well-formed.
- What else is right than the recorded calls stands in `accept`, `optional` and `alternatives`, see
  `callproof.sessions.acceptance`.
- A result belongs to the call of its `tool_call_id`, else to the first unanswered call of its `name`, else to the first
  unanswered call. Ids are looked at only where the calls have some.
"""

from typing import Any, NoReturn

from pydantic import ValidationError

from callproof.calls import MalformedCall, ParsedAnswer, ToolCall, Tools, parse_answer, without_think
from callproof.errors import UserError
from callproof.records import explain

from .acceptance import KEYS, Acceptance, GoldCall, read_acceptance

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_THINKING = ("thinking", "reasoning", "reasoning_content")
"""Under which names sessions carry what the assistant thought before it spoke."""

_KEYS = {
    "system": ("role", "content", "name"),
    "user": ("role", "content", "name"),
    "assistant": ("role", "content", "name", "tool_calls", "alternatives", *_THINKING),
    "tool": ("role", "content", "name", "tool_call_id"),
}
_CALL_KEYS = ("id", "type", "index", "function", "name", "arguments", *KEYS)
_MEND = "see docs/data.md for the forms"


def refuse(place: str, problem: str, mend: str = _MEND) -> NoReturn:
    """Raise a UserError."""
    raise UserError(place, problem, mend)


def kind(value: object) -> str:
    """The type of a JSON value, as an error names it."""
    return "nothing" if value is None else type(value).__name__


def text_of(value: Any, place: str) -> str:
    """The text of a message's `content`: null is empty, text parts are joined by line breaks.

    Raises:
        UserError: it is neither text nor a list of text parts.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        refuse(place, f"expected text, got {kind(value)}")
    return "\n".join(_part(part, f"{place}.{number}") for number, part in enumerate(value))


def _part(part: Any, place: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        part_type = part.get("type", "an object") if isinstance(part, dict) else kind(part)
        refuse(place, f"expected a part of type text, got {part_type!r}")
    return part["text"]


class Talk:
    """Takes the messages of a record in order; `system` and `messages` then hold them in callproof's own form."""

    def __init__(self, where: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self._where = where
        self._system: list[str] = []
        self._calls: list[tuple[str | None, str]] = []
        """(id, tool) of the calls that the last message of the assistant made."""
        self._open: list[int] = []

    @property
    def system(self) -> str | None:
        return "\n\n".join(self._system) if self._system else None

    def add(self, place: str, message: Any) -> None:
        """Take the next message; `place` is its path in the record.

        Raises:
            UserError: `where: place: what was expected`.
        """
        place = f"{self._where}: {place}"
        if not isinstance(message, dict):
            refuse(place, f"expected a message object, got {kind(message)}")
        sender = message.get("role")
        role = _ROLES.get(sender) if isinstance(sender, str) else None
        if role is None:
            refuse(f"{place}.role", f"expected {', '.join(_ROLES)}, got {sender!r}"[:200])
        self._check_keys(place, role, message)
        content = text_of(message.get("content"), f"{place}.content")
        {"system": self._add_system, "user": self._add_user, "assistant": self._add_answer, "tool": self._add_result}[
            role
        ](place, message, content)

    def _check_keys(self, place: str, role: str, message: dict[str, Any]) -> None:
        for key, value in message.items():
            if key in _KEYS[role] or value is None or value == []:
                continue
            if key == "tool_calls":
                refuse(place, f"only the assistant calls tools, got role {role!r}")
            refuse(f"{place}.{key}", "unknown key", f"keys of role {role}: {', '.join(_KEYS[role])}")
        if role != "assistant" and "content" not in message:
            refuse(f"{place}.content", "expected text, got nothing")
        if not isinstance(message.get("name"), str | None):
            refuse(f"{place}.name", f"expected text, got {kind(message['name'])}")

    def _add_system(self, place: str, _: dict[str, Any], content: str) -> None:
        if self.messages:
            refuse(place, "a system message after the conversation began", "put it first, or leave it out")
        self._system.append(content)

    def _add_user(self, _: str, message: dict[str, Any], content: str) -> None:
        self._calls, self._open = [], []
        self._keep("user", content, message)

    def _add_answer(self, place: str, message: dict[str, Any], content: str) -> None:
        if not self.messages:
            problem = "expected the user to begin, got role 'assistant'"
            refuse(place, problem, "move a greeting into the system prompt, or leave it out")
        self._calls, calls = [], []
        acceptances: list[Acceptance] = []
        if "<tool_call>" in content:
            content, calls = _calls_in_text(place, content)
            self._calls = [(None, call.name) for call in calls]
        if recorded := message.get("tool_calls"):
            if calls:
                refuse(place, "calls in its text and in tool_calls", "keep one of them")
            calls, acceptances = self._recorded_calls(f"{place}.tool_calls", recorded)
        self._open = list(range(len(calls)))
        thinking = _thinking(place, message)
        more = {
            "thinking": thinking,
            "tool_calls": calls,
            "acceptances": acceptances if any(one != Acceptance() for one in acceptances) else (),
            "alternatives": _alternatives(f"{place}.alternatives", message.get("alternatives")),
        }
        self._keep("assistant", content, message, **{key: value for key, value in more.items() if value})

    def _recorded_calls(self, place: str, recorded: Any) -> tuple[list[ToolCall], list[Acceptance]]:
        calls, acceptances = _calls(place, recorded)
        ids = [call.get("id") for call in recorded]
        for number, call_id in enumerate(ids):
            if call_id is not None and call_id in ids[:number]:
                refuse(f"{place}.{number}.id", f"{call_id!r} is already the id of a call before it", "number the calls")
        self._calls = [(call_id, call.name) for call_id, call in zip(ids, calls, strict=True)]
        return calls, acceptances

    def _add_result(self, place: str, message: dict[str, Any], content: str) -> None:
        if not self._open:
            refuse(place, "a tool result without a call before it", "give the call, or leave the result out")
        answered = self._answered(place, message)
        in_order = answered == len(self._calls) - len(self._open)
        self._open.remove(answered)
        self._keep("tool", content, message, **({} if in_order else {"answers": answered}))

    def _answered(self, place: str, message: dict[str, Any]) -> int:
        """The index, in the last calling message, of the call that a result answers."""
        call_id, name = message.get("tool_call_id"), message.get("name")
        ids = [self._calls[number][0] for number in self._open]
        if call_id is not None and any(open_id is not None for open_id, _ in self._calls):
            if call_id not in ids:
                waiting = ", ".join(map(repr, ids))
                problem = f"expected a call that waits for its result ({waiting}), got {call_id!r}"
                refuse(f"{place}.tool_call_id", problem)
            return self._open[ids.index(call_id)]
        return next((number for number in self._open if self._calls[number][1] == name), self._open[0])

    def _keep(self, role: str, content: str, message: dict[str, Any], **more: Any) -> None:
        name = {"name": message["name"]} if message.get("name") is not None else {}
        self.messages.append({"role": role, "content": content, **name, **more})


def _thinking(place: str, message: dict[str, Any]) -> str:
    """What a message says of its thinking, under whichever name; white space around it is not kept."""
    texts: dict[str, str] = {}
    for key in _THINKING:
        value = message.get(key)
        if not isinstance(value, str | None):
            refuse(f"{place}.{key}", f"expected text, got {kind(value)}")
        if value and value.strip():
            texts[key] = value.strip()
    if len(set(texts.values())) > 1:
        refuse(place, f"its thinking differs in {' and '.join(texts)}", "keep one of them")
    return next(iter(texts.values()), "")


def _calls_in_text(place: str, content: str) -> tuple[str, list[ToolCall]]:
    """The text beside the `<tool_call>` blocks of an answer, its thinking kept, and their calls."""
    answer = parse_answer(content)
    mend = 'write <tool_call>{"name": ..., "arguments": {...}}</tool_call>'
    if answer.truncated or answer.unclosed:
        refuse(f"{place}.content", "a <think> or <tool_call> that nothing closes", mend)
    calls = [call for call in answer.calls if isinstance(call, ToolCall)]
    for call in answer.calls:
        if isinstance(call, MalformedCall):
            excerpt = call.text if len(call.text) <= 120 else f"{call.text[:117]}..."
            refuse(f"{place}.content", f"a malformed <tool_call> ({call.reason}): {excerpt}", mend)
    return (text_beside(content, answer), calls) if calls else (content, [])


def text_beside(content: str, answer: ParsedAnswer, format: str = "hermes", tools: Tools | None = None) -> str:
    """The text of an answer without the calls that `parse_answer` read from it; thinking is kept.

    Args:
        content: the whole answer.
        answer: what `parse_answer` made of it, with the same format and tools.
    """
    rest = without_think(content, format, tools) or ""
    thinking = content[: len(content) - len(rest)]
    return "\n\n".join(filter(None, (thinking.strip(), answer.text)))


def _alternatives(place: str, written: Any) -> list[list[GoldCall]]:
    """The further right answers of a message; null and an empty list are none."""
    if not isinstance(written, list | None):
        refuse(place, f"expected a list of answers, each a list of calls, got {kind(written)}")
    answers: list[list[GoldCall]] = []
    for number, answer in enumerate(written or ()):
        calls, acceptances = _calls(f"{place}.{number}", answer)
        answers.append([GoldCall.of(*pair) for pair in zip(calls, acceptances, strict=True)])
    return answers


def _calls(place: str, written: Any) -> tuple[list[ToolCall], list[Acceptance]]:
    """The calls of a list, and what is accepted in the place of each."""
    if not isinstance(written, list):
        refuse(place, f"expected a list of calls, got {kind(written)}")
    calls = [_call(f"{place}.{number}", call) for number, call in enumerate(written)]
    places = enumerate(zip(written, calls, strict=True))
    return calls, [read_acceptance(f"{place}.{number}", *pair) for number, pair in places]


def _call(place: str, value: Any) -> ToolCall:
    if not isinstance(value, dict):
        refuse(place, f"expected a call object, got {kind(value)}")
    for key in value:
        if key not in _CALL_KEYS and value[key] is not None:
            refuse(f"{place}.{key}", "unknown key", f"keys of a call: {', '.join(_CALL_KEYS)}")
    inner = value.get("function")
    function = inner if isinstance(inner, dict) else value
    arguments = function.get("arguments")
    call = {"name": function.get("name"), "arguments": {} if arguments in (None, "") else arguments}
    try:
        return ToolCall.model_validate(call)
    except ValidationError as error:
        refuse(place, explain(error))
