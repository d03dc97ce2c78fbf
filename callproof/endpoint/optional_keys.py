"""Keys of a request that a server may refuse; what is lost without each is said."""

import re
from typing import Any

KEEP_TAGS = "skip_special_tokens"
"""The key of vLLM that keeps special tokens in a text; other servers ignore it, or refuse what they do not know."""
TOKEN_IDS = "return_token_ids"
"""The key of vLLM that asks for the ids of the answer's tokens, from which `raw_text` is made."""
BEYOND_OPENAI = (KEEP_TAGS, TOKEN_IDS)

OPTIONAL = {
    KEEP_TAGS: "if the tokenizer marks tags of calls special, the raw text lacks them",
    TOKEN_IDS: "answers come without token ids",
    "seed": "sampled answers cannot be repeated",
    "tool_choice": "the server decides whether it parses calls",
    "stream_options": "streams come without the server's count of tokens",
    "logprobs": "answers come without log-probabilities",
    "cache_salt": "a level may find prompts of an earlier one in the cache",
}
"""What is lost without a key that is left out."""
_LIMIT, _LIMIT_OF_OPENAI = "max_tokens", "max_completion_tokens"


def refused_keys(payload: dict[str, Any], status: int | None, message: str) -> set[str]:
    """The optional keys of a payload that a server names where it refuses it, and `max_tokens` if it knows the other.

    Args:
        status: of the answer; only 400 and 422 are refusals of keys.
        message: what the server says.
    """
    if status not in (400, 422):
        return set()
    named = set(re.findall(r"[A-Za-z_]+", message))
    unsupported = re.search(r"\bunsupported\b|\bnot supported\b", message, re.IGNORECASE)
    limit = {_LIMIT} if unsupported and {_LIMIT, _LIMIT_OF_OPENAI} <= named else set[str]()
    return ({key for key in OPTIONAL if key in named} | limit) & payload.keys()


def without_keys(payload: dict[str, Any], refused: set[str]) -> dict[str, Any]:
    """The payload without the refused keys; the limit of tokens goes by its other name."""
    known = {key: value for key, value in payload.items() if key not in refused}
    return known | ({_LIMIT_OF_OPENAI: payload[_LIMIT]} if _LIMIT in refused and _LIMIT in payload else {})


def loss_of(root: str, key: str) -> str:
    """What to say of a key that the server at `root` refuses, and is asked without."""
    if key == _LIMIT:
        return f"{root} refuses {_LIMIT}, so it gets {_LIMIT_OF_OPENAI}"
    return f"{root} refuses {key}, so it is left out: {OPTIONAL[key]}"
