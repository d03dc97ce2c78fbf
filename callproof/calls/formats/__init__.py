"""How families of models write calls: one registry, named as vLLM names its `--tool-call-parser`."""

from .foreign import mark_foreign
from .format import Block, Format, ReadCall, Thinking, Tools
from .python_calls import literal_at
from .registry import FORMATS
from .templates import CallTurn, TemplateRefusal, format_of_template, render_call_turn, render_chat, tools_of

__all__ = [
    "FORMATS",
    "Block",
    "CallTurn",
    "Format",
    "ReadCall",
    "TemplateRefusal",
    "Thinking",
    "Tools",
    "format_of_template",
    "literal_at",
    "mark_foreign",
    "render_call_turn",
    "render_chat",
    "tools_of",
]
