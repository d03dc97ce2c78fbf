"""Logged chat completions as tool-eval turns: the request is the question, and the assistant's answer is the gold.

`callproof.sessions.logs.exchanges` says what requests are read, and which hold no gold: those are skipped, and counted.
A line that is no request is a record of any form that training reads, if it ends with an answer of the assistant.

Turns belong to one session if their lines name it (`session_id`, `conversation_id`, `thread_id`, also in `metadata`).
Without such a name they do if they share a `trace_id`, if one goes on where another ended, or if their conversations
begin alike up to the first message of the user (see `callproof.sessions.conversations.chains`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from callproof.calls import MalformedCall
from callproof.errors import UserError
from callproof.records import explain
from callproof.sessions import NAMING, Chains, Exchange, Link, NoGold, gold_answer, is_logged, read_exchange, to_session
from callproof.turns import GoldCall, Turn, digest, wire_messages

from .turns_file import Imported, Skipped, position_after, read_rows


def read_log(path: Path) -> Iterator[Imported | Skipped]:
    """The turns of a log, streamed; it is read twice, since a conversation may begin on any line.

    Raises:
        UserError: unreadable file, or a line that is no JSON object (`path:line`).
    """
    sessions, seen = _sessions(path), set[str]()
    for number, (where, row) in enumerate(read_rows(path), start=1):
        try:
            turn = _turn(_exchange(row, where), number, sessions)
        except NoGold as error:
            yield Skipped(where, str(error))
        except ValidationError as error:
            yield Skipped(where, explain(error))
        else:
            if turn.turn_id in seen:  # proxies log each try of a request
                turn = turn.model_copy(update={"turn_id": f"{turn.turn_id}#{number}"})
            seen.add(turn.turn_id)
            yield Imported(where, turn)


def _sessions(path: Path) -> dict[int, str]:
    """The session of each line that holds an exchange, by the line's number among the rows, from 1."""
    chains, lines, names = Chains(), list[int](), dict[int, str]()
    for number, (where, row) in enumerate(read_rows(path), start=1):
        try:
            exchange = _exchange(row, where)
        except NoGold:
            continue
        messages = [*exchange.messages, exchange.spoken]
        chains.add(Link(messages, exchange.session, exchange.trace, is_request=True))
        if name := exchange.session or exchange.trace:
            names[len(lines)] = name
        lines.append(number)
    fates, sessions = chains.fates(), dict[int, str]()
    for link in range(len(lines)):
        first = fates[link].conversation
        if link in names:
            sessions.setdefault(first, names[link])
    return {
        number: sessions.get(fates[link].conversation) or _unnamed(lines, fates[link].conversation)
        for link, number in enumerate(lines)
    }


def _unnamed(lines: list[int], first: int) -> str:
    return digest(f"line {lines[first]}")


def _exchange(row: dict[str, Any], where: str) -> Exchange:
    """The request and the answer of a line; raises NoGold where it has none, or one that is context only."""
    if is_logged(row) or row.get("error"):
        return read_exchange(row)
    try:
        session = to_session(row, where, "line")
    except UserError as error:
        raise NoGold(str(error).removeprefix(f"{where}: ")) from None
    last = session.messages[-1]
    if last.role != "assistant" or not last.train:
        raise NoGold("there is no answer" if last.role != "assistant" else "the answer is marked as context only")
    system = [] if session.system is None else [{"role": "system", "content": session.system}]
    names = {key: value for key, value in row.items() if key in NAMING}
    names |= {"session_id": session.conversation} if session.conversation else {}
    tools = None if session.tools is None else [tool.wire() for tool in session.tools.tools]
    return read_exchange({**names, "messages": [*system, *wire_messages(session.messages)], "tools": tools})


def gold_calls(exchange: Exchange) -> tuple[GoldCall, ...]:
    """The calls of an answer that is gold; raises NoGold where it is none."""
    return tuple(GoldCall.of(call) for call in gold_answer(exchange).calls if not isinstance(call, MalformedCall))


def _turn(exchange: Exchange, number: int, sessions: dict[int, str]) -> Turn:
    return Turn(
        turn_id=exchange.request_id or str(number),
        session_id=sessions[number],
        position=position_after(exchange.messages),
        messages=tuple(exchange.messages),
        tools=tuple(exchange.tools) if exchange.tools else None,
        gold=gold_calls(exchange),
    )
