"""What a server is told where its base cannot be guided by a grammar.

Guided decoding (`tool_choice: required` or a named function, `parallel_tool_calls: false`, strict tools,
`response_format`) holds the text of each single token against a grammar. Where a token's text depends on its
neighbours, vLLM's xgrammar sees other text than clients get: with models/tiny, whose pieces inside a word are marked,
it lets only beginnings of words through, and the name `search_vehicles` is spelt `search_v e h i cl e s`.
"""

from typing import Any

UNGUIDED: dict[str, Any] = {"structured-outputs-config": {"backend": "lm-format-enforcer"}}
"""vLLM 0.32 cannot load this backend, so that a request that must be guided fails, in place of a wrong answer.

A vLLM that `serve` starts itself says so with HTTP 400 before the engine is asked, see serve/middleware/unguided.py.
"""
NO_STRICT_TOOLS = {"VLLM_ENFORCE_STRICT_TOOL_CALLING": "0"}
"""Tools of other requests are then not guided: what the model writes with `parallel_tool_calls: false` is right."""


def warning(base: str) -> str:
    return (
        f"{base}: a token's text depends on its neighbours, so no grammar can guide it: requests with tool_choice"
        " required or a named function, or with response_format, are refused; strict tools are not enforced"
    )
