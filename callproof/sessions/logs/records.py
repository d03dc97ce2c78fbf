"""A line of a log as a record in OpenAI's form of messages."""

from typing import Any

from ..dates import logged_at
from .exchanges import Exchange

_IDS = ("instance_id", "task_id")


def plain_record(row: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """The record of a conversation that ends with the answer of an exchange.

    Args:
        row: the line, whose `tags`, `metadata` and ids are kept.
        exchange: what was read from it.
    """
    kept = {key: row[key] for key in ("tags", "metadata", *_IDS) if row.get(key) is not None}
    named = exchange.session or (None if any(key in kept for key in _IDS) else exchange.request_id)
    return {
        **({"session_id": named} if named else {}),
        **kept,
        "at": logged_at(row),
        "messages": [_newer(message) for message in (*exchange.messages, exchange.spoken)],
        "tools": exchange.tools,
    }


def _newer(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the older API, whose calls and results are of functions, in the form of today."""
    if message.get("role") == "function":
        return {**message, "role": "tool"}
    older = message.get("function_call")
    if message.get("role") != "assistant" or not isinstance(older, dict) or message.get("tool_calls"):
        return message
    rest = {key: value for key, value in message.items() if key != "function_call"}
    return {**rest, "tool_calls": [{"type": "function", "function": older}]}
