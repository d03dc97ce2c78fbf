"""A catalog as text in a system prompt: one JSON object a line, in the words that Hermes and Qwen models know.

What `render_tools` writes, and what the templates of those models write, `split_tools` reads back.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from .strict_json import DECODER, RefusedJSON

_HEAD = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
"""
_TAIL = """

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""
_OPEN, _CLOSE = "<tools>", "</tools>"


class SystemText(NamedTuple):
    """A system prompt without the catalog that stood in it; `tools` is None where none did."""

    text: str
    tools: list[Any] | None


def render_tools(tools: Iterable[dict[str, Any]]) -> str:
    """Tools as a section of a system prompt, with how to call them."""
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    return f"{_HEAD}{_OPEN}\n{lines}\n{_CLOSE}{_TAIL}"


def split_tools(system: str) -> SystemText:
    """A system prompt in two: its first `<tools>` block that holds JSON, and the rest.

    The words that `render_tools` puts around the block go with it; other words stay.

    Raises:
        RefusedJSON: the block begins as JSON, but is malformed.
    """
    start = system.find(_OPEN)
    while start >= 0:
        end = system.find(_CLOSE, start)
        inside = system[start + len(_OPEN) : end].strip() if end >= 0 else ""
        if inside.startswith(("{", "[")):
            before, after = system[:start].removesuffix(_HEAD), system[end + len(_CLOSE) :].removeprefix(_TAIL)
            return SystemText((before + after).strip(), _values(inside))
        start = system.find(_OPEN, start + 1)
    return SystemText(system, None)


def _values(text: str) -> list[Any]:
    """The JSON values of a text, one after another; of a list, its items."""
    values: list[Any] = []
    at = 0
    while at < len(text):
        try:
            value, at = DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise RefusedJSON("invalid_json", f"{error.msg} (char {error.pos})") from None
        except RecursionError:
            raise RefusedJSON("too_deep", "nested too deep") from None
        values += value if isinstance(value, list) else [value]
        at += len(text[at:]) - len(text[at:].lstrip())
    return values
