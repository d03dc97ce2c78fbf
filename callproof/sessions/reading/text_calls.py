"""Calls that stand in an assistant's text, in any notation that is known: they become calls, or are refused.

The formats of `callproof.calls.formats` read their own; beside them, data sets know `<functioncall>` (Glaive),
`<TOOLCALL>` (When2Call, Nemotron), `<function=name>{...}</function>` (Llama 3.1) and ReAct's `Action:` and `Action
Input:`. Arguments may stand under another key, and objects may be written as Python prints them.

A tag in backticks or quotation marks, `<tool_call>`, is spoken of and opens nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from callproof.calls import MalformedCall, ParsedAnswer, RefusedJSON, ToolCall, Tools, parse_answer, without_think
from callproof.calls.formats import FORMATS
from callproof.errors import UserError

from .loose import loose_at, loose_value
from .recorded_calls import recorded_call
from .refusal import refuse

_MEND = 'write it as tool_calls, [{"name": ..., "arguments": {...}}]'
_OPENINGS = ("<", "[", "{", "(", "Action Input:", "functools", "to=functions.")
_QUOTED = re.compile(r"(?<=([`'\"*]))(?:</?[\w|:｜▁\-]{2,40}/?>|\[/?[A-Z_]{3,20}\])(?=\1)")
_ENDS = sorted({end for form in FORMATS.values() for end in form.ends} | {"<|endoftext|>", "<|end_of_text|>"}, key=len)
_BEGINNINGS = sorted({next((rare for rare in "<~" if rare in end), end) for end in _ENDS})
"""What every text holds that holds one of them."""
_CLOSED_BY_ENDS = ("<functioncall>", *sorted({mark for form in FORMATS.values() for mark in form.telling}))
_OWN = frozenset(end for form in FORMATS.values() for end in form.ends if end in form.special_tags)
_HIDDEN, _SHOWN = "\ue000", "\ue001"
"""Around the number of a tag that is spoken of and stands aside while calls are read."""
_BLOCKS = {
    "functioncall": re.compile(r"<functioncall>\s*(?P<calls>.*?)\s*(?:</functioncall>|<\|endoftext\|>|\Z)", re.DOTALL),
    "toolcall": re.compile(r"<TOOLCALL>\s*(?P<calls>.*?)\s*(?:</TOOLCALL>|\Z)", re.DOTALL),
    "tool_call": re.compile(r"<tool_call>\s*(?P<calls>[\[{].*?)\s*</tool_call>", re.DOTALL),
    "function": re.compile(r"<function=(?P<name>[^<>\s]{1,256})>\s*(?P<calls>\{.*?\})\s*</function>", re.DOTALL),
    "react": re.compile(
        r"^Action:[ \t]*(?P<name>\S{1,256})[ \t]*\nAction Input:\s*(?P<calls>\{.*?\})\s*\Z",
        re.DOTALL | re.MULTILINE,
    ),
    "json": re.compile(r"\A\s*(?P<calls>[\[{].*[\]}])\s*\Z", re.DOTALL),
    "fenced": re.compile(r"\A\s*```(?:json|tool_call|tool_code)?\s*(?P<calls>[\[{].*[\]}])\s*```\s*\Z", re.DOTALL),
}
_ONLY_CALLS = re.compile(r"\s*\[\s*[A-Za-z][^()\[\]{}'\"=,:]*\(\s*[A-Za-z_]\w*\s*=.*\)\s*\]\s*", re.DOTALL)
_CALLED = re.compile(r"(?:\A\s*\[|\)\s*,)\s*([A-Za-z][^()\[\]{}'\"=,:]*)\(")
_QUOTED_ARGUMENTS = re.compile(r"(\"arguments\"\s*:\s*)'(.*)'(\s*\}\s*)\Z", re.DOTALL)


class TextCalls(NamedTuple):
    """The text beside the calls, its thinking kept, and the calls."""

    text: str
    calls: list[ToolCall]


def calls_in_text(place: str, content: str, tools: Tools) -> TextCalls:
    """The calls in a text of the assistant.

    Args:
        place: of the message, for errors.
        content: its text.
        tools: the tools of the session, as far as they are known: a bare `f(x=1)` is a call only of a tool.

    Raises:
        UserError: something looks like a call and is none that can be read.
    """
    if not may_call(content):
        return TextCalls(content, [])
    hidden, quoted = _hide_quoted(content)
    if tools:
        tools = {**{name: {} for name in _unknown_names(hidden)}, **tools}
    hidden, names = _plain_names(hidden, tools)
    known = {**tools, **{plain: tools[name] for plain, name in names.items()}}
    read = _read(f"{place}.content", hidden, known, quoted)
    calls = [
        call.model_copy(
            update={"name": names.get(call.name, call.name), "arguments": _show_in_values(call.arguments, quoted)}
        )
        for call in read.calls
    ]
    return TextCalls(_show_quoted(read.text, quoted), calls) if calls else TextCalls(content, [])


def may_call(content: str) -> bool:
    """Whether a text holds anything that opens a call in some notation."""
    return any(map(content.__contains__, _OPENINGS))


def may_end(content: str) -> bool:
    """Whether a text holds anything that begins as a token does which ends a turn."""
    return any(map(content.__contains__, _BEGINNINGS))


def text_beside(content: str, answer: ParsedAnswer, format: str = "hermes", tools: Tools | None = None) -> str:
    """The text of an answer without the calls that `parse_answer` read from it; thinking is kept.

    Args:
        content: the whole answer.
        answer: what `parse_answer` made of it, with the same format and tools.
    """
    rest = without_think(content, format, tools) or ""
    thinking = content[: len(content) - len(rest)]
    return "\n\n".join(filter(None, (thinking.strip(), answer.text)))


def end_of_turn(text: str, calls_may_end: bool) -> str | None:
    """The first token in a text that ends a turn in some template; `</s>` is one where no `<s>` opens before it.

    Args:
        text: of a message.
        calls_may_end: tokens that close a call (`<|call|>`), or stand behind one, are its notation.
    """
    if not may_end(text):
        return None
    if calls_may_end and any(mark in text for mark in _CLOSED_BY_ENDS):
        text = _strip_ends(text)
    for end in _ENDS:
        if end in text and not (end == "</s>" and re.search(r"<s[ >]", text)) and not (calls_may_end and end in _OWN):
            return end
    return None


def _read(place: str, text: str, tools: Tools, quoted: list[str]) -> TextCalls:
    answer = parse_answer(text, None, "hermes", tools)
    if answer.truncated or answer.unclosed:
        refuse(place, "a <think> or <tool_call> that nothing closes", _MEND)
    if not answer.calls:
        return TextCalls(text, [])
    if calls := _good(answer):
        return TextCalls(text_beside(text, answer, "hermes", tools), calls)
    readers: list[Callable[[], TextCalls | None]] = [
        lambda: _by_blocks(text, tools),
        lambda: _by_format(text, answer.foreign, tools),
        lambda: _by_format(text, "pythonic", tools),
        lambda: _by_format(f"[{text.strip()}]", "pythonic", tools),
        lambda: _by_format(re.sub(r"</?function_calls>", "", text), "minimax_m2", tools),
        lambda: _by_format(text, "llama3_json", tools),
    ]
    for reader in readers:
        if read := reader():
            return read
    wrong = next(call for call in answer.calls if isinstance(call, MalformedCall))
    excerpt = _show_quoted(wrong.text, quoted)
    excerpt = excerpt if len(excerpt) <= 120 else f"{excerpt[:117]}..."
    name = f"call in the notation {answer.foreign!r}" if answer.foreign else "<tool_call>"
    refuse(place, f"a malformed {name} ({wrong.reason}): {excerpt}", _MEND)


def _good(answer: ParsedAnswer) -> list[ToolCall]:
    """The calls of an answer, if all that it attempts are calls."""
    calls = [call for call in answer.calls if isinstance(call, ToolCall)]
    return calls if len(calls) == len(answer.calls) and not answer.truncated else []


def _by_format(text: str, name: str | None, tools: Tools) -> TextCalls | None:
    if name is None or name not in FORMATS:
        return None
    answer = parse_answer(text, None, name, tools)
    calls = _good(answer)
    return TextCalls(text_beside(text, answer, name, tools), calls) if calls else None


def _by_blocks(text: str, tools: Tools) -> TextCalls | None:
    """The calls of the first notation of data sets that reads all that stands in a text."""
    rest = without_think(text) or ""
    thinking = text[: len(text) - len(rest)].strip()
    for block in _BLOCKS.values():
        matches = list(block.finditer(rest))
        try:
            calls = [call for match in matches for call in _of_block(match.groupdict())]
        except (RefusedJSON, ValueError, UserError):
            continue
        left = _strip_ends(block.sub("", rest))
        if calls and not parse_answer(left, None, "hermes", tools).calls:
            return TextCalls("\n\n".join(filter(None, (thinking, left))), calls)
    return None


def _of_block(groups: Mapping[str, str | None]) -> Iterator[ToolCall]:
    """The calls that a block holds; raises RefusedJSON or ValueError where it holds something else."""
    text, name = groups["calls"] or "", groups.get("name")
    if name is not None:
        yield recorded_call("", {"name": name, "arguments": loose_value(text)})
        return
    try:
        value = loose_value(text)
    except RefusedJSON:
        value = _with_quoted_arguments(text)
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list) and not value.get("content"):
        value = value["tool_calls"]
    for call in value if isinstance(value, list) else [value]:
        if not isinstance(call, dict) or not isinstance(call.get("name", call.get("function")), str | dict):
            raise ValueError("no call")
        yield recorded_call("", call)


def _with_quoted_arguments(text: str) -> Any:
    """Glaive's calls, whose arguments are JSON between apostrophes that stand unescaped in them too."""
    match = _QUOTED_ARGUMENTS.search(text)
    if not match:
        raise ValueError("no call")
    arguments, end = loose_at(match[2].strip(), 0)
    if match[2].strip()[end:].strip():
        raise ValueError("no call")
    return {**loose_value(f"{text[: match.start()]}{match[1]}null{match[3]}"), "arguments": arguments}


