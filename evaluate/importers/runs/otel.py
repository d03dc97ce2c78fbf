"""Spans of OpenTelemetry's GenAI conventions as OTLP JSON, one export a line.

A span of a model call is a turn with its answer: `gen_ai.input.messages`, `gen_ai.output.messages`,
`gen_ai.system_instructions` and `gen_ai.tool.definitions`, on the span or on its event
`gen_ai.client.inference.operation.details`; or the older events `gen_ai.user.message` .. `gen_ai.choice`, in the span
or in log records with its id. The events bring no tools: `--tools`.

Nothing in them says what is right: the answers of one model are the gold (`--gold-from`). The same question is the same
turn, asked again it is a repeat; conversations that begin alike, up to the first message of the user, are one session.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from callproof.scoring import Answer
from callproof.turns import digest

from ..turns_file import Skipped
from .record import Found, Left, Options, Sample, Wire, opened, or_skipped, question, wire_call, wire_tools

_PREFIX = "gen_ai."
_FINISH = {"tool_call": "tool_calls"}
_OPERATIONS = ("chat", "text_completion", "generate_content", None)
_ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant",
          "gen_ai.tool.message": "tool"}  # fmt: skip


def is_otlp(value: Any) -> bool:
    """Whether a line is an export of spans or log records."""
    return isinstance(value, dict) and bool({"resourceSpans", "resourceLogs"} & value.keys())


def read_otlp(files: list[Found], options: Options) -> Iterator[Sample | Skipped]:
    """The model calls of all files: spans and log records may stand in different ones."""
    spans, events = _collected(files)
    repeats: Counter[tuple[str, str]] = Counter()
    for key, (where, span) in spans.items():
        attributes, beside = _attributes(span.get("attributes")), events.pop(key, [])
        if not _is_model_call(attributes):
            continue
        place = f"{where}: span {span.get('spanId')}"
        item = or_skipped(place, lambda p=place, s=span, a=attributes, e=beside: _sample(p, s, a, e, options))
        if isinstance(item, Sample):
            asked = (item.asked.turn_id, item.model)
            item, repeats[asked] = item._replace(repeat=repeats[asked]), repeats[asked] + 1
        yield item
    for records in events.values():
        if any(str(_name(record)).startswith(_PREFIX) for record in records):
            yield Skipped(str(files[0].path), "its log records belong to a span that is not in these files")


def _collected(files: list[Found]) -> tuple[dict[str, tuple[str, Wire]], dict[str, list[Wire]]]:
    """By trace and span, (place, span), and the log records."""
    spans: dict[str, tuple[str, Wire]] = {}
    events: dict[str, list[Wire]] = {}
    for found in files:
        for where, row in found.rows():
            for span in _inner(row, "resourceSpans", "scopeSpans", "spans"):
                spans[f"{span.get('traceId')}/{span.get('spanId')}"] = where, span
            for record in _inner(row, "resourceLogs", "scopeLogs", "logRecords"):
                events.setdefault(f"{record.get('traceId')}/{record.get('spanId')}", []).append(record)
    return spans, events


def _is_model_call(attributes: Wire) -> bool:
    named = any(name.startswith(_PREFIX) for name in attributes)
    return named and attributes.get("gen_ai.operation.name") in _OPERATIONS


def _inner(row: Wire, *keys: str) -> Iterator[Wire]:
    """What stands three lists deep."""
    items = [row]
    for key in keys:
        items = [inner for item in items for inner in item.get(key) or ()]
    yield from items


def _attributes(listed: Any) -> Wire:
    return {one.get("key"): _value(one.get("value")) for one in listed or ()}


def _value(value: Any) -> Any:
    """The value of OTLP's `{stringValue}`, `{kvlistValue}`, ..."""
    if not isinstance(value, dict) or not value:
        return None
    ((kind, inner),) = list(value.items())[:1]
    if kind == "arrayValue":
        return [_value(one) for one in inner.get("values") or ()]
    if kind == "kvlistValue":
        return _attributes(inner.get("values"))
    return int(inner) if kind == "intValue" else inner


def _name(event: Wire) -> Any:
    return event.get("eventName") or event.get("name") or _attributes(event.get("attributes")).get("event.name")


