"""Chat completions as they come over the wire, whole or as server-sent events; nothing is trusted about their form."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

GAVE_UP = ("error", "abort")
"""Values of `finish_reason` by which a server says that it has no answer."""

_THINKING_KEYS = ("reasoning_content", "reasoning", "thinking")


class NoCompletion(Exception):
    """The body is no chat completion, or reports a failure of the server.

    `again`: the stream broke off or the server failed, so another attempt may bring an answer. `status`: the HTTP
    status that an error in the body gives for itself.
    """

    def __init__(self, message: str, status: int | None = None, again: bool = False) -> None:
        super().__init__(message)
        self.status, self.again = status, again


@dataclass(frozen=True, slots=True)
class Completion:
    """The choice of index 0 of a chat completion.

    `thinking` and `refusal` are what the server sends apart from the text; empty if it sends none. `tokens` are the ids
    of what the model wrote, without the token that ended it; None where the server does not tell them.
    """

    text: str
    finish_reason: str | None
    usage: dict[str, Any] | None
    tool_calls: tuple[dict[str, Any], ...] | None
    thinking: str = ""
    refusal: str = ""
    tokens: tuple[int, ...] | None = None

    @classmethod
    def of_body(cls, body: bytes) -> "Completion":
        """Read a whole body; raises NoCompletion."""
        return cls.of_value(load_json(body))

    @classmethod
    def of_value(cls, value: Any) -> "Completion":
        """Read the JSON value of a body; raises NoCompletion."""
        _check_failure(value)
        choice = _choice(value)
        if choice is None:
            raise NoCompletion(f"the answer has no choices: {_excerpt(value)}")
        _check_choice(choice)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise NoCompletion("the answer has no message")
        text, thinking, refusal = _content(message)
        calls = _list_of_objects(message.get("tool_calls")) or _older_call(message)
        ids, reason = _token_ids(choice), _finish_reason(choice)
        tokens = None if ids is None else _unended(ids, reason, choice)
        return cls(text, reason, _usage(value), tuple(calls) or None, thinking, refusal, tokens)


@dataclass(slots=True)
class StreamedCompletion:
    """Puts a chat completion together from its events.

    `texts`: the text that each event with a choice added. `pieces`: how many of these events carried a piece of the
    answer (text, thinking, refusal or call); those that only give the role or the finish reason do not.
    """

    texts: list[str] = field(default_factory=list)
    pieces: int = 0
    _beside: list[tuple[str, str]] = field(default_factory=list)
    _calls: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    _done: bool = False
    _finish_reason: str | None = None
    _usage: dict[str, Any] | None = None
    _tokens: tuple[int, ...] | None = None
    _last: dict[str, Any] = field(default_factory=dict)

    def add(self, data: bytes) -> bool:
        """Take the data of one event; returns whether it carried a choice. Raises NoCompletion."""
        if data == b"[DONE]":
            self._done = True
            return False
        return self.add_value(load_json(data))

    def add_value(self, value: Any) -> bool:
        """Take the JSON value of one event, as `add`. Choices other than the one of index 0 are left out."""
        if not isinstance(value, dict):
            raise NoCompletion("an event that is no object")
        _check_failure(value)
        self._usage = _usage(value) or self._usage
        choice = _choice(value, alone=False)
        if choice is None:
            return False
        _check_choice(choice)
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            raise NoCompletion("a streamed choice has no delta")
        if _finish_reason(choice):
            self._finish_reason, self._last = _finish_reason(choice), choice
        ids = _token_ids(choice)
        self._tokens = self._tokens if ids is None else (*(self._tokens or ()), *ids)
        text, *beside = _content(delta)
        self.texts.append(text)
        self._beside.append((beside[0], beside[1]))
        calls = [self._add_call(call) for call in _list_of_objects(delta.get("tool_calls")) or _older_call(delta)]
        self.pieces += any((text, *beside, *calls))
        return True

    def _add_call(self, delta: dict[str, Any]) -> bool:
        """Take a piece of a call; returns whether it holds any of it."""
        index, function = delta.get("index") or 0, delta.get("function") or {}
        if not isinstance(index, int) or not isinstance(function, dict):
            raise NoCompletion("a streamed tool call is malformed")
        call = self._call_of(index, delta.get("id"), bool(function.get("name")))
        for key, value in function.items():
            if isinstance(value, str):
                call["function"][key] = f"{call['function'].get(key, '')}{value}"
            elif key == "arguments" and isinstance(value, dict):
                call["function"][key] = value
            elif key in ("name", "arguments") and value is not None:
                raise NoCompletion(f"a streamed tool call is malformed: its {key} is {type(value).__name__}")
        return bool(function.get("name") or function.get("arguments"))

    def _call_of(self, index: int, call_id: Any, named: bool) -> dict[str, Any]:
        """The call that a piece belongs to. Some gateways give all calls one index: a further id and name begin one."""
        same = [call for number, call in self._calls if number == index]
        known = next((call for call in same if call_id and call["id"] == call_id), None)
        call = known or (same[-1] if same else None)
        if call is None or (named and not known and call_id and call["id"]):
            call = {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
            self._calls.append((index, call))
        call["id"] = call["id"] or call_id
        return call

    def completion(self) -> Completion:
        """The whole, after the last event; raises NoCompletion when the stream broke off or had no choices."""
        if not (self._done or self._finish_reason):
            raise NoCompletion("the stream broke off", again=True)
        if not self.texts:
            raise NoCompletion("the stream had no choices")
        calls = tuple(call for _, call in sorted(self._calls, key=lambda numbered: numbered[0]))
        thinking, refusal = map("".join, zip(*self._beside, strict=True))
        tokens = None if self._tokens is None else _unended(self._tokens, self._finish_reason, self._last)
        text = "".join(self.texts)
        return Completion(text, self._finish_reason, self._usage, calls or None, thinking, refusal, tokens)


def may_succeed_later(status: int) -> bool:
    """Whether a refused request may be tried again: 429 and 5xx."""
    return status == 429 or status >= 500


def load_json(body: bytes) -> Any:
    """The value of a body; raises NoCompletion."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoCompletion(f"malformed JSON: {body[:80]!r}") from None


