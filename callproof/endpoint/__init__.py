"""The timed client of an OpenAI-compatible endpoint, and what a server can and builds of a prompt."""

from .abilities import UNPARSED, Abilities, Wanted, channel_words, choose_channel
from .address import api_key_from, without_credentials
from .chat_request import TAKEN_OUT, TOOL_CHOICE, is_taken_out, request
from .endpoint import Endpoint, NoAnswer
from .optional_keys import BEYOND_OPENAI, TOKEN_IDS
from .probe import probe, probe_prompt
from .raw_text import RawText
from .reply import Reply
from .served import require_models, served_name
from .server_prompt import ServedPrompt, prompt_tokens, served_prompt, shows_catalog, tokenize_request

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
    "ServedPrompt",
    "Wanted",
    "api_key_from",
    "channel_words",
    "choose_channel",
    "is_taken_out",
    "probe",
    "probe_prompt",
    "prompt_tokens",
    "request",
    "require_models",
    "served_name",
    "served_prompt",
    "shows_catalog",
    "tokenize_request",
    "without_credentials",
]
