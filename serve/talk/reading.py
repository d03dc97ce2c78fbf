"""An answer as people are shown it, whole or while it forms: its text, and each call with a verdict.

What counts as a call is said by `callproof.calls` alone. While an answer forms, only what no further text can change is
told: text and calls up to the first block that is open or malformed; that block is `forming`, as far as it has come.
"""

import difflib
import json
import re
from itertools import takewhile
from typing import Literal

from callproof.calls import MalformedCall, ToolCall, calls_with_ends, parse_answer, without_think
from callproof.catalog import Catalog
from callproof.records import Record

_TAGS = ("<tool_call>", "</tool_call>", "<think>", "</think>")
_NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_ARGUMENTS = re.compile(r'"arguments"\s*:\s*')
_ENDING = re.compile(r"[}\s]*(</tool_call>)?\s*\Z")


class Judged(Record):
    """One call and whether it could be made; `unchecked`: its schema cannot tell. `text`: its arguments, or what the
    model wrote of a malformed one."""

    verdict: Literal["valid", "invalid", "unchecked", "unknown tool", "malformed"]
    text: str
    name: str | None = None
    problems: tuple[str, ...] = ()


class Forming(Record):
    """A call that is being written: its name once that is complete, and its arguments as far as they have come."""

    name: str | None
    arguments: str


class Reading(Record):
    thinking: str = ""
    text: str = ""
    calls: tuple[Judged, ...] = ()
    forming: Forming | None = None


def read_whole(text: str, catalog: Catalog, finish_reason: str | None = None) -> Reading:
    """What a complete answer says; `text` is `writable`."""
    answer = parse_answer(text, finish_reason)
    calls = tuple(judge(call, catalog) for call in answer.calls)
    return Reading(thinking=_thinking(text), text=answer.text, calls=calls)


def read_forming(text: str, catalog: Catalog) -> Reading:
    """What an answer says so far, of which `text` (`writable`) has come."""
    text = _without_half_a_tag(text)
    answer = parse_answer(text, "length")
    calls = list(takewhile(lambda call: isinstance(call, ToolCall), answer.calls))
    shown = tuple(judge(call, catalog) for call in calls)
    if len(calls) == len(answer.calls):
        return Reading(thinking=_thinking(text), text=answer.text, calls=shown)
    block = answer.calls[len(calls)]
    assert isinstance(block, MalformedCall)
    ends = [0, *(end for _, end in calls_with_ends(text, "length"))]
    start = text.index(block.text, max(ends[len(calls)], len(text) - len(without_think(text) or "")))
    before = parse_answer(text[:start]).text
    return Reading(thinking=_thinking(text), text=before, calls=shown, forming=_forming(text[start:]))


def judge(call: ToolCall | MalformedCall, catalog: Catalog) -> Judged:
    """Whether a call could be made with the tools of a catalog."""
    if isinstance(call, MalformedCall):
        return Judged(verdict="malformed", text=call.text, problems=(call.reason.replace("_", " "),))
    validity = catalog.validity(call)
    verdict = "invalid" if validity.problems else "unchecked" if validity.unjudged else "valid"
    problems = (*validity.problems, *([validity.unjudged] if validity.unjudged else ()))
    if call.name not in catalog.by_name:
        near = difflib.get_close_matches(call.name[:100], catalog.by_name, n=1)
        verdict, problems = "unknown tool", (f"the nearest is {near[0]!r}",) if near else ()
    text = json.dumps(call.arguments, indent=2, ensure_ascii=False)
    return Judged(verdict=verdict, text=text, name=call.name, problems=problems)


def _forming(block: str) -> Forming:
    name, arguments = _NAME.search(block), _ARGUMENTS.search(block)
    written = block[arguments.end() :] if arguments else ""
    return Forming(name=name[1] if name else None, arguments=_ENDING.sub("", written))


def _thinking(text: str) -> str:
    rest = without_think(text)
    return re.sub("</?think>", "", text[: len(text) - len(rest or "")]).strip()


def _without_half_a_tag(text: str) -> str:
    at = text.rfind("<")
    half = at >= 0 and any(tag.startswith(text[at:]) and tag != text[at:] for tag in _TAGS)
    return text[:at] if half else text
