"""How families of models write calls: one registry, named as vLLM names its `--tool-call-parser`."""

from .format import Block, Format, ReadCall, Thinking, Tools
from .registry import FORMATS

__all__ = ["FORMATS", "Block", "Format", "ReadCall", "Thinking", "Tools"]
