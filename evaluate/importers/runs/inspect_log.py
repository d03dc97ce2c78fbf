"""Logs of inspect_ai: `.eval` (a zip with a file a sample) and JSON.

The question of a sample is its conversation before the model's first message, with the tools of that model call; the
answer is all that the model said and called until the sample ended. `target` says which calls are right, or what
`--gold` names, such as `metadata.expected`. An epoch is a repeat. A sample that failed is a request that failed; one
that hit a limit is an answer that was cut, of which counts what is there. The first score is the verdict: C or 1 is
right.
"""

from collections.abc import Iterator
from typing import Any

from callproof.calls import writable_value
from callproof.errors import UserError
from callproof.records import json_object
from callproof.scoring import Answer

from ..turns_file import Skipped
from .gold import gold_of
from .record import (
    SEVERAL_CALLS,
    Found,
    Left,
    Options,
    Sample,
    Wire,
    at_path,
    joined,
    or_skipped,
    question,
    wire_call,
    wire_tools,
)
from .zipped import Zipped

_CUT = "hit a limit of inspect_ai; what was said until then counts, as cut"
_STOPS = {"max_tokens": "length", "model_length": "length"}
_HEADERS = ("header.json", "_journal/start.json")
_VERDICTS = {"C": True, "I": False, "P": False, "N": False}


def is_inspect(value: Any) -> bool:
    """Whether JSON is a log of inspect_ai."""
    return isinstance(value, dict) and isinstance(value.get("eval"), dict) and "task" in value["eval"]


def read_inspect(logs: list[Found], options: Options) -> Iterator[Sample | Skipped]:
    """The samples of logs; raises a UserError where one holds none."""
    for found in logs:
        count, planned = 0, 0
        for where, log, sample in _samples(found):
            count, planned = count + 1, _planned(log)
            yield or_skipped(where, lambda where=where, log=log, sample=sample: _sample(where, log, sample, options))
        if not count:
            raise UserError(found.path, "holds no samples", "let inspect_ai log them, and at least one end")
        yield from (Skipped(str(found.path), "it was not run, or not logged") for _ in range(planned - count))


def _planned(log: Wire) -> int:
    """How many samples the task has, epochs included, as far as the log says."""
    return len((log.get("dataset") or {}).get("sample_ids") or ()) * ((log.get("config") or {}).get("epochs") or 1)


def _samples(found: Found) -> Iterator[tuple[str, Wire, Wire]]:
    """(place, the log without its samples, sample)."""
    if found.value is not None:
        for number, sample in enumerate(found.value.get("samples") or ()):
            yield f"{found.path}:samples.{number}", found.value["eval"], sample
        return
    with Zipped(found.path) as members:
        header = next((name for name in _HEADERS if name in members.names), None)
        if header is None:
            raise UserError(found.path, "is a zip without header.json", "give a log of inspect_ai")
        log = json_object(members.read(header), f"{found.path}:{header}")
        for name in members.names:
            if name.startswith("samples/") and name.endswith(".json"):
                where = f"{found.path}:{name}"
                yield where, log.get("eval") or {}, writable_value(json_object(members.read(name), where))


def _sample(where: str, log: Wire, sample: Wire, options: Options) -> Sample:
    messages = _messages(sample)
    first = _first_answer(sample, messages)
    said = [message for message in messages[first:] if message.get("role") == "assistant"]
    tools = wire_tools(_tools(sample, said) or options.tools, where)
    gold = gold_of(at_path(sample, options.gold) if options.gold else sample.get("target"), tools)
    task = str(log.get("task") or "")
    cut = [_CUT] if sample.get("limit") else []
    asked = question(f"{task}/{sample.get('id')}", [_wire(message) for message in messages[:first]], tools, tag=task)
    return Sample(
        where=where,
        asked=asked,
        rights=None if gold is None else (gold,),
        model=str(log.get("model") or "model"),
        answer=_answer(sample, said),
        repeat=int(sample.get("epoch") or 1) - 1,
        verdict=_verdict(sample.get("scores")),
        notes=tuple([SEVERAL_CALLS, *cut] if len(said) > 1 else cut),
    )


def _messages(sample: Wire) -> list[Wire]:
    """The conversation of a sample, texts that stand among its attachments put back."""
    attachments = sample.get("attachments") or {}
    return _attached(sample.get("messages") or [], attachments) if attachments else sample.get("messages") or []


