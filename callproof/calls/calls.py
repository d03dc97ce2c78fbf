"""Calls, and how they are read out of a model's text.

The parser never raises and never judges: it returns calls, and malformed calls with the reason and the raw text. It
takes linear time on any input. Rules, in the order in which they apply:

- A leading `<think>...</think>` is left out; what is inside does not count. Unclosed, the answer is truncated.
- Every `<tool_call>` outside a JSON string is an attempt. A block ends at its `</tool_call>`, at the next
  `<tool_call>` or at the end of the text; tags inside JSON strings are text.
- Cut off by the token limit (`finish_reason` "length") with a block open, that block is `truncated`, even if its JSON
  is complete. Otherwise a valid block that nothing closes is accepted and counted.
- Inside is one JSON object with a `name` and perhaps `arguments`; white space around it is free. Arguments given as a
  JSON string are decoded once and counted.
- Lone surrogates, which no UTF-8 file can hold, become U+FFFD.
"""

import json
import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import to_json

from callproof.records import Record

MAX_DEPTH = 64
MAX_DIGITS = 4300

MalformedReason = Literal[
    "invalid_json",
    "duplicate_key",
    "not_finite",
    "number_too_long",
    "too_deep",
    "not_an_object",
    "no_name",
    "bad_arguments",
    "trailing_text",
    "truncated",
    "left_in_text",
]

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_TAG = re.compile("</?tool_call>")
_SPACE = re.compile(r"\s*")


class ToolCall(Record):
    """One call of a tool: its name and its arguments as an object, kept exactly as given.

    Also read from OpenAI's form, with arguments as an object or as JSON text.
    """

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("function"), dict):
            value = value["function"]
        if not isinstance(value, dict):
            return value
        try:
            if isinstance(value.get("arguments"), str):
                value = {**value, "arguments": decode(value["arguments"])}
        except RefusedJSON as error:
            raise ValueError(f"arguments are no JSON object ({error})") from None
        return writable_value(value)


class MalformedCall(Record):
    """An attempt that is no call. `text` is the whole block as the model wrote it, tags included.

    Reasons: `not_an_object` does not begin with `{`; `number_too_long` has over 4,300 digits; `too_deep` is nested over
    64 levels; `trailing_text` has something beside the JSON inside the block; `left_in_text` is a block that the
    server's own parser handed to the client as text.
    """

    reason: MalformedReason
    text: str


class ParsedAnswer(Record):
    """What an answer says.

    `calls` in order of appearance, one entry an attempt; `text` is what stands beside them; `unclosed` counts accepted
    blocks without end tag, `decoded_strings` accepted calls whose arguments were a JSON string.
    """

    calls: tuple[ToolCall | MalformedCall, ...]
    text: str
    attempts: int
    truncated: bool
    unclosed: int
    decoded_strings: int


