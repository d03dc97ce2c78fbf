"""What a chat template writes for an assistant turn that calls tools, rendered as transformers renders it.

Templates differ in what they demand of a call: ids of nine characters (Mistral), arguments as JSON text (DeepSeek-V3),
content that is empty or null. A turn is tried in each of these shapes until one renders.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from callproof.calls.calls import ToolCall
from callproof.deadline import RENDER_S, deadline

from .format import Format, ReadCall, Tools
from .registry import FORMATS

_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
MAX_PRODUCT = 10**8
ENDLESS = f"the template takes longer than {RENDER_S:g} s for one conversation"
_endless: set[str] = set()
_ENDS = sorted({end for form in FORMATS.values() for end in form.ends}, key=len, reverse=True)
PROBE = ToolCall(name="probe_tool", arguments={"first_text": "Bern", "second_number": 3})
_QUESTION = "Please."
RENDERS_NO_CALL = "the template renders no call"
NO_KNOWN_FORMAT = "the template writes calls in a form that no known format reads"


class TemplateRefusal(ValueError):
    """A template that renders no turn; the message is what it said."""


class CallTurn(NamedTuple):
    """An assistant turn: the whole text before it, and what the template writes after its generation prompt.

    `text` holds what a model has to write to be read: a thinking prefix that the prompt does not hold is part of it,
    the end of the turn is not; that is `end`.
    """

    prompt: str
    text: str
    end: str


def render_chat(template: str, messages: Sequence[Mapping[str, Any]], **variables: Any) -> str:
    """A conversation in the words of a template.

    Args:
        template: Jinja source.
        messages: in OpenAI's form.
        variables: `tools`, `add_generation_prompt`, `bos_token`, `enable_thinking` and whatever else it knows.

    Raises:
        TemplateRefusal: the template cannot be read, fails on these messages, or goes on for `RENDER_S`.
    """
    if template in _endless:
        raise TemplateRefusal(ENDLESS)
    try:
        with deadline(RENDER_S):
            return _compiled(template).render(messages=messages, **{**_TOKENS, **variables})
    except TimeoutError:
        _endless.add(template)
        raise TemplateRefusal(ENDLESS) from None
    except Exception as error:  # a template may raise anything
        raise TemplateRefusal(f"{type(error).__name__}: {error}") from None


def render_call_turn(
    template: str,
    calls: Sequence[ToolCall],
    tools: Sequence[Mapping[str, Any]] | None = None,
    **variables: Any,
) -> CallTurn:
    """One assistant turn with `calls` after one question, as the template writes it.

    Args:
        template: Jinja source.
        calls: of the turn.
        tools: in OpenAI's form; None makes one of each call, with parameters of the arguments' types.
        variables: as of `render_chat`.

    Raises:
        TemplateRefusal: in every shape of a call the template fails; the message is of the first.
    """
    variables = {"tools": list(tools_of(calls) if tools is None else tools), **variables}
    refusals: list[TemplateRefusal] = []
    for question, message in _shapes(calls):
        try:
            return _turn(template, question, message, variables)
        except TemplateRefusal as error:
            refusals.append(error)
    raise refusals[0]


def format_of_template(template: str, **variables: Any) -> str:
    """The name of the format that a chat template writes calls in.

    A call is rendered, and the format is the one that reads exactly it back.

    Args:
        template: Jinja source.
        variables: as of `render_chat`.

    Raises:
        TemplateRefusal: the template fails, renders no call, or one that no known format reads; the message says which.
    """
    return formats_of_template(template, **variables)[0]


def formats_of_template(template: str, **variables: Any) -> list[str]:
    """All formats that read back what a template writes, as `format_of_template`; other names of one are left out."""
    turn = render_call_turn(template, [PROBE], **variables)
    if not all(mark in turn.text for mark in (PROBE.name, *PROBE.arguments)):
        raise TemplateRefusal(f"{RENDERS_NO_CALL}: its assistant turns leave `tool_calls` out")
    parameters = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of([PROBE])}
    own = ((name, form) for name, form in FORMATS.items() if name == form.name)
    names = [name for name, form in own if reads_back(turn.text, [PROBE], form, parameters)]
    if not names:
        raise TemplateRefusal(f"{NO_KNOWN_FORMAT}: {turn.text[:200]!r}")
    return names


def opens_thinking(template: str, **variables: Any) -> bool:
    """Whether a template ends the prompt inside thinking, so that only the closing tag comes back.

    Args:
        template: Jinja source; one that fails opens none.
        variables: as of `render_chat`.
    """
    openings = tuple({thought.open for form in FORMATS.values() for thought in form.thoughts})
    variables = {"tools": tools_of([PROBE]), **variables, "add_generation_prompt": True}
    for question, _ in _shapes([PROBE]):
        try:
            return render_chat(template, [question], **variables).rstrip().endswith(openings)
        except TemplateRefusal:
            continue
    return False


def reads_back(text: str, calls: Sequence[ToolCall], form: Format, tools: Tools) -> bool:
    """Whether a format reads exactly these calls in a turn, and nothing beside them but thinking and wrappers."""
    for thought in form.thoughts:
        before, closed, after = text.partition(thought.close)
        text = after if closed and not before.replace(thought.open, "").strip() else text
    blocks = form.read(text, tools)
    rest = text
    for block in reversed(blocks):
        rest = rest[: block.start] + rest[block.end :]
    for wrapper in form.wrappers:
        rest = rest.replace(wrapper, "")
    items = [item for block in blocks for item in block.items]
    read = [item.call if isinstance(item, ReadCall) else item for item in items]
    return not rest.strip() and read == list(calls)


def tools_of(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """A tool in OpenAI's form for each name that is called, with parameters of the arguments' types."""
    by_name = {call.name: call.arguments for call in calls}
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"Does {name}.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        key: {"type": _json_type(value), "description": f"The {key}."}
                        for key, value in arguments.items()
                    },
                    "required": [],
                },
            },
        }
        for name, arguments in by_name.items()
    ]


def _turn(
    template: str, question: Mapping[str, Any], message: Mapping[str, Any], variables: Mapping[str, Any]
) -> CallTurn:
    prompt = render_chat(template, [question], **{**variables, "add_generation_prompt": True})
    whole = render_chat(template, [question, message], **{**variables, "add_generation_prompt": False})
    start = _same(prompt, whole)
    if start < len(prompt) and prompt.rfind("<", 0, start) > prompt.rfind(">", 0, start):
        start = prompt.rfind("<", 0, start)  # they part inside a tag
    text = whole[start:].rstrip()
    ends = [*_ENDS, *_text_ends(template, variables), variables.get("eos_token", _TOKENS["eos_token"])]
    bare = _without_ends(text, [end for end in ends if end])
    return CallTurn(whole[:start], bare, whole[start + len(bare) :])


def _same(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))


def _without_ends(text: str, ends: Sequence[str]) -> str:
    while end := next((end for end in ends if text.endswith(end)), None):
        text = text.removesuffix(end).rstrip()
    return text


def _text_ends(template: str, variables: Mapping[str, Any]) -> list[str]:
    """What the template writes after an answer of plain text."""
    answer = {"role": "assistant", "content": "callproof-text"}
    try:
        text = render_chat(
            template, [{"role": "user", "content": _QUESTION}, answer], **{**variables, "add_generation_prompt": False}
        )
    except TemplateRefusal:
        return []
    end = text.rpartition("callproof-text")[2].strip()
    return [end] if 0 < len(end) < 40 else []


def _shapes(calls: Sequence[ToolCall]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """A question and an assistant message with calls, in each shape that some template demands."""
    for in_parts, as_text, content in product((False, True), (False, True), ("", None)):
        tool_calls = [
            {
                "id": f"call{number:05d}",
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call, as_text)},
            }
            for number, call in enumerate(calls)
        ]
        empty_part = _parts("") if content is None else []
        question, answer = (_parts(_QUESTION), empty_part) if in_parts else (_QUESTION, content)
        yield (
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer, "tool_calls": tool_calls},
        )


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _arguments(call: ToolCall, as_text: bool) -> Any:
    return json.dumps(call.arguments, ensure_ascii=False) if as_text else call.arguments


def _json_type(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


@cache
def _compiled(template: str) -> Any:
    return _environment().from_string(template)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, (int, float)) else len(value) if isinstance(value, (str, list, tuple)) else 1


@cache
def _environment() -> Any:
    """Jinja as transformers sets it up."""
    from jinja2 import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}`, which marks what an assistant says; here it only stands there."""

        tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    class Sandbox(ImmutableSandboxedEnvironment):
        """Refuses products and powers whose size no conversation explains."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if _size(left) * _size(right) > MAX_PRODUCT or (operator == "**" and _size(right) > 64):
                raise TemplateError(f"{operator} of numbers or texts this large")
            return super().call_binop(context, operator, left, right)

    environment = Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
