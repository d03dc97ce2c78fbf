"""The timed client of an OpenAI-compatible endpoint, and questions to a server about the prompts that it builds."""

from .address import api_key_from, without_credentials
from .chat_request import (
    BEYOND_OPENAI,
    TAKEN_OUT,
    TOKEN_IDS,
    TOOL_CHOICE,
    is_taken_out,
    request,
)
from .endpoint import Endpoint, NoAnswer, Reply, require_models, served_name
from .prompt_probe import prompt_tokens, shows_catalog, tokenize_request
from .raw_text import RawText, raw_text_of

__all__ = [
    "BEYOND_OPENAI",
    "TAKEN_OUT",
    "TOKEN_IDS",
    "TOOL_CHOICE",
    "Endpoint",
    "NoAnswer",
    "RawText",
    "Reply",
    "api_key_from",
    "is_taken_out",
    "prompt_tokens",
    "raw_text_of",
    "request",
    "require_models",
    "served_name",
    "shows_catalog",
    "tokenize_request",
    "without_credentials",
]
