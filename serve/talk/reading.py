"""An answer as it is displayed, whole or while it streams: its text, and each call with a verdict.

`callproof.calls` alone decides what counts as a call. While an answer streams, a reading contains only what no further
text can change: text and calls up to the first block that is open or malformed. That block is `forming`.
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
    """One call with a verdict; `unchecked`: its schema cannot tell. `text`: its arguments as JSON, or the raw text of a
    malformed call.
    """

    verdict: Literal["valid", "invalid", "unchecked", "unknown tool", "malformed"]
    text: str
    name: str | None = None
    problems: tuple[str, ...] = ()


class Forming(Record):
    """A call that is being written: its name once that is complete, and its arguments so far."""

    name: str | None
    arguments: str


class Reading(Record):
    """What is displayed of an answer. `forming`: the call that is being written, if there is one."""

    thinking: str = ""
    text: str = ""
    calls: tuple[Judged, ...] = ()
    forming: Forming | None = None


def read_whole(text: str, catalog: Catalog, finish_reason: str | None = None) -> Reading:
    """The reading of a complete answer; `text` is `writable`."""
    answer = parse_answer(text, finish_reason)
    calls = tuple(judge(call, catalog) for call in answer.calls)
    return Reading(thinking=_thinking(text), text=answer.text, calls=calls)


def read_forming(text: str, catalog: Catalog) -> Reading:
    """The reading of an answer of which `text` (`writable`) has arrived so far."""
    text = _without_half_a_tag(text)
    answer = parse_answer(text, "length")
    calls = list(takewhile(lambda call: isinstance(call, ToolCall), answer.calls))
    verdicts = tuple(judge(call, catalog) for call in calls)
    if len(calls) == len(answer.calls):
        return Reading(thinking=_thinking(text), text=answer.text, calls=verdicts)
    block = answer.calls[len(calls)]
    assert isinstance(block, MalformedCall)
    ends = [0, *(end for _, end in calls_with_ends(text, "length"))]
    start = text.index(block.text, max(ends[len(calls)], len(text) - len(without_think(text) or "")))
    before = parse_answer(text[:start]).text
    return Reading(thinking=_thinking(text), text=before, calls=verdicts, forming=_forming(text[start:]))


def judge(call: ToolCall | MalformedCall, catalog: Catalog) -> Judged:
    """The verdict on a call, by the tools of a catalog and their schemas."""
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
