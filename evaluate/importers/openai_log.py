"""Logged chat completions as tool-eval turns: the request is the question, and the assistant's answer is the gold.

One JSON object a line, in any of the forms that proxies, gateways and tracing tools write:

- `request` and `response` (or `request_body` and `response_body`, `input` and `output`, `req` and `res`): the body, an
  object with the `body` in it, or either as JSON text. A response may also be the chunks of a stream, as a list or as
  server-sent events, or the assistant's message alone, or its text.
- The fields of the request beside `response` or `choices` (LiteLLM; its tools in `model_parameters`).
- `messages` that end with the assistant's answer, and `tools`: OpenAI's form for stored completions and fine-tuning.

`functions` and `function_call` of the older API are understood. Calls that the server left in the text are read out of
it. A line is skipped, and counted, if it is no chat completion, failed, was cut off or filtered, holds a malformed call
(one in a notation other than Hermes' too), or asked with `tool_choice: none`, which says nothing of restraint.

Turns belong to one session if their lines name it (`session_id`, `conversation_id`, `thread_id`, also in `metadata`).
Without such a name they do if they share a `trace_id`, if one goes on where another ended (see
`evaluate.importers.chains`), or if their conversations begin alike up to the first message of the user.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from callproof.calls import (
    Completion,
    MalformedCall,
    NoCompletion,
    ParsedAnswer,
    RefusedJSON,
    StreamedCompletion,
    load_json,
    parse_answer,
    parse_served,
    writable_value,
)
from callproof.calls.formats import Tools
from callproof.catalog import Catalog
from callproof.records import explain
from callproof.turns import GoldCall, Turn

from .chains import Chains
from .turns_file import Imported, Skipped, read_rows

_REQUEST = ("request", "request_body", "req", "input")
_RESPONSE = ("response", "response_body", "res", "output")
_ID = ("turn_id", "custom_id", "request_id", "id")
_SESSION = ("session_id", "sessionId", "conversation_id", "thread_id")
_TRACE = ("trace_id", "traceId")


class _Exchange(NamedTuple):
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    answer: Completion


class _NoTurn(Exception):
    """Why a line cannot become a turn."""


_REFUSALS = (_NoTurn, NoCompletion, RefusedJSON, ValidationError)


def read_log(path: Path) -> Iterator[Imported | Skipped]:
    """The turns of a log, streamed; it is read twice, since a conversation may begin on any line.

    Raises:
        UserError: unreadable file, or a line that is no JSON object (`path:line`).
    """
    sessions, seen = _sessions(path), set[str]()
    for number, (where, row) in enumerate(read_rows(path), start=1):
        try:
            turn = _turn(row, number, sessions)
        except _REFUSALS as error:
            yield Skipped(where, _reason(error))
        else:
            if turn.turn_id in seen:  # proxies log each try of a request
                turn = turn.model_copy(update={"turn_id": f"{turn.turn_id}#{number}"})
            seen.add(turn.turn_id)
            yield Imported(where, turn)


def _sessions(path: Path) -> dict[int, str]:
    """The session of each line that holds an exchange, by the line's number among the rows."""
    chains = Chains()
    for number, (_, row) in enumerate(read_rows(path), start=1):
        try:
            messages, _, answer = _exchange(row)
        except _REFUSALS:
            continue
        session = _named_in(row, _SESSION)
        if session is None:
            chains.add(number, messages, answer, _named_in(row, _TRACE))
        else:
            chains.add_named(number, session)
    return chains.sessions()


def _reason(error: Exception) -> str:
    return explain(error) if isinstance(error, ValidationError) else str(error)


def _turn(row: dict[str, Any], number: int, sessions: Mapping[int, str]) -> Turn:
    messages, tools, answer = _exchange(row)
    catalog = _catalog(tools)
    if _request(row).get("tool_choice") == "none":
        raise _NoTurn("the request forbade calls (tool_choice: none), so that its answer shows no restraint")
    parsed = _parsed(answer, catalog.parameters)
    return Turn(
        turn_id=_named(row, _ID) or str(number),
        session_id=sessions[number],
        position=sum(message.get("role") not in ("system", "developer") for message in messages),
        messages=tuple(messages),
        tools=tuple(tools) if tools else None,
        gold=tuple(
            GoldCall(name=call.name, arguments=call.arguments)
            for call in parsed.calls
            if not isinstance(call, MalformedCall)
        ),
    )


