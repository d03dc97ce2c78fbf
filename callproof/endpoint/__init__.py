"""The timed client of an OpenAI-compatible endpoint, and what a server can and builds of a prompt."""

from .abilities import UNPARSED, Abilities, Wanted, channel_words, choose_channel
from .address import api_key_from, without_credentials
from .chat_request import TAKEN_OUT, TOOL_CHOICE, is_taken_out, request
from .endpoint import Endpoint, NoAnswer
from .optional_keys import BEYOND_OPENAI, TOKEN_IDS
from .probe import probe
from .raw_text import RawText
from .reply import Reply
from .served import require_models, served_name
from .server_prompt import prompt_tokens, shows_catalog, tokenize_request

__all__ = [
    "BEYOND_OPENAI",
    "TAKEN_OUT",
    "TOKEN_IDS",
    "TOOL_CHOICE",
    "UNPARSED",
    "Abilities",
    "Endpoint",
    "NoAnswer",
    "RawText",
    "Reply",
    "Wanted",
    "api_key_from",
    "channel_words",
    "choose_channel",
    "is_taken_out",
    "probe",
    "prompt_tokens",
    "request",
    "require_models",
    "served_name",
    "shows_catalog",
    "tokenize_request",
    "without_credentials",
]
