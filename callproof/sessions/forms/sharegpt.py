"""`conversations` of entries with a speaker and a value, as ShareGPT and Hermes write them."""

import json
import re
from collections.abc import Iterator
from typing import Any

from ..talk import kind, refuse
from .form import Form, Placed, listed

_FROM = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_FROM_TOOL = ("tool", "observation")
_RESULT = re.compile(r"\s*<tool_response>((?:(?!</?tool_response>).)*)</tool_response>", re.DOTALL)


def _conversations(record: dict[str, Any], where: str) -> Iterator[Placed]:
    for number, entry in enumerate(listed(record["conversations"], f"{where}: conversations")):
        place = f"conversations.{number}"
        if not isinstance(entry, dict):
            refuse(f"{where}: {place}", f"expected an object, got {kind(entry)}")
        for key, value in entry.items():
            if key not in ("from", "value") and value is not None:
                refuse(f"{where}: {place}.{key}", "unknown key", "keys of an entry: from, value")
        speaker, value = entry.get("from"), entry.get("value")
        if not isinstance(value, str):
            refuse(f"{where}: {place}.value", f"expected text, got {kind(value)}")
        if speaker in _FROM_TOOL:
            yield from ((place, result) for result in results(value, f"{where}: {place}"))
        elif speaker in _FROM:
            yield place, {"role": _FROM[speaker], "content": value}
        else:
            known = ", ".join((*_FROM, *_FROM_TOOL))
            refuse(f"{where}: {place}.from", f"expected {known}, got {speaker!r}"[:200])


def results(value: str, place: str) -> Iterator[dict[str, Any]]:
    """The tool results of a text: one for each `<tool_response>` block, or the text as it is where there is none."""
    if "<tool_response>" not in value:
        yield {"role": "tool", "content": value}
        return
    at = 0
    while at < len(value.rstrip()):
        block = _RESULT.match(value, at)
        if not block:
            refuse(place, "text beside or inside its <tool_response> blocks", "close each block with </tool_response>")
        at = block.end()
        yield {"role": "tool", "content": block[1].strip(), **_tool_name(block[1])}


def _tool_name(result: str) -> dict[str, str]:
    """The tool that a Hermes result names, `{"name": ..., "content": ...}`."""
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        return {}
    name = value.get("name") if isinstance(value, dict) and "content" in value else None
    return {"name": name} if isinstance(name, str) else {}


FORMS = (Form(("conversations",), (), _conversations),)