def _check_failure(value: Any) -> None:
    """Raise NoCompletion if a body with status 200, or an event, holds an error in place of an answer."""
    if isinstance(value, dict) and (value.get("error") or value.get("object") == "error"):
        raise _failure(value.get("error") or value)


def _check_choice(choice: dict[str, Any]) -> None:
    """Raise NoCompletion if the server gave up on an answer that it had begun."""
    if choice.get("error"):
        raise _failure(choice["error"])
    if choice.get("finish_reason") in GAVE_UP:
        raise NoCompletion(f"the server gave up: finish_reason is {choice['finish_reason']!r}", again=True)


def _failure(error: Any) -> NoCompletion:
    code = error.get("code") if isinstance(error, dict) else None
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()) else None
    message = f"the server sent an error in place of an answer: {_excerpt(error)}"
    return NoCompletion(message, status, again=status is None or may_succeed_later(status))


def _excerpt(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:200]


def _choice(value: Any, alone: bool = True) -> dict[str, Any] | None:
    """The choice of index 0, or one that has no index; `alone`: else the only choice, whatever its index."""
    choices = _list_of_objects(value.get("choices") if isinstance(value, dict) else None)
    if alone and len(choices) == 1:
        return choices[0]
    return next((choice for choice in choices if choice.get("index") in (0, None)), None)


def _list_of_objects(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NoCompletion("expected a list of objects")
    return value


def _older_call(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The `function_call` of the older API as a list of one tool call, or of none."""
    call = message.get("function_call")
    if call is not None and not isinstance(call, dict):
        raise NoCompletion(f"function_call is no object but {type(call).__name__}")
    return [{"type": "function", "function": call}] if call else []


class _Content(NamedTuple):
    """What a message or a delta says: `content`, and what stands beside it or, in parts of their own, inside it."""

    text: str
    thinking: str
    refusal: str


def _content(message: dict[str, Any]) -> _Content:
    content = message.get("content")
    if not isinstance(content, str | list | None):
        raise NoCompletion(f"content is no text but {type(content).__name__}")
    parts = content if isinstance(content, list) else [content or ""]
    text, thinking, refusal = (
        ("".join(kind) for kind in zip(*map(_part, parts), strict=True)) if parts else ("", "", "")
    )
    beside = next(filter(None, (_thinking(message.get(key)) for key in _THINKING_KEYS)), "")
    refused = message.get("refusal")
    return _Content(text, thinking or beside, refusal or (refused if isinstance(refused, str) else ""))


def _part(part: Any) -> _Content:
    """What one part of a content says; references to sources say nothing."""
    if isinstance(part, str):
        return _Content(part, "", "")
    kind = part.get("type", "text") if isinstance(part, dict) else type(part).__name__
    if kind in ("text", "output_text") and isinstance(part.get("text"), str):
        return _Content(part["text"], "", "")
    if kind in ("thinking", "reasoning"):
        return _Content("", _thinking(part.get(kind)) or _thinking(part.get("text")), "")
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return _Content("", "", part["refusal"])
    if kind == "reference":
        return _Content("", "", "")
    raise NoCompletion(f"content holds a part of type {str(kind)[:40]!r}, expected text")


def _thinking(value: Any) -> str:
    """Thinking as text or as a list of text parts; nothing if it is neither."""
    if isinstance(value, list):
        texts = (part.get("text") if isinstance(part, dict) else part for part in value)
        return "".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else ""


def _finish_reason(choice: dict[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    return reason if isinstance(reason, str) else None


def _token_ids(choice: dict[str, Any]) -> tuple[int, ...] | None:
    ids = choice.get("token_ids")
    return tuple(ids) if isinstance(ids, list) and all(type(token) is int for token in ids) else None


def _unended(ids: tuple[int, ...], finish_reason: str | None, choice: dict[str, Any]) -> tuple[int, ...]:
    """The ids without the token that ended the answer, which is no part of its text; a stop text ends with none."""
    ended = finish_reason == "stop" and not isinstance(choice.get("stop_reason"), str)
    return ids[:-1] if ended else ids


def _usage(value: dict[str, Any]) -> dict[str, Any] | None:
    usage = value.get("usage")
    return usage if isinstance(usage, dict) else None
