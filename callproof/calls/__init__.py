"""What a model writes: tool calls as text, read strictly and rendered, and whole answers of a chat completion.

Nothing here knows a catalog: reading never judges.
"""

from .calls import (
    DECODER,
    MAX_DEPTH,
    MalformedCall,
    ParsedAnswer,
    RefusedJSON,
    ToolCall,
    calls_with_ends,
    decode,
    parse,
    parse_answer,
    parse_served,
    render,
    without_think,
    writable,
    writable_value,
)
from .completions import Completion, NoCompletion, StreamedCompletion, load_json, may_succeed_later
from .tool_text import render_tools, split_tools

__all__ = [
    "DECODER",
    "MAX_DEPTH",
    "Completion",
    "MalformedCall",
    "NoCompletion",
    "ParsedAnswer",
    "RefusedJSON",
    "StreamedCompletion",
    "ToolCall",
    "calls_with_ends",
    "decode",
    "load_json",
    "may_succeed_later",
    "parse",
    "parse_answer",
    "parse_served",
    "render",
    "render_tools",
    "split_tools",
    "without_think",
    "writable",
    "writable_value",
]
