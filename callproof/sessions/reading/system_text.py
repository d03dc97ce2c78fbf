"""The tools that stand in a system prompt, and the prompt without them.

A `<tools>` block of JSON or of Python's literals; Kimi's `tool_declare`; or a JSON list, or JSON objects one after
another, that plainly describe tools, as ToolACE and Glaive write them.
"""

import re
from functools import lru_cache
from typing import Any

from callproof.calls import RefusedJSON, split_tools

from .loose import loose_at, loose_values
from .tools import is_tool

_TAGS = re.compile(
    r"<(?P<tag>tools|AVAILABLE_TOOLS|available_tools)>\s*(?P<tools>[\[{].*?)</(?P=tag)>"
    r"|<\|im_system\|>tool_declare<\|im_middle\|>\s*(?P<declared>\[.*?)<\|im_end\|>"
    r"|\[AVAILABLE_TOOLS\]\s*(?P<available>\[.*?)\[/AVAILABLE_TOOLS\]",
    re.DOTALL,
)
_BEGINS = re.compile(r"\[\s*\{|\{\s*[\"'](?:name|type|function)[\"']\s*:")


@lru_cache(maxsize=64)
def system_and_tools(system: str) -> tuple[str, list[Any] | None]:
    """A system prompt without its tools, and the tools, which nobody changes; None if it has none.

    Raises:
        RefusedJSON: a block for tools begins as JSON, but is malformed.
    """
    if (match := _TAGS.search(system)) is None:
        rest, tools = _written_out(system, [])
        return rest, tools or None
    rest, tools = _without_first(system, match)
    further = [tool for block in _TAGS.finditer(rest) for tool in loose_values(_inside(block))]
    return _written_out(_TAGS.sub("", rest).strip() if further else rest, [*tools, *further])


def _without_first(system: str, match: re.Match[str]) -> tuple[str, list[Any]]:
    """A system prompt without its first block of tools, and the tools in it."""
    if match["tag"] == "tools":
        try:
            text, tools = split_tools(system)
            if tools is not None:
                return text, tools
        except RefusedJSON:
            pass
    return (system[: match.start()] + system[match.end() :]).strip(), loose_values(_inside(match))


def _inside(match: re.Match[str]) -> str:
    return match["tools"] or match["declared"] or match["available"]


def _written_out(text: str, known: list[Any]) -> tuple[str, list[Any]]:
    """A text without the lists, and rows of objects, that all describe tools; and what is known with those tools."""
    kept, tools, at = [], known, 0
    for begin in _BEGINS.finditer(text):
        if begin.start() < at:
            continue
        row, end = _row(text, begin.start())
        if row and all(map(is_tool, row)):
            kept.append(text[at : begin.start()])
            tools, at = [*tools, *(tool for tool in row if tool not in tools)], end
    return ("\n".join(filter(None, map(str.strip, (*kept, text[at:])))) if kept else text), tools


def _row(text: str, begin: int) -> tuple[list[Any], int]:
    """The values that stand one after another from a position on, and where the last ends."""
    values: list[Any] = []
    at = end = begin
    while at < len(text) and text[at] in "[{":
        try:
            value, end = loose_at(text, at)
        except RefusedJSON:
            break
        values += value if isinstance(value, list) else [value]
        at = end + len(text[end:]) - len(text[end:].lstrip(" \t\r\n,"))
    return values, end
