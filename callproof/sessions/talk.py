"""Reads the messages of a record into callproof's own form: roles, text, calls, and which call a result answers.

- `developer` is `system`. System messages before all others are joined by an empty line; a later one stays where it is.
- A greeting of the assistant, before the user has said anything, answers no prompt: it is context.
- Messages of the assistant in a row stay apart, as they were recorded: each is an answer of its own.
- `content` is text, null, or a list of text parts, which are joined by a line break as vLLM does it. A tool's may be
  any JSON value.
- Thinking of the assistant comes from `thinking`, `reasoning` or `reasoning_content`, and is kept apart from its text;
  thinking inside `content` stays there.
- Calls come from `tool_calls`, or from the assistant's text, in any notation that is known; both at once are refused,
  and so is what looks like a call and cannot be read: what a model is to learn must be well-formed.
- What else is right than the recorded calls stands in `accept`, `optional` and `alternatives`, see
  `callproof.sessions.acceptance`.
- A result belongs to the call of its `tool_call_id`, else to the first unanswered call of its `name`, else to the first
  unanswered call. Ids are looked at only where the calls have some. `<tool_response>` blocks are results also in a
  message of the user, and so is a text marked as one (`Observation:`) where a call waits for it.
- `weight: 0`, `train: false`, `loss: false` and `loss_scale: 0` make a message of the assistant context; any other
  `loss_scale` says how many times the loss of the message counts.
- What a model said wrongly in the place of a message stands in `rejected`, see `callproof.sessions.rejected`.
- A token that ends a turn in some template is refused in every text.
"""

import math
from typing import Any

from callproof.calls import ToolCall, Tools
from callproof.errors import UserError

from .acceptance import NOTHING_ELSE, Acceptance, GoldCall, read_acceptance
from .reading import results
from .reading.dialects import MASKS, THINKING
from .reading.faults import BadRecord, Fault, faults_of
from .reading.recorded_calls import plain_calls, recorded_call
from .reading.refusal import kind, refuse
from .reading.text_calls import calls_in_text, end_of_turn, may_call, may_end
from .rejected import read_rejected

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_SILENT = ("id", "uuid", "timestamp", "created_at", "annotations", "status")
"""Keys of a message that say nothing of what it means."""

_KEYS = {
    "system": ("role", "content", "name", *MASKS),
    "user": ("role", "content", "name", *MASKS),
    "assistant": ("role", "content", "name", "tool_calls", "alternatives", "rejected", *THINKING, *MASKS),
    "tool": ("role", "content", "name", "tool_call_id", "is_error", *MASKS),
}


_CALLING = {"role", "content", "tool_calls"}
_PLAIN = ({"role", "content"}, {"role", "content", "tool_call_id"})
"""Keys of the messages that most sessions are made of."""


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
    if not isinstance(part, dict) or part.get("type", "text") not in _TEXTS or not isinstance(part.get("text"), str):
        part_type = part.get("type", "an object") if isinstance(part, dict) else kind(part)
        refuse(place, f"expected a part of type text, got {part_type!r}")
    return part["text"]


_TEXTS = ("text", "input_text", "output_text")


def _result_text(value: Any, place: str) -> str:
    """The text of a tool's `content`: any JSON value, but parts are text or refused."""
    if isinstance(value, list) and value and all(isinstance(part, dict) and "type" in part for part in value):
        return (
            text_of(value, place)
            if any(part["type"] in (*_TEXTS, "image_url", "image") for part in value)
            else (results.as_text(value))
        )
    return results.as_text(value)


