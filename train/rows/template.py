"""The chat template of a tokenizer, and what it tells: the format of its calls, and which tokens end a turn."""

import json
from collections.abc import Iterable
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from callproof.calls.formats import FORMATS, Format, TemplateRefusal, Thinking, format_of_template
from callproof.deadline import RENDER_S, deadline
from callproof.errors import UserError

OTHER_WAYS = "choose another template, prompt.catalog: text, or model.chat_template: hermes"

_TOOL = {
    "type": "function",
    "function": {
        "name": "find_train",
        "description": "Find a train.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
_BARE_TOOL = {"type": "function", "function": {"name": "find_train", "description": None, "parameters": None}}
_ASKED: dict[str, Any] = {"role": "user", "content": "A train to Bern?"}
_SAID = {"role": "assistant", "content": "At nine."}
_CALL = {"id": "call00000", "type": "function", "function": {"name": "find_train", "arguments": {"town": "Bern"}}}
_CALLED = {"role": "assistant", "content": "", "tool_calls": [_CALL]}

FOLLOWERS = {"assistant": {"role": "user", "content": "Go on."}, "tool": {"role": "tool", "content": "{}"}}
"""What may follow an answer: a word of the user, or the result of a call."""

Messages = list[dict[str, Any]]


class Unrenderable(UserError):
    """A conversation that the chat template does not write as it was recorded; `data.unrenderable` may drop it."""

    def at(self, place: str, session_id: str) -> "Unrenderable":
        """The same of a session, which stands at `place` (`file:line`)."""
        where, problem, mend = self.args
        return Unrenderable(place, f"session {session_id!r}: {where}: {problem}", mend)

    @property
    def problem(self) -> str:
        """What is wrong, without the place."""
        return str(self.args[1])


class Shape(NamedTuple):
    """What a template demands of a message with calls; vLLM hands over arguments as an object, and text as text.

    `text_arguments`: arguments as JSON text; `null_content`: null in place of empty text (DeepSeek-V3).
    """

    text_arguments: bool
    null_content: bool

    def of(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message in this shape."""
        if not message.get("tool_calls"):
            return message
        calls = [_text_arguments(call) for call in message["tool_calls"]] if self.text_arguments else None
        content = {"content": None} if self.null_content and not message["content"] else {}
        return {**message, **content, **({"tool_calls": calls} if calls else {})}


SHAPES = tuple(Shape(*demands) for demands in product((False, True), repeat=2))


class ChatTemplate:
    """Renders conversations as the server does.

    Args:
        tokenizer: a fast Hugging Face tokenizer with the chat template that will be served.
        ends: ids of tokens that end a turn, beside the tokenizer's end of text and those that the template writes.
    """

    def __init__(self, tokenizer: Any, ends: Iterable[int] = ()) -> None:
        self.tokenizer = tokenizer
        self.name = f"chat template of {tokenizer.name_or_path}"
        self._ends = ends

    def render(
        self, messages: Messages, tools: Iterable[dict[str, Any]] | None, variables: dict[str, Any], ask: bool = False
    ) -> str:
        """The text of a conversation; with `ask`, up to where the assistant begins to speak.

        Args:
            messages: see `callproof.turns.template_messages`.
            tools: in OpenAI's form.
            variables: see `PromptConfig.template_kwargs`.
            ask: add the generation prompt.

        Raises:
            Unrenderable: the template fails, whichever way, or goes on for `RENDER_S`.
        """
        offered = list(tools or ()) or None
        if offered and self._wants_all_keys:
            offered = [_with_all_keys(tool) for tool in offered]
        written = [self._shape.of(message) for message in messages]
        try:
            return self._apply(written, offered, variables, ask)
        except Exception as error:  # a template is foreign code, and fails in as many ways
            reason = " ".join(str(error).split()) or type(error).__name__
            roles = ", ".join(message["role"] for message in messages[:8])
            problem = f"refuses a conversation of {roles} ({reason})"
            raise Unrenderable(self.name, problem[:300], OTHER_WAYS) from None

    def _apply(self, messages: Messages, tools: Messages | None, variables: dict[str, Any], ask: bool) -> str:
        with deadline(RENDER_S):
            return self.tokenizer.apply_chat_template(
                messages, tools=tools, tokenize=False, add_generation_prompt=ask, **variables
            )

    @cached_property
    def opening(self) -> str:
        """What makes the assistant speak after a word of the user."""
        return (self._tried([_ASKED], ask=True) or "").removeprefix(self._tried([_ASKED]) or "")

    def _tried(self, messages: Messages, tool: dict[str, Any] = _TOOL, ask: bool = False) -> str | None:
        try:
            return self._apply(messages, [tool], {}, ask)
        except TimeoutError as error:
            raise Unrenderable(self.name, str(error), OTHER_WAYS) from None
        except Exception:  # see render
            return None

    @cached_property
    def _shape(self) -> "Shape":
        """The shape in which the template writes a call; the first one where it writes none."""
        for shape in SHAPES:
            text = self._tried([_ASKED, shape.of(_CALLED)])
            if text and "Bern" in text.rpartition(_ASKED["content"])[2]:
                return shape
        return SHAPES[0]

    @cached_property
    def _wants_all_keys(self) -> bool:
        """Whether it fails on tools without description and parameters, which are null on the wire."""
        return self._tried([_ASKED, _SAID], _BARE_TOOL) is None and self._tried([_ASKED, _SAID]) is not None

    @cached_property
    def format(self) -> Format | None:
        """The format that reads a call of this template back; None where it writes none that is known."""
        try:
            return FORMATS[format_of_template(self.tokenizer.chat_template, **self.tokenizer.special_tokens_map)]
        except TemplateRefusal:
            return None

    @property
    def thoughts(self) -> tuple[Thinking, ...]:
        """The tags that may stand around thinking."""
        return (self.format or FORMATS["hermes"]).thoughts

    @cached_property
    def ends(self) -> frozenset[int]:
        """Ids of all tokens that end a turn of the assistant."""
        own = self.tokenizer.eos_token_id
        return frozenset({*self._ends, *self._written_ends(), *([] if own is None else [own])})

    @cached_property
    def end_texts(self) -> tuple[str, ...]:
        """The texts of `ends`."""
        return tuple(self.tokenizer.convert_ids_to_tokens(sorted(self.ends)))

    @cached_property
    def special_tags(self) -> bool:
        """Whether tags of the format are special tokens, which decoding leaves out unless it is told to keep them."""
        marked = (str(added) for added in self.tokenizer.added_tokens_decoder.values() if added.special)
        return not self._tags.isdisjoint([*self.tokenizer.all_special_tokens, *marked])

    @property
    def _tags(self) -> set[str]:
        """The tags that the format writes around calls, text and thinking."""
        form = self.format
        ends = {*form.ends} if form else set[str]()
        tags = {*form.special_tags, *form.wrappers, *form.openings} - ends if form else set[str]()
        return tags.union(*self.thoughts)

    def _written_ends(self) -> set[int]:
        """Tokens with which the template itself ends a turn, or begins the next one where it does not."""
        called = self._shape.of(_CALLED)
        turns = [(_SAID, FOLLOWERS["assistant"])]
        if self.format:
            turns.append((called, {**FOLLOWERS["tool"], "tool_call_id": _CALL["id"]}))
        return {end for answer, follower in turns if (end := self._end_of(answer, follower)) is not None}

    def _end_of(self, answer: dict[str, Any], follower: dict[str, Any]) -> int | None:
        text = self._tried([_ASKED, answer]) or ""
        known = [content for content in self._added if content not in self._tags and text.rstrip().endswith(content)]
        if known:
            return self._added[max(known, key=len)]
        return self._added.get(self.next_token(self._tried([_ASKED, answer, follower]) or "", text))

    @cached_property
    def _added(self) -> dict[str, int]:
        return {str(added): token for token, added in self.tokenizer.added_tokens_decoder.items()}

    def next_token(self, text: str, after: str) -> str:
        """The added token with which `text` goes on after it has said `after`; empty where it is none.

        GLM ends no turn of its own: the model is stopped by the role of who speaks next.
        """
        rest = text.removeprefix(after)
        if not after or rest == text:
            return ""
        return max((content for content in self._added if rest.startswith(content)), key=len, default="")


def _with_all_keys(tool: dict[str, Any]) -> dict[str, Any]:
    """The tool with an empty description and without parameters where it says nothing of them (gpt-oss)."""
    function = tool["function"]
    filled = {
        "description": function.get("description") or "",
        "parameters": function.get("parameters") or {"type": "object", "properties": {}},
    }
    return {**tool, "function": {**function, **filled}}


def _text_arguments(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {**call, "function": {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}}
