"""Prompt assembly, the only one: training, requests to the server and scoring all use the messages made here.

A system prompt is shown as it is written, the domain's as well as one that a session brings. To a domain's, which is
Markdown (a preamble, then `## sections` of `- bullets`), the configuration may do two things (seed 002), both the same
whenever the same session is asked: `prompt.date_line` puts the date of the session behind the preamble, an invented one
where it has none, and `prompt.shuffle_sections` shuffles sections and bullets (`callproof.turns.sections`), so that no
adapter learns an order. `prompt.shuffle_tools` shuffles the tools of any session.

The text of `prompt.preamble` comes before either. `prompt.catalog` says how the model sees the tools:

- `tools`: they go with the request, and the chat template renders them.
- `text`: they are part of the system prompt (`callproof.calls.tool_text`), for templates that cannot render tools.
  Calls are then text of the assistant; results are `<tool_response>` blocks in the user's message, before what the user
  says next. The request carries nothing but text.
- `none`: they are not shown; what the model knows of them, it knows from training.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from callproof.calls import render, render_tools
from callproof.catalog import Catalog, Tool
from callproof.config import PromptConfig
from callproof.records import Record
from callproof.sessions import Message, Session, is_day

from .sections import shuffled, split

_EPOCH = datetime(2026, 1, 5, 8, 0)


Tools = tuple[dict[str, Any], ...] | None


class Conversation(Record):
    """Messages and tools exactly as they go into a request to the server; `tools` is None if there are none.

    `unsent_tools`: the tools that calls are checked against, where `prompt.catalog` keeps them out of the request.
    `calls_in_text`: calls are text of the assistant, as `prompt.catalog: text` has it. `template_kwargs`: see
    `PromptConfig`. Of messages of the assistant, counted from 0: `unlearnt` are those that training does not learn,
    `loss_scales` says how many times the loss of some counts, `rejected` which wrong answers stand beside them, each as
    a message of its own; one that is the model's text as it came has `raw` in place of `content`.
    """

    messages: tuple[dict[str, Any], ...]
    tools: Tools
    unsent_tools: Tools = Field(default=None, exclude_if=lambda tools: tools is None)
    calls_in_text: bool = False
    template_kwargs: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda kwargs: not kwargs)
    unlearnt: tuple[int, ...] = Field(default=(), exclude_if=lambda numbers: not numbers)
    loss_scales: dict[int, float] = Field(default_factory=dict, exclude_if=lambda scales: not scales)
    rejected: dict[int, tuple[dict[str, Any], ...]] = Field(default_factory=dict, exclude_if=lambda wrong: not wrong)


def _generator(session_id: str, purpose: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{purpose}:{session_id}".encode()).digest())


def session_time(session_id: str, timezone: str = "Europe/Zurich") -> datetime:
    """The invented time of a session without one: in 2026 between 8 and 18 o'clock, derived from its id."""
    rng = _generator(session_id, "time")
    moment = _EPOCH + timedelta(days=rng.randrange(355), minutes=rng.randrange(600))
    return moment.replace(tzinfo=ZoneInfo(timezone))


def system_prompt(template: str, session_id: str, config: PromptConfig, at: str | None = None) -> str:
    """The system prompt of one session, made from that of its domain.

    Args:
        template: the domain's, which stands as it is unless `config` says otherwise.
        at: when the session was recorded, see `Session`.
    """
    if not config.date_line and not config.shuffle_sections:
        return template.strip()
    preamble, rest = split(template)
    date = date_line(session_id, config.timezone, at) if config.date_line else ""
    if config.shuffle_sections:
        rest = shuffled(rest, _generator(session_id, "sections"))
    return "\n\n".join(filter(None, (preamble, date, rest)))


def date_line(session_id: str, timezone: str, at: str | None) -> str:
    """The line that says when a session takes place, its time in `timezone`; a date without a time stays one."""
    if at is None:
        moment = session_time(session_id, timezone)
    else:
        moment = datetime.fromisoformat(at)
        moment = moment.astimezone(ZoneInfo(timezone)) if moment.tzinfo else moment
    shown = f"{moment:%A, %Y-%m-%d}" if at and is_day(at) else f"{moment:%A, %Y-%m-%d %H:%M}"
    return f"Current DateTime ({timezone}): {shown}"


