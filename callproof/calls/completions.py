"""Chat completions as they come over the wire, whole or as server-sent events; nothing is trusted about their form."""

import json
from dataclasses import dataclass, field
from typing import Any


class NoCompletion(Exception):
    """What came is no chat completion.

    `again`: the stream broke off or told of a failure of the server, so another attempt may bring an answer. `status`:
    what an error inside a stream says of itself.
    """

    def __init__(self, message: str, status: int | None = None, again: bool = False) -> None:
        super().__init__(message)
        self.status, self.again = status, again


@dataclass(frozen=True, slots=True)
class Completion:
    """The first choice of a chat completion."""

    text: str
    finish_reason: str | None
    usage: dict[str, Any] | None
    tool_calls: tuple[dict[str, Any], ...] | None

    @classmethod
    def of_body(cls, body: bytes) -> "Completion":
        """Read a whole body; raises NoCompletion."""
        return cls.of_value(load_json(body))

    @classmethod
    def of_value(cls, value: Any) -> "Completion":
        """Take the JSON value of a body; raises NoCompletion."""
        choice = _first_choice(value)
        if choice is None:
            raise NoCompletion("the answer has no choices")
        message = choice.get("message")
        if not isinstance(message, dict):
            raise NoCompletion("the answer has no message")
        calls = _list_of_objects(message.get("tool_calls"))
        return cls(_text(message), _finish_reason(choice), _usage(value), tuple(calls) or None)


@dataclass(slots=True)
class StreamedCompletion:
    """A chat completion as its events arrive: text and tool-call deltas are put together.

    `texts`: what each event with a choice added.
    """

    texts: list[str] = field(default_factory=list)
    _calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    _done: bool = False
    _finish_reason: str | None = None
    _usage: dict[str, Any] | None = None

    def add(self, data: bytes) -> bool:
        """Take the data of one event; whether it carried a choice. Raises NoCompletion."""
        if data == b"[DONE]":
            self._done = True
            return False
        return self.add_value(load_json(data))

    def add_value(self, value: Any) -> bool:
        """Take the JSON value of one event, as `add`."""
        if not isinstance(value, dict):
            raise NoCompletion("an event that is no object")
        if value.get("error"):
            raise _stream_error(value["error"])
        choice = _first_choice(value)
        self._usage = _usage(value) or self._usage
        if choice is None:
            return False
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            raise NoCompletion("a streamed choice has no delta")
        self.texts.append(_text(delta))
        self._finish_reason = _finish_reason(choice) or self._finish_reason
        for call in _list_of_objects(delta.get("tool_calls")):
            self._add_call(call)
        return True

    def _add_call(self, delta: dict[str, Any]) -> None:
        index, function = delta.get("index", 0), delta.get("function")
        if not isinstance(index, int) or not isinstance(function or {}, dict):
            raise NoCompletion("a streamed tool call is malformed")
        call = self._calls.setdefault(
            index, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = delta.get("id") or call["id"]
        for key, value in (function or {}).items():
            if isinstance(value, str):
                call["function"][key] = call["function"].get(key, "") + value

    def completion(self) -> Completion:
        """The whole, after the last event; raises NoCompletion when the stream broke off or had no choices."""
        if not (self._done or self._finish_reason):
            raise NoCompletion("the stream broke off", again=True)
        if not self.texts:
            raise NoCompletion("the stream had no choices")
        calls = tuple(self._calls[index] for index in sorted(self._calls))
        return Completion("".join(self.texts), self._finish_reason, self._usage, calls or None)


def may_succeed_later(status: int) -> bool:
    """Whether a refused request may be tried again: 429 and 5xx."""
    return status == 429 or status >= 500


def load_json(body: bytes) -> Any:
    """The value of a body; raises NoCompletion."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NoCompletion(f"malformed JSON: {body[:80]!r}") from None


def _first_choice(value: Any) -> dict[str, Any] | None:
    choices = _list_of_objects(value.get("choices") if isinstance(value, dict) else None)
    return choices[0] if choices else None


def _list_of_objects(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NoCompletion("expected a list of objects")
    return value


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        raise NoCompletion(f"content is no text but {type(content).__name__}")
    return content or ""


def _finish_reason(choice: dict[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    return reason if isinstance(reason, str) else None


def _usage(value: dict[str, Any]) -> dict[str, Any] | None:
    usage = value.get("usage")
    return usage if isinstance(usage, dict) else None


def _stream_error(error: Any) -> NoCompletion:
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) else None
    message = f"error in the stream: {json.dumps(error, ensure_ascii=False)[:200]}"
    return NoCompletion(message, status, again=status is None or may_succeed_later(status))