def _sample(where: str, span: Wire, attributes: Wire, records: list[Wire], options: Options) -> Sample:
    events = [*(span.get("events") or ()), *records]
    for event in events:
        if _name(event) == "gen_ai.client.inference.operation.details":
            attributes = {**attributes, **_attributes(event.get("attributes")), **(_body(event) or {})}
    failed = (span.get("status") or {}).get("code") in (2, "STATUS_CODE_ERROR") or attributes.get("error.type")
    read = _of_attributes if "gen_ai.input.messages" in attributes else _of_events
    messages, answer = read(attributes, events)
    if failed:
        said = (span.get("status") or {}).get("message") or attributes.get("error.type") or "error"
        answer = Answer(error=f"the request failed: {said}")
    if not messages or answer is None:
        raise Left("it does not hold its messages: their content was not captured")
    tools = wire_tools(_listed(attributes.get("gen_ai.tool.definitions")) or options.tools, where)
    first = next((number for number, one in enumerate(messages) if one["role"] == "user"), len(messages))
    session = digest([[one["role"], one.get("content")] for one in messages[: first + 1]])
    model = attributes.get("gen_ai.request.model") or attributes.get("gen_ai.response.model") or "model"
    asked = question(digest([messages, tools]), messages, tools, session=session)
    return Sample(where=where, asked=asked, rights=None, model=str(model), answer=answer)


def _listed(value: Any) -> Any:
    return opened(value) if isinstance(value, str) else value


def _body(event: Wire) -> Any:
    body = event.get("body")
    return _value(body) if isinstance(body, dict) else None


def _of_attributes(attributes: Wire, _: list[Wire]) -> tuple[list[Wire], Answer | None]:
    instructions = _listed(attributes.get("gen_ai.system_instructions")) or []
    system = [{"role": "system", "content": _text(instructions)}] if instructions else []
    asked = [wire for message in _listed(attributes["gen_ai.input.messages"]) or () for wire in _wire(message)]
    output = _listed(attributes.get("gen_ai.output.messages"))
    if not output:
        return [*system, *asked], None
    parts, reason = output[0].get("parts") or [], str(output[0].get("finish_reason") or "stop")
    calls = tuple(_call(part) for part in parts if part.get("type") == "tool_call")
    thinking = "\n".join(str(part.get("content")) for part in parts if part.get("type") == "reasoning")
    text = "\n".join(str(part.get("content")) for part in parts if part.get("type") == "text")
    answer = Answer(text=text, thinking=thinking, tool_calls=calls or None, finish_reason=_FINISH.get(reason, reason))
    return [*system, *asked], answer


def _wire(message: Wire) -> Iterator[Wire]:
    """A message of the conventions in OpenAI's form; one with several tool responses is as many."""
    parts = message.get("parts") or []
    responses = [part for part in parts if part.get("type") == "tool_call_response"]
    for part in responses:
        given = part.get("response", part.get("result"))
        yield {
            "role": "tool",
            "tool_call_id": part.get("id"),
            "content": given if isinstance(given, str) else _json(given),
        }
    rest = [part for part in parts if part not in responses]
    if rest or not responses:
        calls = [_call(part) for part in rest if part.get("type") == "tool_call"]
        said = [part for part in rest if part.get("type") != "tool_call"]
        yield {"role": message.get("role"), "content": _text(said), **({"tool_calls": calls} if calls else {})}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _call(part: Wire) -> Wire:
    return wire_call(part.get("name"), part.get("arguments"), part.get("id"))


def _text(parts: list[Wire]) -> str:
    """The text of parts; raises Left where they hold anything that is no text."""
    others = sorted({str(part.get("type")) for part in parts} - {"text", "reasoning"})
    if others:
        raise Left(f"a message holds {', '.join(others)}, and only text can be asked again")
    return "\n".join(str(part.get("content") or "") for part in parts if part.get("type") == "text")


def _of_events(_: Wire, events: list[Wire]) -> tuple[list[Wire], Answer | None]:
    """The older form: an event for each message, and one for each choice."""
    messages, answer = list[Wire](), None
    for event in events:
        name, attributes = _name(event), _attributes(event.get("attributes"))
        body = _body(event) or _listed(attributes.get("gen_ai.event.content")) or attributes
        if name in _ROLES:
            messages.append(_message(_ROLES[name], body))
        elif name == "gen_ai.choice" and answer is None:
            message = _listed(body.get("message")) or {}
            message = message if isinstance(message, dict) else {"content": message}
            calls = tuple(_older_call(call) for call in _listed(message.get("tool_calls")) or ())
            text, reason = message.get("content"), str(body.get("finish_reason") or "stop")
            answer = Answer(text=str(text or ""), tool_calls=calls or None, finish_reason=_FINISH.get(reason, reason))
    return messages, answer


def _message(role: str, body: Wire) -> Wire:
    calls = [_older_call(call) for call in _listed(body.get("tool_calls")) or ()]
    content = body.get("content")
    if content is None and not calls:
        raise Left("it does not hold its messages: their content was not captured")
    beside = {"tool_call_id": body.get("id")} if role == "tool" else {"tool_calls": calls} if calls else {}
    return {
        "role": role,
        "content": content if isinstance(content, str) else _json(content) if content else "",
        **beside,
    }


def _older_call(call: Wire) -> Wire:
    function = call.get("function") or {}
    return wire_call(function.get("name"), function.get("arguments"), call.get("id"))
