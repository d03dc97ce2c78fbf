"""Where a server's raw text comes from: the tokens of the answer, or the content that its parsers leave.

Some of vLLM's parsers stand on an engine that takes calls, or their tags, out of the content whatever `tool_choice`
says; parsers of thinking do so too. The token ids are those that the model wrote, and /detokenize gives their text.
"""

from typing import Literal

from callproof.calls.formats import FORMATS
from callproof.errors import UserError

from .chat_request import TOKEN_IDS
from .endpoint import Endpoint, NoAnswer

RawText = Literal["tokens", "content"]
TAKEN_OUT = frozenset("deepseek_v32 gemma4 glm45 granite kimi_k2 minimax_m2 mistral openai qwen3_xml seed_oss".split())
"""Formats whose parser in vLLM 0.32 changes the content of a request with `tool_choice: none`.

Mistral's does where the tokenizer has `[ARGS]`.
"""


def is_taken_out(format: str) -> bool:
    """Whether vLLM's parser of a format takes calls out of the content of raw answers."""
    return format in FORMATS and FORMATS[format].name in TAKEN_OUT


async def raw_text_of(endpoint: Endpoint, model: str, tokens: list[int], format: str) -> RawText:
    """Whether the raw text of an endpoint's answers can be made from tokens; where not, it is not asked for them.

    Args:
        tokens: of any text.
        format: in which the model writes calls.

    Raises:
        UserError: it cannot, and the server is a vLLM whose parser of that format changes the content.
    """
    try:
        await endpoint.text_of(tokens, model)
    except NoAnswer:
        endpoint.leave_out(TOKEN_IDS)
    else:
        return "tokens"
    if is_taken_out(format) and any(card.get("owned_by") == "vllm" for card in await endpoint.models()):
        problem = f"vLLM's parser of {format!r} takes calls out of the raw text, and there is no /detokenize to read it"
        raise UserError(endpoint.root, problem, "use --channel served")
    return "content"
