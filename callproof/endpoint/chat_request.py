"""The body of a chat completion request, the same wherever an answer is asked for."""

from typing import Any

from callproof.scoring import Channel
from callproof.turns import HERMES, CallFormat, Turn

TOOL_CHOICE: dict[Channel, str] = {"raw": "none", "served": "auto"}
KEEP_TAGS = "skip_special_tokens"
"""The key of vLLM that keeps special tokens in a text; other servers ignore it, or refuse what they do not know."""


def request(
    turn: Turn,
    model: str,
    *,
    max_tokens: int,
    temperature: float,
    seed: int = 0,
    channel: Channel = "raw",
    stream: bool = False,
    format: CallFormat = HERMES,
) -> dict[str, Any]:
    """The body of a chat completion request, the same wherever an answer is asked for.

    The turn's tools go with it. The `tool_choice` of the channel (`TOOL_CHOICE`) makes vLLM return the model's text
    unparsed, or the calls that its own parser reads from it. Where the tokenizer marks the tags of calls special, vLLM
    leaves them out of a raw text unless the request asks for them; its own parsers do that themselves.

    Args:
        format: in which the model writes calls.
    """
    payload: dict[str, Any] = {
        "model": model,
        "messages": list(turn.messages),
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
    }
    if turn.tools:
        payload |= {"tools": list(turn.tools), "tool_choice": TOOL_CHOICE[channel]}
    if turn.template_kwargs:
        payload["chat_template_kwargs"] = turn.template_kwargs
    if channel == "raw" and format.special_tags:
        payload[KEEP_TAGS] = False
    if stream:
        payload |= {"stream": True, "stream_options": {"include_usage": True}}
    return payload


def without_keep_tags(root: str) -> str:
    """What to say where a server refuses `KEEP_TAGS`, and is asked without it."""
    lost = "if the tokenizer marks tags of calls special, the raw text lacks them"
    return f"{root} refuses {KEEP_TAGS}, so it is left out: {lost}"


def refuses_keep_tags(status: int | None, message: str) -> bool:
    """Whether an error of a server says that it does not know `KEEP_TAGS`."""
    return status in (400, 422) and KEEP_TAGS in message
