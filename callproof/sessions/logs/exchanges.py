"""Logged chat completions, one JSON object a line, in any of the forms that proxies, gateways and tracing tools write.

- `request` and `response` (or `request_body` and `response_body`, `input` and `output`, `req` and `res`): the body, an
  object with the `body` in it, or either as JSON text. A response may also be the chunks of a stream, as a list or as
  server-sent events, or the assistant's message alone, or its text.
- The fields of the request beside `response` or `choices` (LiteLLM; tools in `model_parameters`, `optional_params`).

A record of `messages` and their answer alone is no request: the forms read it (`callproof.sessions.forms`), but where
the answer stands beside them as a whole chat completion (`response`, `output`, `completion`, `answer`).

`functions` and `function_call` of the older API are understood. Calls that the server left in the text are read out of
it. A line holds no gold if it is no chat completion, failed, was cut off or filtered, holds a malformed call (one in a
notation other than Hermes' too), or asked with `tool_choice: none`, which says nothing of restraint.
"""

import json
from collections.abc import Iterator, Mapping
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
    writable,
    writable_value,
)
from callproof.catalog import Catalog
from callproof.errors import UserError
from callproof.records import explain

from ..reading.refusal import NoGold
from ..reading.tools import brought_tools, is_tool, settings_of

_REQUEST = ("request", "request_body", "req", "input")
_RESPONSE = ("response", "response_body", "res", "output", "completion", "answer")
BODIES = (*_REQUEST, *_RESPONSE)
"""Under which names a line holds the bodies of a request and its response."""

_ID = ("turn_id", "custom_id", "request_id", "id")
_SESSION = ("session_id", "sessionId", "conversation_id", "thread_id")
_TRACE = ("trace_id", "traceId")
NAMING = (*_ID, *_SESSION, *_TRACE, "metadata", "tool_choice")
"""Keys of a line that say which request it is, and how it was asked."""


class Exchange(NamedTuple):
    """A request and its answer. `session`, `trace` and `request_id`: what the line names, if it does.

    `messages` and `tools` are the request's, as they were sent, `functions` apart: they are tools here.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    answer: Completion
    session: str | None
    trace: str | None
    request_id: str | None
    forbids_calls: bool

    @property
    def spoken(self) -> dict[str, Any]:
        """The answer as a message."""
        thinking = {"thinking": self.answer.thinking} if self.answer.thinking else {}
        calls = list(self.answer.tool_calls or ())
        return {"role": "assistant", "content": self.answer.text, **thinking, "tool_calls": calls}


def is_exchange(row: Mapping[str, Any]) -> bool:
    """Whether a line has the shape of a request, whatever became of it; `messages` alone are no request."""
    if isinstance(row.get("messages"), list):
        beside = "choices" in row or any(row.get(key) is not None for key in _RESPONSE[:3])
        return beside or any(_is_body(row.get(key)) for key in _RESPONSE[3:])
    return any(key in row for key in _REQUEST[:3]) or _holds_messages(row.get("input"))


def _is_body(value: Any) -> bool:
    """Whether a value is a chat completion, as an object or as JSON text."""
    body = _tried(value)
    return isinstance(body, dict) and "choices" in body


def _tried(value: Any) -> Any:
    """The body that a value is; None where it is malformed."""
    try:
        return _body(value)
    except (NoGold, RefusedJSON, NoCompletion):
        return None


def _holds_messages(value: Any) -> bool:
    value = _tried(value) if isinstance(value, str) else value
    entries = value.get("messages") if isinstance(value, dict) else value
    return isinstance(entries, list) and bool(entries) and all(isinstance(entry, dict) for entry in entries)


def read_exchange(row: dict[str, Any]) -> Exchange:
    """The request and the answer that a line holds.

    Raises:
        NoGold: it is no chat completion, or one that failed.
    """
    try:
        return _exchange(row)
    except (NoCompletion, RefusedJSON) as error:
        raise NoGold(str(error)) from None


def gold_answer(exchange: Exchange) -> ParsedAnswer:
    """The answer of an exchange, its calls read by the tools that it was asked with.

    Raises:
        NoGold: it cannot serve as gold.
    """
    tools = _catalog(exchange.tools).parameters
    if exchange.forbids_calls:
        raise NoGold("the request forbade calls (tool_choice: none), so that its answer shows no restraint")
    answer = exchange.answer
    if answer.tool_calls:
        parsed = parse_served(answer.tool_calls, answer.text, answer.finish_reason, tools=tools)
    else:
        parsed = parse_answer(answer.text, answer.finish_reason, tools=tools)
    if answer.finish_reason == "content_filter":
        raise NoGold("the answer was filtered")
    if parsed.truncated or answer.finish_reason == "length":
        raise NoGold("the answer was cut off")
    for call in parsed.calls:
        if isinstance(call, MalformedCall):
            raise NoGold(f"the answer holds a malformed call ({call.reason})")
    if not parsed.calls and not parsed.text.strip():
        raise NoGold("the answer is empty")
    return parsed


def request_of(row: dict[str, Any]) -> dict[str, Any]:
    """The body of the request; the line itself where its fields stand there.

    Raises:
        NoGold: the line says that the request failed.
        RefusedJSON: a body in malformed JSON.
    """
    for key in _REQUEST:
        body = _body(row.get(key))
        if isinstance(body, list):
            return {"messages": body}
        if isinstance(body, dict) and "messages" in body:
            return body
    return row


def _exchange(row: dict[str, Any]) -> Exchange:
    if row.get("error"):
        raise NoGold(f"the request failed: {json.dumps(row['error'], ensure_ascii=False)[:100]}")
    request = request_of(row)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise NoGold("no chat completion: the request has no messages")
    response = _body(next((row[key] for key in _RESPONSE if row.get(key) is not None), None))
    if response is None and "choices" in row:
        response = row
    if response is None and messages[-1].get("role") == "assistant":
        *messages, response = messages
    if not messages or response is None:
        raise NoGold("there is no answer")
    if isinstance(request.get("system"), str):
        messages = [{"role": "system", "content": request["system"]}, *messages]
    return Exchange(
        messages=messages,
        tools=_tools(row, request),
        answer=_completion(response),
        session=_named_in(row, request, _SESSION),
        trace=_named_in(row, request, _TRACE),
        request_id=_named(row, _ID),
        forbids_calls=request.get("tool_choice") == "none",
    )


def _body(value: Any) -> Any:
    """The body itself: JSON text is decoded, and an object with a `body` is replaced by that."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = writable_value(load_json(writable(value).encode()))
    if isinstance(value, dict):
        status = value.get("status_code", value.get("status"))
        if isinstance(status, int) and status >= 400:
            raise NoGold(f"the request failed with status {status}")
        if "body" in value:
            return _body(value["body"])
    return value


