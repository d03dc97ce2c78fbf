"""LangChain's messages, plain, dumped (`{"type": "ai", "data": {...}}`) or serialised (`{"kwargs": {...}}`)."""

from typing import Any

from callproof.console import say_once

from ..refusal import why_not_whole

_ROLES = {
    "human": "user",
    "ai": "assistant",
    "aimessagechunk": "assistant",
    "system": "system",
    "developer": "developer",
    "tool": "tool",
    "function": "tool",
    "chat": None,
}
_UNSAID = ("type", "example", "response_metadata", "usage_metadata", "additional_kwargs", "artifact", "id", "status")


def is_langchain(message: dict[str, Any]) -> bool:
    """Whether a message is written as LangChain does."""
    if isinstance(message.get("kwargs"), dict) and isinstance(message.get("id"), list):
        return True
    return "role" not in message and "from" not in message and str(message.get("type")).lower() in _ROLES


def plain_langchain(message: dict[str, Any]) -> dict[str, Any]:
    """A message of LangChain with the keys of OpenAI's form."""
    if isinstance(message.get("kwargs"), dict):
        kind = str(message["id"][-1]).removesuffix("Chunk").removesuffix("Message").lower()
        message = {"type": kind, **message["kwargs"]}
    elif isinstance(message.get("data"), dict):
        message = {"type": message["type"], **message["data"]}
    extra = message.get("additional_kwargs")
    more = {key: value for key, value in extra.items() if value} if isinstance(extra, dict) else {}
    role = _ROLES.get(str(message.get("type")).lower()) or message.get("role")
    value = {"role": role, **{key: item for key, item in message.items() if key not in _UNSAID}}
    if not value.get("tool_calls"):
        value |= {key: more[key] for key in ("tool_calls", "function_call") if key in more}
    parsed = more.get("reasoning_content")
    value |= {"reasoning_content": parsed} if parsed else {}
    told = message.get("response_metadata")
    if role == "assistant" and isinstance(told, dict) and (reason := why_not_whole(told)):
        say_once(f"answers that are not whole by their response_metadata ({reason}) are not learnt")
        value["train"] = False
    return value
