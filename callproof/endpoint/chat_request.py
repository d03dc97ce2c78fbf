"""The body of a chat completion request, the same wherever an answer is asked for."""

from typing import Any

from callproof.calls.formats import FORMATS
from callproof.scoring import Channel
from callproof.turns import HERMES, CallFormat, Turn

from .optional_keys import KEEP_TAGS, TOKEN_IDS

TOOL_CHOICE: dict[Channel, str] = {"raw": "none", "served": "auto"}
TAKEN_OUT = frozenset("deepseek_v32 gemma4 glm45 granite kimi_k2 minimax_m2 mistral openai qwen3_xml seed_oss".split())
"""Formats whose parser in vLLM 0.32 changes the content of a request with `tool_choice: none`.

Mistral's does where the tokenizer has `[ARGS]`.
"""


def is_taken_out(format: str) -> bool:
    """Whether vLLM's parser of a format takes calls out of the content of raw answers."""
    return format in FORMATS and FORMATS[format].name in TAKEN_OUT


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
    leaves them out of a raw text unless the request asks for them; its own parsers do that themselves. Several of these
    take calls out of the text whatever `tool_choice` says (`TAKEN_OUT`): there a raw request asks for token ids too.

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
    if channel == "raw" and is_taken_out(format.name):
        payload[TOKEN_IDS] = True
    if stream:
        payload |= {"stream": True, "stream_options": {"include_usage": True}}
    return payload
