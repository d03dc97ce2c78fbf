"""One turn for a terminal: what was asked, what was expected, and what each model answered, with the reasons."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from callproof.calls import MalformedCall, ToolCall
from callproof.console import visible
from callproof.scoring import Outcome
from callproof.turns import GoldCall, Turn

from .turns import Answered

_SHORT = 400
_INDENT = "             "


def lines_of(answered: Answered, whole: bool) -> Iterator[str]:
    """The turn on lines that are safe to print.

    Args:
        whole: with all of the conversation and every text in full; else from the last user message on, long texts cut.
    """
    turn, cut = answered.turn, None if whole else _SHORT
    tags = f"  [{', '.join(turn.tags)}]" if turn.tags else ""
    yield visible(f"{turn.turn_id}{tags}")
    for title, text in (*_conversation(turn, whole), *_expected(turn)):
        yield from _paragraph(title, _cut(text, cut))
    for column, outcome in answered.answers.items():
        for title, text in _answer(column, outcome, whole):
            yield from _paragraph(title, _cut(text, cut))


def _paragraph(title: str, text: str) -> Iterator[str]:
    """The text indented under its title, which stands on the first line."""
    first, *rest = visible(text).split("\n")
    name = visible(title).replace("\n", " ")
    yield f"  {name:<10} {first}"
    yield from (f"{_INDENT}{line}" for line in rest)


def _cut(text: str, longest: int | None) -> str:
    if longest is None or len(text) <= longest:
        return text
    return f"{text[:longest]} ... ({len(text):,} characters; --whole shows all)"


def _conversation(turn: Turn, whole: bool) -> Iterator[tuple[str, str]]:
    """(role, text) of the messages; system prompt and catalog only where the `whole` is wanted."""
    messages = [message for message in turn.messages if whole or message.get("role") != "system"]
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    start = users[-1] if users and not whole else 0
    if whole:
        yield "tools", ", ".join(str(tool.get("function", {}).get("name")) for tool in turn.catalog) or "none"
    if start:
        yield "earlier", f"{start} messages (--whole shows them)"
    for message in messages[start:]:
        text = message.get("content")
        calls = [_wire_call(call) for call in message.get("tool_calls") or ()]
        spoken = [] if text in (None, "") else [text if isinstance(text, str) else _json(text)]
        yield str(message.get("role")), "\n".join((*spoken, *calls))


def _wire_call(call: dict[str, Any]) -> str:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    return f"{function.get('name')} {arguments if isinstance(arguments, str) else _json(arguments)}"


def _expected(turn: Turn) -> Iterator[tuple[str, str]]:
    for number, calls in enumerate(turn.answers):
        none = "any call" if turn.any_call else "no call"
        yield ("or" if number else "expected"), "\n".join(map(_gold_call, calls)) or none


def _gold_call(call: GoldCall) -> str:
    freedoms = {
        "may be left out": call.optional_call and "the whole call",
        "also accepted": call.any_of and _json(call.any_of),
        "may lack": ", ".join(call.optional),
        "not compared": ", ".join(call.ignore),
    }
    told = "; ".join(f"{name}: {what}" for name, what in freedoms.items() if what)
    return f"{call.name} {_json(call.arguments)}" + (f"  ({told})" if told else "")


def _answer(column: str, outcome: Outcome, whole: bool) -> Iterator[tuple[str, str]]:
    """What a model answered; of a right answer only that it is right, unless the `whole` is wanted."""
    yield column, "\n".join((" ".join(outcome.labels), *outcome.reasons))
    if outcome.outcome == "ok" and not whole:
        return
    answer = outcome.answer
    if answer.thinking:
        yield "  thinking", answer.thinking if whole else f"{len(answer.thinking):,} characters (--whole shows them)"
    if outcome.calls:
        yield "  called", "\n".join(map(_call, outcome.calls))
    if answer.error is None and (whole or not outcome.calls):
        yield "  wrote", answer.text or "nothing"
    if answer.finish_reason not in (None, "stop", "tool_calls"):
        yield "  finish", answer.finish_reason


def _call(call: ToolCall | MalformedCall) -> str:
    if isinstance(call, ToolCall):
        return f"{call.name} {_json(call.arguments)}"
    return f"malformed ({call.reason}): {call.text}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def all_lines(turns: Iterable[Answered], whole: bool) -> Iterator[str]:
    """Every turn, with an empty line after each."""
    for answered in turns:
        yield from lines_of(answered, whole)
        yield ""
