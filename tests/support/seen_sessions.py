"""A session as short lines, so that a test can say what a person sees in a record."""

import json

from callproof.sessions import Message, Session


def seen(session: Session) -> list[str]:
    """The system prompt, the tools and the messages, one line each; `-` marks an answer that is context only."""
    lines = [] if session.system is None else [f"system: {session.system}"]
    lines += [] if session.tools is None else [f"tools: {', '.join(tool.name for tool in session.tools.tools)}"]
    return [*lines, *map(_line, session.messages)]


def _line(message: Message) -> str:
    calls = "".join(f" {call.name}{json.dumps(call.arguments, ensure_ascii=False)}" for call in message.tool_calls)
    thinking = f" ({message.thinking})" if message.thinking else ""
    answers = "" if message.answers is None else f"#{message.answers}"
    return f"{'' if message.train else '-'}{message.role}{answers}:{thinking} {message.content}{calls}"
