"""The only prompt assembly: what training templates, what the server gets and what is scored are these bytes.

A system prompt is Markdown: a preamble, then `## sections` of `- bullets`. Per session id, deterministically (seed
002): the date line is
 added to the preamble, and sections, bullets and tools are shuffled so that no adapter learns an order.
"""

import hashlib
import json
import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from callproof.catalog import Catalog
from callproof.config import PromptConfig
from callproof.records import Record
from callproof.sessions import Message, Session

_EPOCH = datetime(2026, 1, 5, 8, 0)


class Conversation(Record):
    """Messages and tools exactly as a request to the server carries them (`tools` is None where there are none)."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] | None


def _generator(session_id: str, purpose: str) -> random.Random:
    return random.Random(hashlib.sha256(f"{purpose}:{session_id}".encode()).digest())


def session_time(session_id: str, timezone: str = "Europe/Zurich") -> datetime:
    """The moment at which a session takes place: an opening hour (8 to 18) in 2026, fixed by its id."""
    rng = _generator(session_id, "time")
    moment = _EPOCH + timedelta(days=rng.randrange(355), minutes=rng.randrange(600))
    return moment.replace(tzinfo=ZoneInfo(timezone))


def system_prompt(template: str, session_id: str, config: PromptConfig) -> str:
    """The system prompt of one session: date line added, sections and bullets shuffled as `config` says."""
    preamble, *sections = template.strip().split("\n## ")
    parts = [preamble.strip()]
    if config.date_line:
        moment = session_time(session_id, config.timezone)
        parts.append(f"Current DateTime ({config.timezone}): {moment:%A, %Y-%m-%d %H:%M}")
    rng = _generator(session_id, "sections")
    if config.shuffle_sections:
        rng.shuffle(sections)
    parts += [_section(section, rng, config.shuffle_sections) for section in sections]
    return "\n\n".join(parts)


def _section(section: str, rng: random.Random, shuffle: bool) -> str:
    title, *lines = section.strip().splitlines()
    bullets = [line for line in lines if line.strip()]
    if shuffle:
        rng.shuffle(bullets)
    return "\n".join([f"## {title.strip()}", *bullets])


def wire_messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages in OpenAI's wire form: calls numbered in order, arguments as JSON text."""
    wire: list[dict[str, Any]] = []
    made = answered = 0
    for message in messages:
        entry: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.role == "tool":
            entry["tool_call_id"] = f"call_{answered}"
            answered += 1
        elif message.tool_calls:
            answered = made
            entry["tool_calls"] = [
                {
                    "id": f"call_{made + offset}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
                }
                for offset, call in enumerate(message.tool_calls)
            ]
            made += len(message.tool_calls)
        wire.append(entry)
    return wire


def template_messages(messages: tuple[dict[str, Any], ...] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the server hands to the chat template: wire messages with each call's arguments decoded to an object."""
    return [
        {**message, "tool_calls": [_decoded(call) for call in message["tool_calls"]]}
        if "tool_calls" in message
        else message
        for message in messages
    ]


def _decoded(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {**call, "function": {**function, "arguments": json.loads(function["arguments"])}}


def conversation(session: Session, template: str, catalog: Catalog, config: PromptConfig) -> Conversation:
    """A whole session as the server would get it, system prompt and catalog first."""
    tools = [tool.wire() for tool in catalog.tools]
    if config.shuffle_tools:
        _generator(session.session_id, "tools").shuffle(tools)
    system = {"role": "system", "content": system_prompt(template, session.session_id, config)}
    return Conversation(messages=(system, *wire_messages(session.messages)), tools=tuple(tools) or None)
