"""Whether what the model is to say reads back as what was recorded: the guard of every supervised span."""

import json
from collections.abc import Sequence
from typing import Any

from callproof.calls import MalformedCall, ToolCall, parse_answer
from callproof.turns import Conversation

SHOWN = 200
"""Characters of a span that an error shows."""

Calls = Sequence[ToolCall | MalformedCall]


class ReadBack:
    """Compares the spans of one conversation with its messages.

    Args:
        conversation: what was recorded.
        format: the name of the format of the chat template; None where it writes no known one.
    """

    def __init__(self, conversation: Conversation, format: str | None) -> None:
        self._tools = conversation.tools or conversation.unsent_tools or ()
        first = conversation.messages[:1]
        self._messages = conversation.messages[int(bool(first) and first[0]["role"] == "system") :]
        self._calls_in_text = conversation.calls_in_text
        self._format = "hermes" if self._calls_in_text else format
        self._schemas = {
            tool["function"]["name"]: tool["function"].get("parameters") or {"type": "object"} for tool in self._tools
        }
        self._expects_tools = bool(conversation.tools) or self._calls_in_text

    def missing_tools(self, prompt: str) -> list[str]:
        """The tools that the model should be shown, and whose names are not in its prompt."""
        return [name for name in self._schemas if name not in prompt] if self._expects_tools else []

    def hidden_system(self, prompt: str, number: int) -> int | None:
        """The number of a message of the system before message `number` that its prompt does not hold, if there is one.

        Numbers leave out the system prompt, as those of a session do.
        """
        before = self._messages[:number]
        lost = (
            at
            for at, message in enumerate(before)
            if message["role"] == "system" and message["content"].strip() not in prompt
        )
        return next(lost, None)

    def problem(self, message: dict[str, Any], span: str) -> str | None:
        """Why a span does not say what the message says; None where it does.

        Args:
            message: of the assistant, in wire form.
            span: what the model is to say, decoded from its tokens, without the end of the turn.
        """
        calls = [_call_of(call) for call in message.get("tool_calls") or ()]
        if calls and self._format is None:
            return f"writes a call as {_shown(span)}, which no known format reads as a call"
        format = self._format or "hermes"
        recorded = parse_answer(message.get("content") or "", "stop", format, self._schemas)
        expected: Calls = recorded.calls if self._calls_in_text else calls
        said = parse_answer(span, "stop", format, self._schemas)
        if recorded.calls and not self._calls_in_text:
            return f"the recorded text {_shown(message['content'])} reads as a call"
        if _plain(said.calls) != _plain(expected):
            return f"writes {_shown(span)}, which reads back as {_told(said.calls)}, not as {_told(expected)}"
        if said.truncated or said.text.strip() != recorded.text.strip():
            return f"writes {_shown(span)}, whose text reads back as {_shown(said.text)}, not as recorded"
        thinking = message.get("reasoning") or recorded.thinking
        if thinking.strip() and said.thinking.strip() != thinking.strip():
            return f"writes {_shown(span)}, without the thinking that was recorded"
        return None


def _call_of(call: dict[str, Any]) -> ToolCall:
    function = call["function"]
    return ToolCall(name=function["name"], arguments=json.loads(function["arguments"]))


def _plain(calls: Calls) -> list[str]:
    """Calls as texts that are equal where the calls are, and where 1 and true are not."""
    return [json.dumps(call.model_dump(mode="json"), sort_keys=True, ensure_ascii=False) for call in calls]


def _told(calls: Calls) -> str:
    words = [
        f"a malformed call ({call.reason})"
        if isinstance(call, MalformedCall)
        else f"{call.name}({json.dumps(call.arguments, ensure_ascii=False)})"
        for call in calls
    ]
    return _shown(", ".join(words), quoted=False) if words else "no call"


def _shown(text: str, quoted: bool = True) -> str:
    cut = text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
    return repr(cut) if quoted else cut
