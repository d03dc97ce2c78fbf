"""Where a server's raw text comes from: the tokens of the answer, or the content that its parsers leave.

Some of vLLM's parsers stand on an engine that takes calls, or their tags, out of the content whatever `tool_choice`
says; parsers of thinking do so too. The token ids are those that the model wrote, and /detokenize gives their text.
"""

from typing import Literal

from callproof.errors import UserError

from .chat_request import is_taken_out
from .endpoint import Endpoint, NoAnswer
from .optional_keys import TOKEN_IDS

RawText = Literal["tokens", "content"]


async def raw_text_of(endpoint: Endpoint, model: str, tokens: list[int], format: str) -> RawText:
    """What the raw text of an endpoint's answers is made from: tokens where a vLLM would change it and tells them.

    Args:
        tokens: of any text.
        format: in which the model writes calls.

    Raises:
        UserError: it cannot, and the server is a vLLM whose parser of that format changes the content.
    """
    if not is_taken_out(format):
        return "content"
    try:
        await endpoint.text_of(tokens, model)
    except NoAnswer:
        endpoint.leave_out(TOKEN_IDS, loss=False)
    else:
        return "tokens"
    if any(card.get("owned_by") == "vllm" for card in await endpoint.models()):
        problem = f"vLLM's parser of {format!r} takes calls out of the raw text, and there is no /detokenize to read it"
        raise UserError(endpoint.root, problem, "use --channel served")
    return "content"
