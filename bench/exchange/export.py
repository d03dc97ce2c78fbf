"""Writes the requests of a bench as AIPerf's inputs.json or vLLM's custom JSONL, of which `--help` tells."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from callproof.config import EvalConfig
from callproof.endpoint import Endpoint, request, tokenize_request
from callproof.errors import UserError
from callproof.records import replacing, write_json
from callproof.turns import HERMES, CallFormat, Turn

Turns = Mapping[str, Sequence[Turn]]


def export_aiperf(out: Path, turns: Turns, settings: EvalConfig, format: CallFormat = HERMES) -> int:
    """Write inputs.json; returns the number of requests. The turns of a session stay together and in order.

    Raises:
        UserError: the file cannot be written.
    """
    sessions: dict[str, list[dict[str, Any]]] = {}
    for model, every in turns.items():
        for turn in every:
            sampling = {"max_tokens": settings.max_tokens, "temperature": settings.temperature}
            body = request(turn, model, **sampling, stream=True, format=format)
            sessions.setdefault(f"{model}/{turn.session_id}", []).append(body)
    write_json(out, {"data": [{"session_id": name, "payloads": bodies} for name, bodies in sessions.items()]})
    return sum(map(len, sessions.values()))


async def export_vllm_custom(out: Path, turns: Turns, settings: EvalConfig, url: str | None) -> int:
    """Write the JSONL file; returns the number of prompts.

    Raises:
        UserError: the file cannot be written, or the endpoint at `url` renders no prompts.
    """
    count = 0
    with replacing(out) as file:
        async for prompt in _prompts(turns, settings, url):
            row = {"prompt": prompt, "output_tokens": settings.max_tokens}
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


async def _prompts(turns: Turns, settings: EvalConfig, url: str | None) -> AsyncIterator[str]:
    pairs = [(model, turn) for model, every in turns.items() for turn in every]
    if url is None:
        for _, turn in pairs:
            yield _plain(turn)
        return
    async with Endpoint.of(url, settings) as endpoint:
        for model, turn in pairs:
            yield await _rendered(endpoint, model, turn)


def _plain(turn: Turn) -> str:
    parts = [*(turn.tools or ()), *turn.messages]
    return "\n".join(json.dumps(part, ensure_ascii=False) for part in parts)


async def _rendered(endpoint: Endpoint, model: str, turn: Turn) -> str:
    tokens = await endpoint.probe("/tokenize", tokenize_request(turn, model))
    rendered = await endpoint.probe("/detokenize", {"model": model, "tokens": tokens.get("tokens")})
    if not isinstance(rendered.get("prompt"), str):
        problem = f"renders no prompt of {model} (/tokenize and /detokenize)"
        raise UserError(endpoint.root, problem, "give a running vLLM and a model that it serves, or leave it out")
    return rendered["prompt"]
