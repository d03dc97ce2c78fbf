"""What a model writes: tool calls as text, read strictly and rendered, and whole answers of a chat completion.

Nothing here knows a catalog: reading never judges.
"""

from .answers import calls_with_ends, parse, parse_answer, parse_served, render, without_think
from .calls import MalformedCall, ParsedAnswer, ToolCall
from .completions import GAVE_UP, Completion, NoCompletion, StreamedCompletion, load_json, may_succeed_later
from .formats import Tools
from .strict_json import DECODER, MAX_DEPTH, RefusedJSON, decode, depth_is_over, writable, writable_value
from .tool_text import render_tools, split_tools
from .undecided import undecided

__all__ = [
    "DECODER",
    "GAVE_UP",
    "MAX_DEPTH",
    "Completion",
    "MalformedCall",
    "NoCompletion",
    "ParsedAnswer",
    "RefusedJSON",
    "StreamedCompletion",
    "ToolCall",
    "Tools",
    "calls_with_ends",
    "decode",
    "depth_is_over",
    "load_json",
    "may_succeed_later",
    "parse",
    "parse_answer",
    "parse_served",
    "render",
    "render_tools",
    "split_tools",
    "undecided",
    "without_think",
    "writable",
    "writable_value",
]
