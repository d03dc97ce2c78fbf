"""The prompt that a server builds from a turn, read through vLLM's /tokenize and /detokenize."""

from typing import Any

from pydantic import ValidationError

from callproof.records import Record
from callproof.turns import Turn, catalog_of

from .endpoint import Endpoint, NoAnswer


class ServedPrompt(Record):
    """A server's prompt of a turn: token ids, and the tokens as strings of the vocabulary (empty if not given)."""

    tokens: tuple[int, ...]
    strings: tuple[str, ...] = ()


def tokenize_request(turn: Turn, model: str, *, with_tools: bool = True) -> dict[str, Any]:
    """The body of vLLM's POST /tokenize for the prompt of a turn."""
    tools = {"tools": list(turn.tools)} if turn.tools and with_tools else {}
    variables = {"chat_template_kwargs": turn.template_kwargs} if turn.template_kwargs else {}
    return {"model": model, "messages": list(turn.messages), "add_generation_prompt": True, **tools, **variables}


async def prompt_tokens(endpoint: Endpoint, turn: Turn, model: str, *, with_tools: bool) -> list[int]:
    """The token ids of a turn's prompt, with or without its tools; empty if the endpoint has no /tokenize."""
    payload = tokenize_request(turn, model, with_tools=with_tools)
    tokens = (await endpoint.probe("/tokenize", payload)).get("tokens")
    return tokens if isinstance(tokens, list) else []


async def served_prompt(endpoint: Endpoint, turn: Turn, model: str) -> ServedPrompt:
    """The prompt of a turn, as one of the requests in flight.

    Raises:
        NoAnswer: the server does not tell it, with the reason.
    """
    where = f"{endpoint.root}/tokenize"
    answer = await endpoint.post("/tokenize", {**tokenize_request(turn, model), "return_token_strs": True})
    if answer.get("tokens") == []:
        raise NoAnswer(f"{where}: no tokens for {turn.turn_id}: it does not tokenize conversations")
    try:
        return ServedPrompt(tokens=answer["tokens"], strings=answer.get("token_strs") or ())
    except (KeyError, ValidationError):
        raise NoAnswer(f"{where}: the answer to {turn.turn_id} holds no list of tokens") from None


async def shows_catalog(endpoint: Endpoint, turn: Turn, model: str, prompt: list[int], bare: list[int]) -> bool | None:
    """Whether a prompt names every tool of its turn; None if the endpoint cannot say.

    Args:
        prompt: token ids of the prompt with tools.
        bare: token ids of the prompt without tools.
    """
    if not turn.tools or not prompt:
        return None
    if prompt == bare:
        return False
    text = (await endpoint.probe("/detokenize", {"model": model, "tokens": prompt})).get("prompt")
    if not isinstance(text, str):
        return True if bare else None
    return all(name in text for name in catalog_of(turn).by_name)
