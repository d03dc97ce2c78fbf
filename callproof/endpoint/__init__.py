"""The timed client of an OpenAI-compatible endpoint, and questions to a server about the prompts that it builds."""

from .address import api_key_from, without_credentials
from .endpoint import (
    TOOL_CHOICE,
    Endpoint,
    NoAnswer,
    Reply,
    request,
    require_models,
    served_name,
)
from .prompt_probe import prompt_tokens, shows_catalog, tokenize_request

__all__ = [
    "TOOL_CHOICE",
    "Endpoint",
    "NoAnswer",
    "Reply",
    "api_key_from",
    "prompt_tokens",
    "request",
    "require_models",
    "served_name",
    "shows_catalog",
    "tokenize_request",
    "without_credentials",
]