class RefusedJSON(ValueError):
    """JSON text that is not accepted, and why."""

    def __init__(self, reason: MalformedReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: MalformedReason = reason


def parse(text: str) -> list[ToolCall | MalformedCall]:
    """The calls and malformed calls of an answer, in order. Never raises."""
    return list(parse_answer(text).calls)


def parse_answer(text: str, finish_reason: str | None = None) -> ParsedAnswer:
    """Read an answer by the rules at the head of this module. Never raises.

    Args:
        text: the raw answer.
        finish_reason: as the server gave it; "length" means that the token limit cut the answer.
    """
    body = without_think(writable(text))
    if body is None:
        return ParsedAnswer(calls=(), text="", attempts=0, truncated=True, unclosed=0, decoded_strings=0)
    reader = _Reader(body, cut=finish_reason == "length")
    reader.read()
    return ParsedAnswer.model_construct(
        calls=tuple(reader.calls),
        text="".join(reader.beside).strip(),
        attempts=len(reader.calls),
        truncated=reader.truncated,
        unclosed=reader.unclosed,
        decoded_strings=reader.decoded_strings,
    )


def parse_served(
    tool_calls: Sequence[dict[str, Any]], text: str = "", finish_reason: str | None = None
) -> ParsedAnswer:
    """Read the calls that the server's own parser made, as a client gets them. Never raises.

    Args:
        tool_calls: OpenAI's form, `{"function": {"name", "arguments": JSON text}}`.
        text: the answer's content; a block that the server left in it is an attempt that failed.
        finish_reason: as the server gave it.
    """
    rest = parse_answer(text)
    left = [MalformedCall(reason="left_in_text", text=_raw(call)) for call in rest.calls]
    calls = [*map(_served_call, tool_calls), *left]
    cut = finish_reason == "length" and bool(calls) and isinstance(calls[-1], MalformedCall)
    if cut:
        calls[-1] = MalformedCall(reason="truncated", text=_raw(calls[-1]))
    return ParsedAnswer(
        calls=tuple(calls),
        text=rest.text,
        attempts=len(calls),
        truncated=cut or rest.truncated,
        unclosed=0,
        decoded_strings=0,
    )


def calls_with_ends(text: str, finish_reason: str | None = None) -> list[tuple[ToolCall, int]]:
    """The calls of an answer, each with how many characters of `text` complete its JSON. Never raises.

    Args:
        text: the raw answer, `writable`.
        finish_reason: as the server gave it.
    """
    body = without_think(text)
    if body is None:
        return []
    reader = _Reader(body, cut=finish_reason == "length")
    reader.read()
    calls = (call for call in reader.calls if isinstance(call, ToolCall))
    return [(call, len(text) - len(body) + end) for call, end in zip(calls, reader.ends, strict=True)]


def render(calls: Iterable[ToolCall]) -> str:
    """Calls as a model writes them; `parse` reads them back."""
    return "\n".join(f"{_OPEN}\n{_compact(call)}\n{_CLOSE}" for call in calls)


def writable(text: str) -> str:
    """`text` with surrogate pairs joined and lone surrogates replaced, so that UTF-8 can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def writable_value(value: Any, depth: int = MAX_DEPTH + 1) -> Any:
    """A JSON value with all its strings `writable`.

    Raises:
        RefusedJSON: nested deeper than `depth` lists and objects.
    """
    return value if _surely_writable(value, depth) else _mended(value, depth)


def _surely_writable(value: Any, depth: int) -> bool:
    """A quick look: UTF-8 can hold the value, and it has too few brackets to be nested too deep."""
    try:
        text = to_json(value)
    except ValueError:
        return False
    return text.count(b"{") + text.count(b"[") <= depth


def _mended(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else writable(value)
    if isinstance(value, dict | list) and depth <= 0:
        raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_mended(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_mended(key, depth): _mended(item, depth - 1) for key, item in value.items()}
    return value


def without_think(text: str) -> str | None:
    """The text after leading thinking, or None if the thinking never ends."""
    position = 0
    while text.startswith(_THINK_OPEN, begin := _skip_space(text, position)):
        end = text.find(_THINK_CLOSE, begin)
        if end < 0:
            return None
        position = end + len(_THINK_CLOSE)
    return text[position:]


def decode(text: str) -> Any:
    """The value of a whole JSON text, under the rules for calls.

    Raises:
        RefusedJSON: malformed, duplicate key, NaN or Infinity, over-long number, nested too deep.
    """
    begin = _SPACE.match(text).end()  # pyright: ignore[reportOptionalMemberAccess]
    value, end = _decode_at(text, begin, [], 0)
    if text[end:].strip():
        raise RefusedJSON("invalid_json", f"text after the value (char {end})")
    return value


class _Reader:
    """One pass over the blocks of an answer; `cut`: the token limit ended it."""

    def __init__(self, body: str, cut: bool) -> None:
        self.calls: list[ToolCall | MalformedCall] = []
        self.ends: list[int] = []  # in the body, of the JSON of each call that is not malformed
        self.beside: list[str] = []
        self.unclosed = self.decoded_strings = 0
        self.truncated = False
        self._body, self._cut = body, cut
        self._tags = [found.start() for found in _TAG.finditer(body)]
        self._malformed: dict[tuple[MalformedReason, str], MalformedCall] = {}

    def read(self) -> None:
        body, tags = self._body, self._tags
        position = index = 0
        while index < len(tags):
            start = tags[index]
            if body.startswith(_CLOSE, start):
                index += 1
                continue
            if position < start:
                self.beside.append(body[position:start])
            found, index = self._content(index)
            position = tags[index] if index < len(tags) else len(body)
            if closed := body.startswith(_CLOSE, position):
                position, index = position + len(_CLOSE), index + 1
            elif self._cut and position == len(body):
                found, self.truncated = "truncated", True
            self._keep(found, body[start:position], closed)
        self.beside.append(body[position:])

    def _content(self, index: int) -> "tuple[_Call | MalformedReason, int]":
        """What is in the block that the tag number `index` opens, and the number of the tag that ends it."""
        body, tags, following = self._body, self._tags, index + 1
        begin = tags[index] + len(_OPEN)
        if body[begin : begin + 1].isspace():
            begin = _skip_space(body, begin)
        if not body.startswith("{", begin):
            return "not_an_object", following
        try:
            value, end = _decode_at(body, begin, tags, following)
            following = bisect_left(tags, end, following)
            call = _Call(*_call(value), end)
        except RefusedJSON as error:
            return error.reason, following
        stop = tags[following] if following < len(tags) else len(body)
        return (call if _skip_space(body, end) == stop else "trailing_text"), following

    def _keep(self, found: "_Call | MalformedReason", text: str, closed: bool) -> None:
        if isinstance(found, _Call):
            self.calls.append(found.call)
            self.ends.append(found.end)
            self.unclosed += not closed
            self.decoded_strings += found.decoded
            return
        key = (found, text)  # a runaway answer repeats a block a hundred thousand times: they share one record
        if key not in self._malformed:
            self._malformed[key] = MalformedCall(reason=found, text=text)
        self.calls.append(self._malformed[key])


class _Call(NamedTuple):
    """A call, whether its arguments were a JSON string, and where its JSON ends in the body."""

    call: ToolCall
    decoded: bool
    end: int


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _call(value: dict[str, Any]) -> tuple[ToolCall, bool]:
    """The call that an object makes, and whether its arguments were a JSON string."""
    name, arguments = value.get("name"), value.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise RefusedJSON("no_name", "no `name`")
    decoded = isinstance(arguments, str)
    if decoded:
        try:
            arguments = decode(arguments)
        except RefusedJSON as error:
            raise RefusedJSON("bad_arguments" if error.reason == "invalid_json" else error.reason, str(error)) from None
    if not isinstance(arguments, dict):
        raise RefusedJSON("bad_arguments", f"expected an object, got {type(arguments).__name__}")
    return ToolCall.model_construct(name=name, arguments=arguments), decoded


def _served_call(entry: Any) -> ToolCall | MalformedCall:
    function = entry.get("function") if isinstance(entry, dict) else None
    value = function if isinstance(function, dict) else {}
    if value.get("arguments") in (None, ""):
        value = {key: item for key, item in value.items() if key != "arguments"}
    try:
        return _call(writable_value(value))[0]
    except RefusedJSON as error:
        return MalformedCall(reason=error.reason, text=writable(json.dumps(entry, ensure_ascii=False, default=str)))


def _raw(call: ToolCall | MalformedCall) -> str:
    return call.text if isinstance(call, MalformedCall) else render([call])


def _compact(call: ToolCall) -> str:
    return json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)


def _decode_at(text: str, start: int, tags: list[int], index: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends.

    Only the text up to a tag is looked at: up to `tags[index]` first, and further (at least twice as far, which keeps
    the whole linear) only if that tag stood inside a string. An error then costs no more than the text it saw.
    """
    while True:
        stop = tags[index] if index < len(tags) else len(text)
        window = text[start:stop]
        if window.startswith("{") and '"' not in window and "}" not in window:
            raise RefusedJSON("invalid_json", "an object without an end")
        try:
            value, length = DECODER.raw_decode(window)
            return _checked(value, window, length), start + length
        except json.JSONDecodeError as error:
            if stop == len(text) or not error.msg.startswith("Unterminated string"):
                raise RefusedJSON("invalid_json", f"{error.msg} (char {error.pos})") from None
        except RecursionError:
            raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}") from None
        index = bisect_left(tags, start + 2 * len(window), index + 1)


def _checked(value: Any, source: str, end: int) -> Any:
    nested = source.count("{", 0, end) + source.count("[", 0, end) > MAX_DEPTH
    return writable_value(value, MAX_DEPTH) if nested or source.find("\\u", 0, end) >= 0 else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = {key if key.isascii() else writable(key): item for key, item in pairs}
    if len(value) != len(pairs):
        raise RefusedJSON("duplicate_key", "an object has a key twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise RefusedJSON("number_too_long", f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise RefusedJSON("not_finite", f"{digits[:20]} is beyond any float")
    return value


def _constant(name: str) -> Any:
    raise RefusedJSON("not_finite", f"{name} is no JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
