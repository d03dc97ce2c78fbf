"""How calls are read out of a model's answer.

The parser never raises and never judges: it returns calls, and malformed calls with the reason and the raw text. It
takes linear time on any input. Rules, in the order in which they apply:

- Leading thinking is set apart; what is inside does not count. Unclosed, the answer is truncated. Where the template
  writes the opening tag itself (`prefilled`), only the closing one comes back, outside a call: what stands before it is
  thinking. Cut off by the token limit before that tag and before any attempt, all of it is thinking.
- Every opening of the format outside a string is an attempt; what its block must hold, the format says.
- Cut off by the token limit (`finish_reason` "length") with a block open, that block is `truncated`, even if its call
  is complete. Otherwise a valid block that nothing closes is accepted and counted.
- Arguments given as a JSON string are decoded once and counted.
- Lone surrogates, which no UTF-8 file can hold, become U+FFFD.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .calls import MalformedCall, ParsedAnswer, ToolCall
from .formats import FORMATS, Block, Format, ReadCall, Tools, mark_foreign
from .formats.tagged import call_of
from .strict_json import MalformedReason, RefusedJSON, skip_space, writable, writable_value


def parse(text: str, format: str = "hermes", tools: Tools | None = None) -> list[ToolCall | MalformedCall]:
    """The calls and malformed calls of an answer, in order; arguments as of `parse_answer`."""
    return list(parse_answer(text, None, format, tools).calls)


def parse_answer(
    text: str,
    finish_reason: str | None = None,
    format: str = "hermes",
    tools: Tools | None = None,
    prefilled: bool = False,
) -> ParsedAnswer:
    """Read an answer by the rules at the head of this module. No text makes it raise.

    Args:
        text: the raw answer.
        finish_reason: as the server gave it; "length" means that the token limit cut the answer.
        format: a name of `FORMATS`.
        tools: name -> JSON Schema of the parameters, of the tools that the model was offered.
        prefilled: whether the prompt ends inside thinking.

    Raises:
        KeyError: an unknown format.
    """
    cut = finish_reason == "length"
    return _Answer(writable(text), cut, FORMATS[format], tools or {}, cut and prefilled).parsed()


def parse_served(
    tool_calls: Sequence[dict[str, Any]],
    text: str = "",
    finish_reason: str | None = None,
    format: str = "hermes",
    tools: Tools | None = None,
    prefilled: bool = False,
) -> ParsedAnswer:
    """Read the calls that the server's own parser made, as a client gets them. Never raises.

    Args:
        tool_calls: OpenAI's form, `{"function": {"name", "arguments": JSON text}}`.
        text: the answer's content; a block that the server left in it is an attempt that failed.
        finish_reason: as the server gave it.
        format, tools, prefilled: as of `parse_answer`.
    """
    in_thinking = prefilled and finish_reason == "length" and not tool_calls
    rest = _Answer(writable(text), False, FORMATS[format], tools or {}, in_thinking).parsed()
    left = [MalformedCall(reason="left_in_text", text=_raw(call, format)) for call in rest.calls]
    calls = [*map(_served_call, tool_calls), *left]
    cut = finish_reason == "length" and bool(calls) and isinstance(calls[-1], MalformedCall)
    if cut:
        calls[-1] = MalformedCall(reason="truncated", text=_raw(calls[-1], format))
    counts = {"unclosed": 0, "decoded_strings": 0, "untyped": 0}
    fields = {"calls": tuple(calls), "attempts": len(calls), "truncated": cut or rest.truncated}
    return rest.model_copy(update=counts | fields)


def calls_with_ends(
    text: str, finish_reason: str | None = None, format: str = "hermes", tools: Tools | None = None
) -> list[tuple[ToolCall, int]]:
    """The calls of an answer, each with how many characters of `text` complete it; `text` must be `writable`."""
    return _Answer(text, finish_reason == "length", FORMATS[format], tools or {}).calls_with_ends()


def render(calls: Iterable[ToolCall], format: str = "hermes") -> str:
    """Calls as a model of that format writes them; `parse` reads them back."""
    return FORMATS[format].render(list(calls))


def without_think(text: str, format: str = "hermes", tools: Tools | None = None) -> str | None:
    """The text after leading thinking, or None if the thinking never ends."""
    body = _split(text, FORMATS[format], tools or {}).body
    return None if body is None else text[body:]


class _Split(NamedTuple):
    """Where the body of an answer begins (None: never), and the stretches of thinking before it."""

    body: int | None
    thinking: list[tuple[int, int]]
    blocks: list[Block] | None = None


def _split(text: str, format: Format, tools: Tools) -> _Split:
    position, thinking = 0, []
    if not any(tag in text for tags in format.thoughts for tag in tags):
        return _Split(0, thinking)
    while thought := _opened(text, position, format):
        begin, closing = thought
        end = text.find(closing, begin)
        if end < 0:
            return _Split(None, [*thinking, (begin, len(text))])
        thinking.append((begin, end))
        position = end + len(closing)
    ends = [] if thinking else [(text.find(closing), opening, closing) for opening, closing in format.thoughts]
    prefilled = [end for end in ends if end[0] >= 0 and text.find(end[1], 0, end[0]) < 0]
    if not prefilled or any(form.close in format.wrappers for form in format.thoughts):
        return _Split(position, thinking)
    end, _, closing = min(prefilled)
    blocks = format.read(text, tools)
    if _in_call(blocks, end):
        return _Split(0, [], blocks)
    return _Split(end + len(closing), [(0, end)])


def _opened(text: str, position: int, format: Format) -> tuple[int, str] | None:
    """Where thinking that opens at a position begins, and the tag that closes it."""
    position = skip_space(text, position)
    for wrapper in format.wrappers:
        if text.startswith(wrapper, position) and text.startswith(
            format.thinking.open, skip_space(text, position + len(wrapper))
        ):
            position = skip_space(text, position + len(wrapper))
    for opening, closing in format.thoughts:
        if text.startswith(opening, position):
            return position + len(opening), closing
    return None


def _in_call(blocks: list[Block], position: int) -> bool:
    block = next((block for block in blocks if block.end > position), None)
    return block is not None and block.start <= position and not isinstance(block.items[-1], str)


class _Answer:
    """One reading of an answer.

    `cut`: the token limit ended it. `thought`: it began inside thinking, and where nothing ends that, all of it is.
    """

    def __init__(self, text: str, cut: bool, format: Format, tools: Tools, thought: bool = False) -> None:
        self._text, self._cut, self._format, self._tools = text, cut, format, tools
        self._split = _split(text, format, tools)
        if thought and self._split.body == 0 and not self._blocks(text):
            self._split = _Split(None, [(0, len(text))])
        self._shared: dict[tuple[MalformedReason, str], MalformedCall] = {}

    def parsed(self) -> ParsedAnswer:
        body = self._split.body
        text = "" if body is None else self._text[body:]
        foreign, blocks = mark_foreign(text, self._blocks(text), self._format, self._tools)
        cut_off = self._cut and bool(blocks) and not blocks[-1].closed and blocks[-1].end == len(text)
        if cut_off:
            blocks[-1:] = _cut(blocks[-1])
        calls = self._calls(text, blocks)
        reads = [item for block in blocks for item in block.items if isinstance(item, ReadCall)]
        unclosed = sum(not block.closed and not isinstance(block.items[-1], str) for block in blocks)
        return ParsedAnswer.model_construct(
            calls=tuple(calls),
            text=self._beside(text, blocks),
            attempts=len(calls),
            truncated=body is None or cut_off,
            unclosed=0 if self._format.ends_turn else unclosed,
            decoded_strings=sum(item.decoded for item in reads),
            untyped=sum(item.untyped for item in reads),
            thinking="\n".join(self._text[begin:end].strip() for begin, end in self._split.thinking),
            thought_calls=tuple(self._thought_calls()),
            foreign=foreign,
        )

    def calls_with_ends(self) -> list[tuple[ToolCall, int]]:
        if (body := self._split.body) is None:
            return []
        blocks = self._blocks(self._text[body:])
        if self._cut and blocks and not blocks[-1].closed and body + blocks[-1].end == len(self._text):
            blocks.pop()
        items = (item for block in blocks for item in block.items)
        return [(item.call, body + item.end) for item in items if isinstance(item, ReadCall)]

    def _blocks(self, text: str) -> list[Block]:
        return self._format.read(text, self._tools) if self._split.blocks is None else self._split.blocks

    def _thought_calls(self) -> list[ToolCall | MalformedCall]:
        thoughts = [self._text[begin:end] for begin, end in self._split.thinking]
        return [call for thought in thoughts for call in self._calls(thought, self._format.read(thought, self._tools))]

    def _calls(self, text: str, blocks: list[Block]) -> list[ToolCall | MalformedCall]:
        calls: list[ToolCall | MalformedCall] = []
        for start, end, items, _, times in blocks:
            for item in items:
                if isinstance(item, str):
                    calls += [self._malformed(item, text[start : start + (end - start) // times])] * times
                else:
                    calls.append(item.call)
        return calls

    def _malformed(self, reason: MalformedReason, text: str) -> MalformedCall:
        """A runaway answer repeats a block a hundred thousand times: they share one record."""
        key = (reason, text)
        if key not in self._shared:
            self._shared[key] = MalformedCall(reason=reason, text=text)
        return self._shared[key]

    def _beside(self, text: str, blocks: list[Block]) -> str:
        pieces, position = [], 0
        for block in blocks:
            if position < block.start:
                pieces.append(text[position : block.start])
            position = block.end
        rest = "".join([*pieces, text[position:]])
        for wrapper in self._format.wrappers:
            rest = rest.replace(wrapper, "")
        rest = rest.strip()
        while end := next((end for end in self._format.ends if rest.endswith(end)), None):
            rest = rest[: -len(end)].rstrip()
        return rest


def _cut(block: Block) -> list[Block]:
    """The last block of a cut answer; of a row of equal ones only the last is cut."""
    if block.times == 1:
        return [block._replace(items=("truncated",))]
    start = block.end - (block.end - block.start) // block.times
    return [block._replace(end=start, times=block.times - 1), Block(start, block.end, ("truncated",), False)]


def _served_call(entry: Any) -> ToolCall | MalformedCall:
    function = entry.get("function") if isinstance(entry, dict) else None
    value = function if isinstance(function, dict) else {}
    if value.get("arguments") in (None, ""):
        value = {key: item for key, item in value.items() if key != "arguments"}
    try:
        return call_of(writable_value(value)).call
    except RefusedJSON as error:
        return MalformedCall(reason=error.reason, text=writable(json.dumps(entry, ensure_ascii=False, default=str)))


def _raw(call: ToolCall | MalformedCall, format: str) -> str:
    return call.text if isinstance(call, MalformedCall) else render([call], format)