def _attached(value: Any, attachments: dict[str, str]) -> Any:
    if isinstance(value, str):
        return attachments.get(value.removeprefix("attachment://"), value) if "attachment://" in value else value
    if isinstance(value, list):
        return [_attached(item, attachments) for item in value]
    return {key: _attached(item, attachments) for key, item in value.items()} if isinstance(value, dict) else value


def _first_answer(sample: Wire, messages: list[Wire]) -> int:
    """Where in the conversation the model first speaks; what stands before it was asked."""
    for number, message in enumerate(messages):
        if message.get("role") == "assistant" and message.get("source") == "generate":
            return number
    given = len(sample["input"]) if isinstance(sample.get("input"), list) else 1
    spoken = [number for number, one in enumerate(messages) if one.get("role") == "assistant" and number >= given]
    return spoken[0] if spoken else len(messages)


def _tools(sample: Wire, said: list[Wire]) -> Any:
    """The tools of the model call that gave the first message; of a sample without one, of its first call."""
    requests = [event for event in sample.get("events") or () if event.get("event") == "model"]
    ids = {message.get("id") for message in said[:1]} - {None}
    ours = [event for event in requests if ids & {_answered(event).get("id")}] or requests
    if not ours:
        return None
    if ours[0].get("tool_choice") == "none":
        raise Left("calls were forbidden (tool_choice: none), so that it shows no restraint")
    return ours[0].get("tools")


def _answered(event: Wire) -> Wire:
    choices = (event.get("output") or {}).get("choices") or [{}]
    return choices[0].get("message") or {}


def _answer(sample: Wire, said: list[Wire]) -> Answer:
    """What the model said until the sample ended, or why it did not."""
    if error := sample.get("error"):
        return Answer(error=f"the sample failed: {str(error.get('message') or error)[:500]}")
    if not said:
        return Answer(error="the model was not asked")
    steps = [
        Answer(
            text=_text(message, answer=True),
            thinking="\n".join(part.get("reasoning") or "" for part in _parts(message) if part["type"] == "reasoning"),
            tool_calls=tuple(_call(call) for call in message.get("tool_calls") or ()) or None,
        )
        for message in said
    ]
    choices = (sample.get("output") or {}).get("choices") or [{}]
    stop = "max_tokens" if sample.get("limit") else choices[0].get("stop_reason")
    return joined(steps).model_copy(update={"finish_reason": stop and _STOPS.get(stop, stop)})


def _call(call: Wire) -> Wire:
    """A call in OpenAI's form; one whose arguments the model wrote wrong keeps them as it wrote them."""
    arguments = call.get("arguments")
    if call.get("parse_error") and isinstance(arguments, dict) and len(arguments) == 1:
        arguments = str(next(iter(arguments.values())))
    return wire_call(call.get("function"), arguments, call.get("id"))


def _wire(message: Wire) -> Wire:
    """A message of the question in OpenAI's form."""
    wire = {"role": message.get("role"), "content": _text(message)}
    if calls := message.get("tool_calls"):
        wire["tool_calls"] = [_call(call) for call in calls]
    if message.get("role") == "tool":
        error = message.get("error") or {}
        wire |= {"tool_call_id": message.get("tool_call_id"), "content": wire["content"] or error.get("message", "")}
    return wire


def _parts(message: Wire) -> list[Wire]:
    content = message.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _text(message: Wire, answer: bool = False) -> str:
    """The text of a message; raises Left where it holds anything that is no text."""
    content = message.get("content")
    if not isinstance(content, list):
        return content or ""
    others = sorted({str(part.get("type")) for part in _parts(message)} - {"text", "reasoning"})
    if others and not answer:
        raise Left(f"a message holds {', '.join(others)}, and only text can be asked again")
    return "\n".join(part["text"] for part in _parts(message) if part.get("type") == "text")


def _verdict(scores: Any) -> bool | None:
    """What the first score says; None where there is none, or none that is right or wrong."""
    score = next(iter(scores.values()), None) if isinstance(scores, dict) else None
    value = score.get("value") if isinstance(score, dict) else None
    if isinstance(value, str):
        return _VERDICTS.get(value)
    return value == 1 if isinstance(value, bool | int | float) else None