def wire_messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages in OpenAI's wire form: calls numbered in order, arguments as JSON text.

    Ids have 9 letters and digits, which is what Mistral's templates demand.
    """
    wire: list[dict[str, Any]] = []
    numbered = first_open = answered = 0
    for message in messages:
        entry: dict[str, Any] = {"role": message.role, "content": message.content, **_reasoning(message)}
        if message.role == "tool":
            entry["tool_call_id"] = _call_id(first_open + (answered if message.answers is None else message.answers))
            answered += 1
        elif message.tool_calls:
            first_open, answered = numbered, 0
            entry["tool_calls"] = [
                {
                    "id": _call_id(numbered + offset),
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
                }
                for offset, call in enumerate(message.tool_calls)
            ]
            numbered += len(message.tool_calls)
        wire.append(entry)
    return wire


def _call_id(number: int) -> str:
    return f"call{number:05}"


def _reasoning(message: Message) -> dict[str, str]:
    return {"reasoning": message.thinking} if message.thinking else {}


def template_messages(messages: tuple[dict[str, Any], ...] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What vLLM hands to the chat template for wire messages.

    Arguments of calls are decoded to an object, and thinking stands under both names that templates know. Arguments
    stand before the name, which shows where a template writes the object as it is.
    """
    return [_template_message(message) for message in messages]


def _template_message(message: dict[str, Any]) -> dict[str, Any]:
    calls = {"tool_calls": [_decoded(call) for call in message["tool_calls"]]} if "tool_calls" in message else {}
    thinking = {"reasoning_content": message["reasoning"]} if "reasoning" in message else {}
    return {**message, **calls, **thinking}


def _decoded(call: dict[str, Any]) -> dict[str, Any]:
    name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
    return {**call, "function": {"arguments": arguments, "name": name}}


def text_messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages as plain text of user and assistant; consecutive messages of user and tools are joined into one."""
    texts: list[dict[str, Any]] = []
    for message in messages:
        role = message.role if message.role in ("assistant", "system") else "user"
        content = message.content
        if message.role == "tool":
            content = f"<tool_response>\n{content}\n</tool_response>"
        elif message.tool_calls:
            content = "\n".join(filter(None, (content, render(message.tool_calls))))
        if role == "user" and texts and texts[-1]["role"] == "user":
            texts[-1]["content"] += f"\n{content}"
        else:
            texts.append({"role": role, "content": content, **_reasoning(message)})
    return texts


def conversation(
    session: Session, template: str, catalog: Catalog, config: PromptConfig, preamble: str = ""
) -> Conversation:
    """A whole session as the server would get it: system prompt first, if there is any text to it.

    Args:
        session: its own system prompt is used, if it brings one.
        template: the domain's system prompt, used otherwise.
        catalog: the session's tools, see `callproof.turns.domain`.
        preamble: text before the system prompt.
    """
    tools = tuple(tool.wire() for tool in _ordered(catalog, session.session_id, config)) or None
    own = session.system
    parts = [preamble.strip(), system_prompt(template, session.session_id, config, session.at) if own is None else own]
    parts += [render_tools(tools)] if tools and config.catalog == "text" else []
    text = "\n\n".join(filter(None, parts))
    system = [{"role": "system", "content": text}] if text else []
    spoken = text_messages(session.messages) if config.catalog == "text" else wire_messages(session.messages)
    sent = config.catalog == "tools"
    return Conversation(
        messages=(*system, *spoken),
        tools=tools if sent else None,
        unsent_tools=None if sent else tools,
        calls_in_text=config.catalog == "text",
        template_kwargs=config.template_kwargs,
        unlearnt=_unlearnt(session.messages),
        loss_scales={
            number: message.loss_scale for number, message in _learnt(session.messages) if message.loss_scale != 1
        },
        rejected={
            number: _rejected(session.messages, message, config.catalog == "text")
            for number, message in _learnt(session.messages)
            if message.rejected
        },
    )


def _unlearnt(messages: tuple[Message, ...]) -> tuple[int, ...]:
    return tuple(number for number, message in _spoken(messages) if not message.train)


def _learnt(messages: tuple[Message, ...]) -> Iterator[tuple[int, Message]]:
    return ((number, message) for number, message in _spoken(messages) if message.train)


def _spoken(messages: tuple[Message, ...]) -> Iterator[tuple[int, Message]]:
    """The assistant's messages, counted from 0."""
    return enumerate(message for message in messages if message.role == "assistant")


def _rejected(messages: tuple[Message, ...], message: Message, in_text: bool) -> tuple[dict[str, Any], ...]:
    """The rejected answers of a message, each in the form of the message itself and after the same thinking."""
    at = next(number for number, other in enumerate(messages) if other is message)
    wrong: list[dict[str, Any]] = []
    for answer in message.rejected:
        if answer.raw is not None:
            wrong.append({"role": "assistant", "raw": answer.raw})
            continue
        said = message.model_copy(
            update={"content": answer.content, "tool_calls": answer.tool_calls, "acceptances": (), "alternatives": ()}
        )
        wrong.append((text_messages if in_text else wire_messages)((*messages[:at], said))[-1])
    return tuple(wrong)


def _ordered(catalog: Catalog, session_id: str, config: PromptConfig) -> list[Tool]:
    tools = list(catalog.tools)
    if config.shuffle_tools:
        _generator(session_id, "tools").shuffle(tools)
    return tools
