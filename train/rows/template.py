"""The chat template of a tokenizer, and what it tells: the format of its calls, and which tokens end a turn."""

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from callproof.calls.formats import FORMATS, Format, Thinking
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
_ASKED = {"role": "user", "content": "A train to Bern?"}
_SAID = {"role": "assistant", "content": "At nine."}
_CALL = {"id": "call00000", "type": "function", "function": {"name": "find_train", "arguments": {"town": "Bern"}}}
_CALLED = {"role": "assistant", "content": "", "tool_calls": [_CALL]}

Messages = list[dict[str, Any]]


class Unrenderable(UserError):
    """A conversation that the chat template does not write as it was recorded; `data.unrenderable` may drop it."""

    def at(self, place: str, session_id: str) -> UserError:
        """The same of a session, which stands at `place` (`file:line`)."""
        where, problem, mend = self.args
        return UserError(place, f"session {session_id!r}: {where}: {problem}", mend)

    @property
    def problem(self) -> str:
        """What is wrong, without the place."""
        return str(self.args[1])


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
            Unrenderable: the template fails, whichever way.
        """
        offered = [_with_all_keys(tool) for tool in tools] if tools and self._wants_all_keys else list(tools or ()) or None
        written = [_with_text_arguments(message) for message in messages] if self._wants_text_arguments else messages
        try:
            return self._apply(written, offered, variables, ask)
        except Exception as error:  # a template is foreign code, and fails in as many ways
            reason = " ".join(str(error).split()) or type(error).__name__
            roles = ", ".join(message["role"] for message in messages[:8])
            problem = f"refuses a conversation of {roles} ({reason})"
            raise Unrenderable(self.name, problem[:300], OTHER_WAYS) from None

    def _apply(self, messages: Messages, tools: Messages | None, variables: dict[str, Any], ask: bool) -> str:
        return self.tokenizer.apply_chat_template(
            messages, tools=tools, tokenize=False, add_generation_prompt=ask, **variables
        )

    def _tried(self, messages: Messages, tool: dict[str, Any] = _TOOL) -> str | None:
        try:
            return self._apply(messages, [tool], {}, False)
        except Exception:  # see render
            return None

    @cached_property
    def _wants_text_arguments(self) -> bool:
        """Whether it fails on arguments as an object, which vLLM hands over, but writes them as JSON text."""
        if self._tried([_ASKED, _CALLED]) is not None:
            return False
        return self._tried([_ASKED, _with_text_arguments(_CALLED)]) is not None

    @cached_property
    def _wants_all_keys(self) -> bool:
        """Whether it fails on tools without description and parameters, which are null on the wire."""
        return self._tried([_ASKED, _SAID], _BARE_TOOL) is None and self._tried([_ASKED, _SAID]) is not None

    @cached_property
    def format(self) -> Format | None:
        """The format that reads a call of this template back; None where it writes none that is known."""
        name = format_of_template(self.tokenizer.chat_template)
        return FORMATS[name] if name else None

    @property
    def thinking(self) -> Thinking:
        """The tags around thinking."""
        return (self.format or FORMATS["hermes"]).thinking

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
        tags = (*self.format.special_tags, *self.format.wrappers, *self.thinking) if self.format else ()
        return not {*tags}.isdisjoint(self.tokenizer.all_special_tokens)

    def _written_ends(self) -> set[int]:
        """Tokens that the template itself writes last in a turn, with a call or without."""
        tags = {*self.format.special_tags, *self.format.wrappers, *self.format.openings} if self.format else set[str]()
        known = {content: token for content, token in self._added.items() if content not in {*tags, *self.thinking}}
        turns = (self._tried([_ASKED, answer]) for answer in (_SAID, self._called))
        return {token for text in turns if text for content, token in known.items() if text.rstrip().endswith(content)}

    @property
    def _called(self) -> dict[str, Any]:
        return _with_text_arguments(_CALLED) if self._wants_text_arguments else _CALLED

    @cached_property
    def _added(self) -> dict[str, int]:
        return {str(added): token for token, added in self.tokenizer.added_tokens_decoder.items()}

    def next_token(self, text: str, after: str) -> str:
        """The added token with which `text` goes on after it has said `after`; empty where it is none.

        GLM ends no turn of its own: the model is stopped by the role of who speaks next.
        """
        rest = text.removeprefix(after)
        if rest == text:
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


def _with_text_arguments(message: dict[str, Any]) -> dict[str, Any]:
    """The message with arguments of calls as JSON text, as DeepSeek-V3's template wants them."""
    if "tool_calls" not in message:
        return message
    calls = [
        {**call, "function": {**function, "arguments": json.dumps(function["arguments"], ensure_ascii=False)}}
        for call in message["tool_calls"]
        for function in [call["function"]]
    ]
    return {**message, "tool_calls": calls}


def format_of_template(template: str) -> str | None:
    """SHIM until callproof.calls.formats has it."""
    from transformers.utils.chat_template_utils import render_jinja_template

    from callproof.calls import parse

    def text(messages: Messages, ask: bool) -> str:
        return render_jinja_template(
            [messages],
            [_TOOL],
            chat_template=template,
            add_generation_prompt=ask,
            bos_token="<s>",
            eos_token="</s>",
        )[0][0]

    try:
        said = text([_ASKED, _CALLED], False).removeprefix(text([_ASKED], True))
    except Exception:
        return None
    for name in FORMATS:
        calls = parse(said, name)
        if len(calls) == 1 and getattr(calls[0], "name", "") == "find_train" and "Bern" in str(calls[0]):
            return name
    return None
