"""The timed client of an OpenAI-compatible endpoint, and questions to a server about the prompts that it builds."""

from .address import api_key_from, without_credentials
from .chat_request import KEEP_TAGS, TOOL_CHOICE, refuses_keep_tags, request, without_keep_tags
from .endpoint import Endpoint, NoAnswer, Reply, require_models, served_name
from .prompt_probe import prompt_tokens, shows_catalog, tokenize_request

__all__ = [
    "KEEP_TAGS",
    "TOOL_CHOICE",
    "Endpoint",
    "NoAnswer",
    "Reply",
    "api_key_from",
    "prompt_tokens",
    "refuses_keep_tags",
    "request",
    "require_models",
    "served_name",
    "shows_catalog",
    "tokenize_request",
    "without_credentials",
    "without_keep_tags",
]
