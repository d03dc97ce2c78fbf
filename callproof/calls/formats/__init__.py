"""How families of models write calls: one registry, named as vLLM names its `--tool-call-parser`."""

from .foreign import mark_foreign
from .format import Block, Format, ReadCall, Thinking, Tools
from .python_calls import literal_at
from .registry import FORMATS
from .templates import (
    NO_KNOWN_FORMAT,
    PROBE,
    RENDERS_NO_CALL,
    CallTurn,
    TemplateRefusal,
    format_of_template,
    formats_of_template,
    opens_thinking,
    render_call_turn,
    render_chat,
    tools_of,
)

__all__ = [
    "FORMATS",
    "NO_KNOWN_FORMAT",
    "PROBE",
    "RENDERS_NO_CALL",
    "Block",
    "CallTurn",
    "Format",
    "ReadCall",
    "TemplateRefusal",
    "Thinking",
    "Tools",
    "format_of_template",
    "formats_of_template",
    "literal_at",
    "mark_foreign",
    "opens_thinking",
    "render_call_turn",
    "render_chat",
    "tools_of",
]
