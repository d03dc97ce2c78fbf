"""Which lines of a log are one conversation: proxies write a line a request, each with the whole history so far.

A line that names its session belongs to that one. Others belong together where the messages of one begin with the
conversation of another, or where both name one trace, which may be of a single request. The system prompt does not
count, since it often holds a clock; nor do ids of calls and thinking, which clients rewrite or leave out.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from callproof.calls import Completion, without_think
from callproof.turns import digest

Message = Mapping[str, Any]


class Chains:
    """Conversations by the lines that they are made of; a line is known by its number."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def add_named(self, number: int, session: str) -> None:
        """Take a line that names its session."""
        self._join(_line(number), f"session {session}")
        self._names[_line(number)] = session

    def add(self, number: int, messages: Iterable[Message], answer: Completion, trace: str | None) -> None:
        """Take a line that names no session, but perhaps a trace."""
        line, history = _line(number), list(messages)
        keys = [*_prefixes([*history, _answered(answer)]), digest(_opening(history))]
        for key in keys if trace is None else [*keys, f"trace {trace}"]:
            self._join(line, key)
        if trace is not None:
            self._names[line] = trace

    def sessions(self) -> dict[int, str]:
        """The session id of each line: that of its session, or of the first trace in it, else a hash of its own."""
        lines = [key for key in self._above if key.startswith("line ")]
        names: dict[str, str] = {}
        for line in lines:
            if line in self._names:
                names.setdefault(self._root(line), self._names[line])
        return {int(line[5:]): names.get(root := self._root(line), digest(root)) for line in lines}

    def _root(self, key: str) -> str:
        root = key
        while (above := self._above.setdefault(root, root)) != root:
            root = above
        while key != root:
            self._above[key], key = root, self._above[key]
        return root

    def _join(self, line: str, key: str) -> None:
        first, second = sorted((self._root(line), self._root(key)))
        self._above[second] = first


def _line(number: int) -> str:
    return f"line {number}"


def _prefixes(messages: Iterable[Message]) -> Iterable[str]:
    """A hash of each beginning of a conversation that ends with a message of the assistant."""
    running = ""
    for message in messages:
        if message.get("role") in ("system", "developer"):
            continue
        running = digest([running, _plain(message)])
        if message.get("role") == "assistant":
            yield running


def _plain(message: Message) -> dict[str, Any]:
    """What a message says, however it is written."""
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    calls = message.get("tool_calls") or [message.get("function_call")]
    return {
        "role": message.get("role"),
        "content": (without_think(str(content)) or "").strip(),
        "calls": [_call(call) for call in calls if isinstance(call, dict)],
    }


def _call(call: dict[str, Any]) -> list[Any]:
    function = call.get("function")
    written = function if isinstance(function, dict) else call
    arguments = written.get("arguments")
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError, RecursionError):  # what is no JSON is compared as text
            arguments = json.loads(arguments)
    return [written.get("name"), arguments]


def _answered(answer: Completion) -> Message:
    return {"role": "assistant", "content": answer.text, "tool_calls": answer.tool_calls}


def _opening(messages: list[Message]) -> list[Message]:
    """The conversation up to the first message of the user, system prompt included."""
    users = (index for index, message in enumerate(messages) if message.get("role") == "user")
    return messages[: next(users, 0) + 1]