def _exchange(row: dict[str, Any]) -> _Exchange:
    if row.get("error"):
        raise _NoTurn(f"the request failed: {json.dumps(row['error'], ensure_ascii=False)[:100]}")
    request = _request(row)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise _NoTurn("no chat completion: the request has no messages")
    response = _body(next((row[key] for key in _RESPONSE if row.get(key) is not None), None))
    if response is None and "choices" in row:
        response = row
    if response is None and messages[-1].get("role") == "assistant":
        *messages, response = messages
    if not messages or response is None:
        raise _NoTurn("there is no answer")
    if isinstance(request.get("system"), str):
        messages = [{"role": "system", "content": request["system"]}, *messages]
    return _Exchange(messages, _tools(row, request), _completion(response))


def _request(row: dict[str, Any]) -> dict[str, Any]:
    """The body of the request; the line itself where its fields stand there."""
    for key in _REQUEST:
        body = _body(row.get(key))
        if isinstance(body, list):
            return {"messages": body}
        if isinstance(body, dict) and "messages" in body:
            return body
    return row


def _body(value: Any) -> Any:
    """The body itself: JSON text is decoded, and an object with a `body` is replaced by that."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = writable_value(load_json(value.encode()))
    if isinstance(value, dict):
        status = value.get("status_code", value.get("status"))
        if isinstance(status, int) and status >= 400:
            raise _NoTurn(f"the request failed with status {status}")
        if "body" in value:
            return _body(value["body"])
    return value


def _tools(row: dict[str, Any], request: dict[str, Any]) -> Any:
    """The tools of a request; `functions` of the older API are converted."""
    places: list[Mapping[str, Any]] = [request, row, *(_mapping(row, key) for key in ("model_parameters", "metadata"))]
    for place in places:
        if place.get("tools"):
            return place["tools"]
        if place.get("functions"):
            return [{"type": "function", "function": function} for function in place["functions"]]
    return None


def _catalog(tools: Any) -> Catalog:
    if tools is None:
        return Catalog(tools=())
    if not isinstance(tools, list):
        raise _NoTurn("tools: expected a list")
    try:
        return Catalog.from_wire(tools)
    except ValidationError as error:
        raise _NoTurn(f"tools: {explain(error)}") from None
    except ValueError as error:
        raise _NoTurn(f"tools: {error}") from None


def _completion(response: Any) -> Completion:
    if isinstance(response, str) and response.lstrip().startswith("data:"):
        return _streamed(line[5:].strip() for line in response.splitlines() if line.startswith("data:"))
    if isinstance(response, str):
        response = {"role": "assistant", "content": response}
    if isinstance(response, list):
        return _of_list(response)
    if not isinstance(response, dict):
        raise _NoTurn(f"the answer is {type(response).__name__}, expected an object")
    if response.get("error"):
        raise _NoTurn(f"the request failed: {json.dumps(response['error'], ensure_ascii=False)[:100]}")
    if "choices" not in response and "role" in response:
        response = {"choices": [{"message": response}]}
    return Completion.of_body(json.dumps(response).encode())


def _of_list(response: list[Any]) -> Completion:
    """The completion in a list: the chunks of a stream, or a single message."""
    if len(response) == 1 and isinstance(response[0], dict) and "role" in response[0]:
        return _completion(response[0])
    if not all(isinstance(chunk, dict) and "choices" in chunk for chunk in response):
        raise _NoTurn("the answer is a list, but not of the chunks of a stream")
    return _streamed(json.dumps(chunk) for chunk in response)


def _streamed(chunks: Iterator[str]) -> Completion:
    stream = StreamedCompletion()
    for chunk in chunks:
        stream.add(chunk.encode())
    return stream.completion()


def _parsed(answer: Completion, tools: Tools) -> ParsedAnswer:
    """The parsed answer; raises _NoTurn if it cannot serve as gold."""
    if answer.tool_calls:
        parsed = parse_served(answer.tool_calls, answer.text, answer.finish_reason, tools=tools)
    else:
        parsed = parse_answer(answer.text, answer.finish_reason, tools=tools)
    if answer.finish_reason == "content_filter":
        raise _NoTurn("the answer was filtered")
    if parsed.truncated or answer.finish_reason == "length":
        raise _NoTurn("the answer was cut off")
    for call in parsed.calls:
        if isinstance(call, MalformedCall):
            raise _NoTurn(f"the answer holds a malformed call ({call.reason})")
    if not parsed.calls and not parsed.text.strip():
        raise _NoTurn("the answer is empty")
    return parsed


def _named_in(row: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The name under one of the keys in a line or in its metadata."""
    places = (row, _mapping(row, "metadata"), _mapping(_request(row), "metadata"))
    return next((name for place in places if (name := _named(place, keys))), None)


def _named(place: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(place[key]) for key in keys if isinstance(place.get(key), str | int) and place[key] != ""), None)


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}
