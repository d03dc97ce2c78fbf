"""An answer as it is displayed, whole or while it streams: its text, and each call with a verdict.

`callproof.calls` alone decides what counts as a call. While an answer streams, a reading contains only what no further
text can change: text and calls up to the first block that is open or malformed (that block is `forming`), and no text
that may still become an attempt. Where the chat template opens the thinking, an answer is thinking until it closes it;
where the template does not, what was shown stays text, even if the closing tag comes.
"""

import difflib
import json
import re
from collections.abc import Iterable
from itertools import chain, takewhile
from typing import Literal

from callproof.calls import MalformedCall, ToolCall, Tools, calls_with_ends, parse_answer, undecided, without_think
from callproof.calls.formats import FORMATS, Format
from callproof.catalog import Catalog
from callproof.records import Record

_NAME = re.compile(r'"name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_ARGUMENTS = re.compile(r'"(?:arguments|parameters)"\s*:\s*')
_WORD = re.compile(r"[\w.-]+(?=[^\w.-])")
_HALF_CLOSING = re.compile(r"</[^<>\s]{0,80}\Z")
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


def read_whole(
    text: str, catalog: Catalog, finish_reason: str | None = None, format: str = "hermes", prefilled: bool = False
) -> Reading:
    """The reading of a complete answer; `text` is `writable`; `prefilled`: the prompt ends inside thinking."""
    answer = parse_answer(text, finish_reason, format, catalog.parameters)
    reading = Reading(thinking=answer.thinking, text=answer.text, calls=_judged(answer.calls, catalog))
    if (before := _before_stray_end(text, catalog, format)) is not None:
        return _joined(read_whole(before, catalog, None, format, prefilled), reading)
    return _as_thinking(reading) if prefilled else reading


def read_forming(text: str, catalog: Catalog, format: str = "hermes", prefilled: bool = False) -> Reading:
    """The reading of an answer of which `text` (`writable`) has arrived so far."""
    text = _without_half_a_tag(text, FORMATS[format])
    if "{" in FORMATS[format].openings and text.rstrip(" \t\r\n;").endswith("}"):
        text = text.rstrip(" \t\r\n;")[:-1]  # what follows may yet spoil the calls before it
    reading = _forming_body(text, catalog, format)
    if (before := _before_stray_end(text, catalog, format)) is not None:
        first = read_forming(before, catalog, format, prefilled)
        return first if first.forming else _joined(read_whole(before, catalog, None, format, prefilled), reading)
    return _as_thinking(reading) if prefilled else reading


def _forming_body(text: str, catalog: Catalog, format: str) -> Reading:
    """The reading of what follows thinking: up to an open block, or to what may still become one."""
    tools = catalog.parameters
    answer = parse_answer(text, "length", format, tools)
    calls = list(takewhile(lambda call: isinstance(call, ToolCall), answer.calls))
    verdicts = _judged(calls, catalog)
    body = len(text) - len(without_think(text, format, tools) or "")
    if len(calls) == len(answer.calls):
        sure = text[: _sure_end(text, body, format, tools)]
        said = answer.text if len(sure) == len(text) else parse_answer(sure, None, format, tools).text
        return Reading(thinking=answer.thinking, text=said, calls=verdicts)
    block = answer.calls[len(calls)]
    assert isinstance(block, MalformedCall)
    ends = [0, *(end for _, end in calls_with_ends(text, "length", format, tools))]
    start = text.index(block.text, max(ends[len(calls)], body))
    before = parse_answer(text[:start], None, format, tools).text
    return Reading(thinking=answer.thinking, text=before, calls=verdicts, forming=_forming(text[start:], catalog))


def _sure_end(text: str, body: int, format: str, tools: Tools) -> int:
    """Up to where no further text can make an attempt of what is text; `body`: where thinking ends."""
    blocks = FORMATS[format].read(text[body:], tools)
    start = body + (blocks[-1].end if blocks else 0)
    return start + undecided(text[start:], FORMATS[format], tools)


def _before_stray_end(text: str, catalog: Catalog, format: str) -> str | None:
    """What stands before the end of thinking that the answer itself never opened; None where there is none."""
    rest = without_think(text, format, catalog.parameters)
    head = "" if rest is None else text[: len(text) - len(rest)]
    thought = next((thought for thought in FORMATS[format].thoughts if head.endswith(thought.close)), None)
    return head.removesuffix(thought.close) if thought and thought.open not in head else None


def _as_thinking(reading: Reading) -> Reading:
    """The same where the template opened the thinking: what nothing has closed is thinking, whatever it looks like."""
    if reading.thinking:
        return reading
    return reading.model_copy(update={"thinking": reading.text, "text": ""})


def _joined(first: Reading, second: Reading) -> Reading:
    """Both sides of a stray end of thinking: what was shown as text before it stays text, and its calls calls."""
    text = "\n\n".join(filter(None, (first.text, second.text)))
    return second.model_copy(update={"thinking": first.thinking, "text": text, "calls": first.calls + second.calls})


def _judged(calls: Iterable[ToolCall | MalformedCall], catalog: Catalog) -> tuple[Judged, ...]:
    return tuple(judge(call, catalog) for call in calls)


def judge(call: ToolCall | MalformedCall, catalog: Catalog) -> Judged:
    """The verdict on a call, by the tools of a catalog and their schemas."""
    if isinstance(call, MalformedCall):
        return Judged(verdict="malformed", text=call.text, problems=(call.reason.replace("_", " "),))
    validity = catalog.validity_in_time(call)
    verdict = "invalid" if validity.problems else "unchecked" if validity.unjudged else "valid"
    problems = (*validity.problems, *([validity.unjudged] if validity.unjudged else ()))
    if call.name not in catalog.by_name:
        near = difflib.get_close_matches(call.name[:100], catalog.by_name, n=1)
        verdict, problems = "unknown tool", (f"the nearest is {near[0]!r}",) if near else ()
    text = json.dumps(call.arguments, indent=2, ensure_ascii=False)
    return Judged(verdict=verdict, text=text, name=call.name, problems=problems)


def _forming(block: str, catalog: Catalog) -> Forming:
    """The name and arguments of a JSON call; in other notations, the first tool that is named and what follows it."""
    if name := _NAME.search(block):
        arguments = _ARGUMENTS.search(block)
        written = block[arguments.end() :] if arguments else ""
        return Forming(name=name[1], arguments=_ENDING.sub("", written))
    words = (word for word in _WORD.finditer(block) if word[0] in catalog.by_name)
    word = next(words, None)
    return Forming(name=word[0], arguments=block[word.end() :].strip()) if word else Forming(name=None, arguments="")


def _without_half_a_tag(text: str, format: Format) -> str:
    """The text without a tag at its end that has not arrived as a whole."""
    tags = {*format.openings, *format.special_tags, *format.wrappers, *format.ends}
    tags |= {*chain.from_iterable(format.thoughts)}
    longest = max(map(len, tags))
    while half := _half_of(tags, text[max(0, len(text) - longest + 1) :]):
        text = text.removesuffix(half)
    return _HALF_CLOSING.sub("", text)


def _half_of(tags: set[str], end: str) -> str:
    """The longest beginning of a tag with which a text ends, unless it is a whole one."""
    tails = (end[start:] for start in range(len(end)))
    return next((tail for tail in tails if any(tag.startswith(tail) and tag != tail for tag in tags)), "")
