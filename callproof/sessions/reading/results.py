"""What a tool answered, as a record holds it: text, a JSON value, or `<tool_response>` blocks in a text."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON

from .loose import loose_value
from .refusal import refuse

OPENING = "<tool_response>"
_OBSERVED = re.compile(
    r"\s*(?:(?:observation|function response|tool (?:result|response|output)):(?P<line>.*)"
    r"|\[TOOL_RESULTS\](?P<mistral>.*)\[/TOOL_RESULTS\]"
    r"|```tool_output\s(?P<gemma>.*)```"
    r"|<(?P<tag>(?:tool|function)_(?:results?|responses?|outputs?))>(?P<tagged>.*)</(?P=tag)>)\s*",
    re.DOTALL | re.IGNORECASE,
)
"""Results that stand in the user's turn, where no role of their own is to be had."""
_BLOCK = re.compile(r"\s*<tool_response>((?:(?!</?tool_response>).)*)</tool_response>", re.DOTALL)
_ANSWERS = ("content", "results", "result", "output", "response")


class Result(NamedTuple):
    """The text of one result, and the tool that it names."""

    content: str
    name: str | None


class Results(NamedTuple):
    """The results of a text, and what the user says behind them."""

    results: list[Result]
    rest: str


def blocks(text: str, place: str) -> Results:
    """The results in the `<tool_response>` blocks that begin a text.

    Raises:
        UserError: a block that nothing closes, or further blocks behind text.
    """
    results: list[Result] = []
    at = 0
    while text.startswith(OPENING, at + len(text[at:]) - len(text[at:].lstrip())):
        block = _BLOCK.match(text, at)
        if not block:
            refuse(place, "a <tool_response> that nothing closes", "close each block with </tool_response>")
        at = block.end()
        results.append(Result(block[1].strip(), _named(block[1])))
    rest = text[at:].strip()
    if OPENING in rest:
        refuse(place, "text between its <tool_response> blocks", "put the results first, then what the user says")
    return Results(results, rest)


def observed(text: str) -> str | None:
    """The result that a text is by its mark (ReAct's `Observation:` and others); None where it has none."""
    match = _OBSERVED.fullmatch(text)
    return next(match[name] for name in _MARKS if match[name] is not None).strip() if match else None


_MARKS = ("line", "mistral", "gemma", "tagged")


def one_each(text: str, waiting: Sequence[str]) -> list[Result]:
    """The results of several calls that stand in one text, as a JSON list of objects that name the tools.

    Args:
        text: the result.
        waiting: the tools whose calls wait for a result.

    Returns:
        One for each entry, or the text as it is where it is no such list.
    """
    if len(waiting) > 1 and text.lstrip().startswith("["):
        try:
            entries = loose_value(text)
        except RefusedJSON:
            entries = None
        names = [entry.get("name") for entry in entries or () if isinstance(entry, dict)] if entries else []
        if isinstance(entries, list) and sorted(map(str, names)) == sorted(waiting) and len(entries) == len(names):
            return [Result(json.dumps(entry, ensure_ascii=False), entry["name"]) for entry in entries]
    return [Result(text, None)]


def _named(result: str) -> str | None:
    """The tool that a Hermes result names, `{"name": ..., "content": ...}`."""
    try:
        value: Any = loose_value(result)
    except RefusedJSON:
        return None
    name = value.get("name") if isinstance(value, dict) and any(key in value for key in _ANSWERS) else None
    return name if isinstance(name, str) else None


def as_text(value: Any) -> str:
    """A JSON value as the text of a result; text stays as it is, nothing is empty."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
