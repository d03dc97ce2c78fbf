"""What a checkpoint itself says of the form of its calls: `response_template` of transformers 5.

Its field `tool_calls` says what opens and closes a call (`open`, `open_pattern`, ...) and how its content is read
(`json`, `xml-inline`, ...). It is a hint, no reader: the known formats whose calls it would open, close and fill.
"""

from collections.abc import Mapping
from typing import Any

from callproof.calls import render
from callproof.calls.formats import FORMATS, PROBE
from callproof.catalog import BadPattern, TooCostly, search

_SPECIAL = frozenset(r"\^$.*+?()[]{}|/")


def declared_formats(response_template: Any) -> list[str] | None:
    """The known formats that a response template describes, none if it describes another form.

    Returns:
        Names of formats; None if it says nothing of calls.
    """
    fields = response_template.get("fields") if isinstance(response_template, Mapping) else None
    calls = fields.get("tool_calls") if isinstance(fields, Mapping) else None
    if not isinstance(calls, Mapping):
        return None
    opening = _anchor(calls, "open")
    if opening is None:
        return []
    names = [name for name, form in FORMATS.items() if name == form.name and _describes(calls, opening, name)]
    first = [name for name in names if _found(rf"^\s*(?:{opening})", render([PROBE], name))]
    return first or names


def _describes(calls: Mapping[str, Any], opening: str, name: str) -> bool:
    """Whether a call of a format opens, holds and closes what the field says."""
    text = render([PROBE], name)
    content = calls.get("content")
    if content == "json":
        opening = rf"(?:{opening})\s*[\[{{]"
    if content == "xml-inline" and not _found(_tag(calls), text):
        return False
    closing = _anchor(calls, "close")
    ended = [text, *(text + end for end in FORMATS[name].ends)]
    return _found(opening, text) and (closing is None or any(_found(closing, whole) for whole in ended))


def _tag(calls: Mapping[str, Any]) -> str:
    """The pattern of one argument."""
    arguments = calls.get("content_args")
    pattern = arguments.get("tag_pattern") if isinstance(arguments, Mapping) else None
    return _translated(pattern) if isinstance(pattern, str) else ""


def _anchor(calls: Mapping[str, Any], key: str) -> str | None:
    """A pattern for the text or the pattern under `open` or `close`."""
    literal, pattern = calls.get(key), calls.get(f"{key}_pattern")
    if isinstance(literal, str):
        return "".join(f"\\{sign}" if sign in _SPECIAL else sign for sign in literal)
    return _translated(pattern) if isinstance(pattern, str) else None


def _translated(pattern: str) -> str:
    """A pattern of Python with named groups as ECMA-262 writes them."""
    return pattern.replace("(?P<", "(?<")


def _found(pattern: str, text: str) -> bool:
    """Whether a pattern is found in bounded time; one that cannot be searched is not."""
    try:
        return search(pattern, text)
    except (BadPattern, TooCostly):
        return False
