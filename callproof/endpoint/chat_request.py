"""The body of a chat completion request, the same wherever an answer is asked for."""

from typing import Any

from callproof.calls.formats import FORMATS
from callproof.scoring import Channel
from callproof.turns import HERMES, CallFormat, Turn

TOOL_CHOICE: dict[Channel, str] = {"raw": "none", "served": "auto"}
KEEP_TAGS = "skip_special_tokens"
"""The key of vLLM that keeps special tokens in a text; other servers ignore it, or refuse what they do not know."""
TOKEN_IDS = "return_token_ids"
"""The key of vLLM that asks for the ids of the answer's tokens, from which `raw_text` is made."""
BEYOND_OPENAI = (KEEP_TAGS, TOKEN_IDS)
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


def without_keep_tags(root: str) -> str:
    """What to say where a server refuses `KEEP_TAGS`, and is asked without it."""
    lost = "if the tokenizer marks tags of calls special, the raw text lacks them"
    return f"{root} refuses {KEEP_TAGS}, so it is left out: {lost}"


def refused_keys(payload: dict[str, Any], status: int | None, message: str) -> set[str]:
    """The keys of vLLM in a payload that a server says it does not know."""
    return {key for key in BEYOND_OPENAI if key in payload and key in message} if status in (400, 422) else set()