class Talk:
    """Takes the messages of a record in order; `system` and `messages` then hold them in callproof's own form.

    `tools`, once they are known, tell which bare texts are calls. Mistakes are gathered in `faults`: each costs its
    message, and the next messages are read on.
    """

    def __init__(self, where: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.tools: Tools = {}
        self.faults: list[Fault] = []
        self._where = where
        self._system: list[str] = []
        self._calls: list[tuple[str | None, str]] = []
        """(id, tool) of the calls that the last message of the assistant made."""
        self._open: list[int] = []
        self._asked = False
        """A user has spoken."""
        self._lost = False
        """A message of the assistant was refused, so that results cannot be told to be without a call."""

    @property
    def system(self) -> str | None:
        return "\n\n".join(self._system) if self._system else None

    def add(self, place: str, message: Any) -> None:
        """Take the next message; `place` is its path in the record."""
        if self._takes_plainly(message):
            return
        try:
            self._add(f"{self._where}: {place}" if place else self._where, message)
        except UserError as error:
            self.faults += faults_of(error, self._where)
            self._lost = True

    def _takes_plainly(self, message: Any) -> bool:
        """Take a message of which nothing is to be found out, as most are; False where it is no such one."""
        if not isinstance(message, dict):
            return False
        keys = message.keys()
        if keys == _CALLING:
            return self._takes_plain_calls(message)
        if keys not in _PLAIN:
            return False
        role, content = message["role"], message["content"]
        if not isinstance(content, str) or may_end(content):
            return False
        if role == "tool":
            if not self._is_awaited(message.get("tool_call_id")):
                return False
            self._open = []
        elif (role == "user" and not self._open) or (
            role == "assistant" and self._asked and content.strip() and not may_call(content)
        ):
            self._calls, self._open, self._lost = [], [], False
        else:
            return False
        self._keep(role, content, {})
        return True

    def _takes_plain_calls(self, message: dict[str, Any]) -> bool:
        """Take an answer that is nothing but calls as OpenAI writes them; False where it is none."""
        if message["role"] != "assistant" or message["content"] not in ("", None) or not self._asked:
            return False
        recorded = message["tool_calls"]
        if (calls := plain_calls(recorded)) is None:
            return False
        self._calls = [(value["id"], call.name) for value, call in zip(recorded, calls, strict=True)]
        self._open, self._lost = list(range(len(calls))), False
        self._keep("assistant", "", {}, tool_calls=calls)
        return True

    def _is_awaited(self, call_id: Any) -> bool:
        """Whether a result with this id is of the last call, and all others have theirs."""
        last = len(self._calls) - 1
        return call_id is not None and self._open == [last] and self._calls[last][0] == call_id and not self._lost

    def _add(self, place: str, message: Any) -> None:
        if not isinstance(message, dict):
            refuse(place, f"expected a message object, got {kind(message)}")
        sender = message.get("role")
        role = _ROLES.get(sender) if isinstance(sender, str) else None
        if role is None:
            refuse(f"{place}.role", f"expected {', '.join(_ROLES)}, got {sender!r}"[:200])
        self._check_keys(place, role, message)
        value = message.get("content")
        content = (_result_text if role == "tool" else text_of)(value, f"{place}.content")
        _refuse_ends(place, (content, *(message.get(key) for key in THINKING)), sender)
        if role == "assistant":
            self._add_answer(place, message, content)
        elif role == "tool":
            self._add_result(place, message, content)
        elif role == "user":
            self._add_user(place, message, content)
        else:
            self._add_system(place, message, content)

    def _check_keys(self, place: str, role: str, message: dict[str, Any]) -> None:
        faults: list[Fault] = []
        for key, value in message.items():
            if key in _KEYS[role] or key in _SILENT or value in (None, [], ""):
                continue
            if key == "tool_calls":
                refuse(place, f"only the assistant calls tools, got role {role!r}")
            path = place.removeprefix(self._where).removeprefix(": ")
            valid = f"keys of role {role}: {', '.join(_KEYS[role])}"
            faults.append(Fault(self._where, f"{path}.{key}", "unknown key", valid))
        if faults:
            raise BadRecord(faults)
        if role != "assistant" and "content" not in message:
            refuse(f"{place}.content", "expected text, got nothing")
        if not isinstance(message.get("name"), str | None):
            refuse(f"{place}.name", f"expected text, got {kind(message['name'])}")

    def _add_system(self, _: str, message: dict[str, Any], content: str) -> None:
        if self.messages:
            self._keep("system", content, message)
        else:
            self._system.append(content)

    def _add_user(self, place: str, message: dict[str, Any], content: str) -> None:
        _is_trained(place, message)
        if content.lstrip().startswith(results.OPENING):
            answers = results.blocks(content, place)
            for answer in answers.results:
                self._add_one_result(place, {"name": answer.name}, answer.content)
            content = answers.rest
            if not content:
                return
        elif self._open and (answer := results.observed(content)) is not None:
            self._add_result(place, {}, answer)
            return
        elif self._open and f"</{results.OPENING[1:]}" in content:
            refuse(place, "text before its <tool_response>", "put the results first, then what the user says")
        self._calls, self._open, self._lost = [], [], False
        self._keep("user", content, message)

    def _add_answer(self, place: str, message: dict[str, Any], content: str) -> None:
        self._calls, self._open = [], []
        trained = _is_trained(place, message) and self._asked
        acceptances: list[Acceptance] = []
        content, calls = calls_in_text(place, content, self.tools)
        self._calls = [(None, call.name) for call in calls]
        if recorded := message.get("tool_calls"):
            if calls:
                refuse(place, "calls in its text and in tool_calls", "keep one of them")
            calls, acceptances = self._recorded_calls(f"{place}.tool_calls", recorded)
        self._open = list(range(len(calls)))
        if trained and not content.strip() and not calls:
            refuse(place, "an answer without text and without calls", "leave it out, or give it weight: 0")
        thinking = _thinking(place, message)
        self._lost = False
        more: dict[str, Any] = {
            "thinking": thinking,
            "tool_calls": calls,
            "acceptances": acceptances
            if any(one is not NOTHING_ELSE and one != NOTHING_ELSE for one in acceptances)
            else (),
            "alternatives": _alternatives(f"{place}.alternatives", message.get("alternatives")),
            "rejected": read_rejected(f"{place}.rejected", message.get("rejected")),
            "loss_scale": message.get("loss_scale") if trained else None,
        }
        self._keep("assistant", content, message, **{key: value for key, value in more.items() if value})
        self.messages[-1] |= {} if trained else {"train": False}

    def _recorded_calls(self, place: str, recorded: Any) -> tuple[list[ToolCall], list[Acceptance]]:
        calls, acceptances = _calls(place, recorded)
        ids = [call.get("id") for call in recorded]
        for number, call_id in enumerate(ids):
            if call_id is not None and call_id in ids[:number]:
                refuse(f"{place}.{number}.id", f"{call_id!r} is already the id of a call before it", "number the calls")
        self._calls = [(call_id, call.name) for call_id, call in zip(ids, calls, strict=True)]
        return calls, acceptances

    def _add_result(self, place: str, message: dict[str, Any], content: str) -> None:
        if content.lstrip().startswith(results.OPENING):
            answers = results.blocks(content, place)
            if answers.rest:
                refuse(place, "text beside its <tool_response> blocks", "put it into a message of its own")
        else:
            answers = results.Results(results.one_each(content, [self._calls[number][1] for number in self._open]), "")
        for answer in answers.results:
            named = {"name": answer.name} if answer.name else {}
            self._add_one_result(place, {**message, **named}, answer.content)

    def _add_one_result(self, place: str, message: dict[str, Any], content: str) -> None:
        if self._lost:
            return
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
        self._asked = self._asked or role == "user"


def _is_trained(place: str, message: dict[str, Any]) -> bool:
    """Whether a message's own words let it be trained; raises a UserError where they say something in between."""
    masks = {key: message[key] for key in MASKS if message.get(key) is not None}
    if not masks:
        return True
    for key, value in masks.items():
        if key == "loss_scale" and isinstance(value, int | float) and 0 <= value < math.inf:
            continue
        if value not in (0, 1):
            problem = f"expected 0 or 1, false or true, got {value!r}"[:200]
            refuse(f"{place}.{key}", problem, "a turn is learned or not; loss_scale may be any number from 0")
    if masks.get("train") and message["role"] != "assistant":
        refuse(f"{place}.train", "only the assistant's messages are trained", "leave it out")
    if len({bool(value) for value in masks.values()}) > 1:
        refuse(place, f"{' and '.join(masks)} say different things", "keep one of them")
    return all(masks.values())


def _refuse_ends(place: str, texts: tuple[Any, ...], sender: Any) -> None:
    for text in texts:
        if isinstance(text, str) and (end := end_of_turn(text, calls_may_end=sender == "assistant")):
            problem = f"holds {end!r}, which ends a turn"
            refuse(f"{place}.content", problem, "take it out of the text, or leave the session out")


def _thinking(place: str, message: dict[str, Any]) -> str:
    """What a message says of its thinking, under whichever name; white space around it is not kept."""
    texts: dict[str, str] = {}
    for key in THINKING:
        value = message.get(key)
        if not isinstance(value, str | None):
            refuse(f"{place}.{key}", f"expected text, got {kind(value)}")
        if value and value.strip():
            texts[key] = value.strip()
    if len(set(texts.values())) > 1:
        refuse(place, f"its thinking differs in {' and '.join(texts)}", "keep one of them")
    return next(iter(texts.values()), "")


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
    calls = [recorded_call(f"{place}.{number}", call) for number, call in enumerate(written)]
    places = enumerate(zip(written, calls, strict=True))
    return calls, [read_acceptance(f"{place}.{number}", *pair) for number, pair in places]