def _strip_ends(text: str) -> str:
    text = text.strip()
    while end := next((end for end in _ENDS if text.endswith(end)), None):
        text = text[: -len(end)].rstrip()
    return text


def _hide_quoted(text: str) -> tuple[str, list[str]]:
    """A text with tags in quotation marks replaced, and those tags."""
    quoted: list[str] = []

    def hide(tag: re.Match[str]) -> str:
        quoted.append(tag[0])
        return f"{_HIDDEN}{len(quoted) - 1}{_SHOWN}"

    return (text if _HIDDEN in text else _QUOTED.sub(hide, text)), quoted


def _show_quoted(text: str, quoted: list[str]) -> str:
    return re.sub(f"{_HIDDEN}(\\d+){_SHOWN}", lambda tag: quoted[int(tag[1])], text) if quoted else text


def _show_in_values(value: Any, quoted: list[str]) -> Any:
    """A value with the tags in its texts again, keys included."""
    if isinstance(value, dict):
        return {_show_quoted(key, quoted): _show_in_values(entry, quoted) for key, entry in value.items()}
    if isinstance(value, list):
        return [_show_in_values(entry, quoted) for entry in value]
    return _show_quoted(value, quoted) if isinstance(value, str) else value


def _unknown_names(text: str) -> list[str]:
    """The tools that a text calls which is a Python list of calls with named arguments and nothing else.

    Such a text is no prose, whether the session has the tools or not.
    """
    return [match.strip() for match in _CALLED.findall(text)] if _ONLY_CALLS.fullmatch(text) else []


def _plain_names(text: str, tools: Tools) -> tuple[str, dict[str, str]]:
    """A text in which tools whose names hold blanks, as ToolACE's do, have names that a reader of Python takes."""
    names: dict[str, str] = {}
    for number, name in enumerate(sorted(tools, key=len, reverse=True)):
        if not re.fullmatch(r"[^\s()\[\]{}<>'\"=,:`|]+", name) and f"{name}(" in text:
            plain = f"tool_{number}"
            text, names[plain] = text.replace(f"{name}(", f"{plain}("), name
    return text, names