def _tools(row: dict[str, Any], request: dict[str, Any]) -> Any:
    """The tools of a request; `functions` of the older API are converted."""
    for place in (request, row, *settings_of(row), _mapping(row, "metadata")):
        if place.get("tools"):
            return _in_openai_form(place["tools"])
        if place.get("functions"):
            return [{"type": "function", "function": function} for function in place["functions"]]
    return None


def _in_openai_form(tools: Any) -> Any:
    """Tools as they were sent; JSON text, MCP's, Anthropic's and flat ones in OpenAI's form."""
    flat = isinstance(tools, list) and any(isinstance(tool, dict) and is_tool(tool) for tool in tools)
    if isinstance(tools, list) and not (flat and any("function" not in tool for tool in tools)):
        return tools
    try:
        return [tool.wire() for tool in brought_tools(tools, "").catalog.tools]
    except UserError as error:
        raise NoGold(f"tools: {error.args[1]}") from None


def _catalog(tools: Any) -> Catalog:
    if tools is None:
        return Catalog(tools=())
    if not isinstance(tools, list):
        raise NoGold("tools: expected a list")
    try:
        return Catalog.from_wire(tools)
    except ValidationError as error:
        raise NoGold(f"tools: {explain(error)}") from None
    except ValueError as error:
        raise NoGold(f"tools: {error}") from None


def _completion(response: Any) -> Completion:
    if isinstance(response, str) and response.lstrip().startswith("data:"):
        return _streamed(line[5:].strip() for line in response.splitlines() if line.startswith("data:"))
    if isinstance(response, str):
        response = {"role": "assistant", "content": response}
    if isinstance(response, list):
        return _of_list(response)
    if not isinstance(response, dict):
        raise NoGold(f"the answer is {type(response).__name__}, expected an object")
    if response.get("error"):
        raise NoGold(f"the request failed: {json.dumps(response['error'], ensure_ascii=False)[:100]}")
    if "choices" not in response and isinstance(message := response.get("message"), dict) and "done" in response:
        response = {"choices": [{"message": _of_ollama(message), "finish_reason": response.get("done_reason")}]}
    if "choices" not in response and response.keys() & {"role", "tool_calls"}:
        response = {"choices": [{"message": {"role": "assistant", **response}}]}
    return Completion.of_body(json.dumps(response).encode())


def _of_ollama(message: dict[str, Any]) -> dict[str, Any]:
    """A message of Ollama's own API, whose calls have objects as their arguments, in OpenAI's form."""
    calls = message.get("tool_calls")
    return {**message, "tool_calls": list(map(_in_text, calls))} if isinstance(calls, list) else message


def _in_text(call: Any) -> Any:
    """A call with its arguments as text; what is no call stays as it is, and is refused where the answer is read."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), dict):
        return call
    return {"type": "function", **call, "function": {**function, "arguments": json.dumps(function["arguments"])}}


def _of_list(response: list[Any]) -> Completion:
    """The completion in a list: the chunks of a stream, or a single message."""
    if len(response) == 1 and isinstance(response[0], dict) and "role" in response[0]:
        return _completion(response[0])
    if not all(isinstance(chunk, dict) and "choices" in chunk for chunk in response):
        raise NoGold("the answer is a list, but not of the chunks of a stream")
    return _streamed(json.dumps(chunk) for chunk in response)


def _streamed(chunks: Iterator[str]) -> Completion:
    stream = StreamedCompletion()
    for chunk in chunks:
        stream.add(chunk.encode())
    return stream.completion()


def _named_in(row: dict[str, Any], request: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """The name under one of the keys in a line or in its metadata."""
    places = (row, _mapping(row, "metadata"), _mapping(request, "metadata"))
    return next((name for place in places if (name := _named(place, keys))), None)


def _named(place: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((str(place[key]) for key in keys if isinstance(place.get(key), str | int) and place[key] != ""), None)


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}
