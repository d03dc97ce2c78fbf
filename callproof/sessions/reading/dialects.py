"""Messages of every dialect as OpenAI's form writes them; one message may become several.

- A speaker stands under `role` or `from`, what is said under `content` or `value`.
- `human` is the user, `gpt` and `ai` the assistant; `observation`, `ipython`, `function`, `tool_response` and
  `tool_result` are a tool. What `function_call` and `tool_call` say is a call of the assistant; it belongs to the turn
  of the text or the calls directly before it.
- Content parts of Anthropic (`thinking`, `tool_use`, `tool_result`), items of the Responses API, LangChain's messages,
  serialised or not, and the older `function_call` of OpenAI.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON

from .langchain import is_langchain, plain_langchain
from .loose import loose_value, loose_values
from .refusal import kind, refuse

MASKS = ("weight", "train", "loss", "loss_scale")
"""Keys of a message that may keep it out of what is learnt."""
_SPEAKERS = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "model": "assistant",
}
RESULT_ROLES = (
    "observation",
    "ipython",
    "function",
    "tool_response",
    "tool_result",
    "tool_results",
    "function_response",
)
CALL_ROLES = ("function_call", "tool_call", "tool_calls", "function-call")
_TOOL_USE = ("tool_use", "tool_call", "function_call")
_TOOL_RESULT = ("tool_result", "function_result", "tool_response")


class Plain(NamedTuple):
    """A message in OpenAI's form, and whether it goes on with the turn of the assistant before it."""

    place: str
    message: Any
    joins: bool = False


def plain_messages(place: str, message: Any, where: str) -> Iterator[Plain]:
    """The messages in OpenAI's form that a message of any dialect is.

    Args:
        place: its path in the record.
        where: place of the record, for errors.

    Raises:
        UserError: a call that is none.
    """
    if not isinstance(message, dict):
        yield Plain(place, message)
        return
    if is_langchain(message):
        message = plain_langchain(message)
    elif "role" not in message and "from" not in message and message.get("type") in _ITEMS:
        yield from _item(place, message, where)
        return
    elif "role" in message and message.get("type") == "message":
        message = {key: value for key, value in message.items() if key not in ("type", "phase")}
    yield from _of_role(place, _renamed(message), where)


def joined(messages: Iterable[Plain], where: str) -> Iterator[tuple[str, Any]]:
    """Messages with those that go on with a turn of the assistant put into it."""
    last: Plain | None = None
    for plain in messages:
        if last and _goes_on(last, plain):
            last = Plain(last.place, _together(last, plain, where))
            continue
        if last:
            yield last.place, last.message
        last = plain
    if last:
        yield last.place, last.message


def _goes_on(last: Plain, plain: Plain) -> bool:
    both = (last.message, plain.message)
    if not all(isinstance(message, dict) and message.get("role") == "assistant" for message in both):
        return False
    return plain.joins or "_thought" in last.message


def _together(last: Plain, plain: Plain, where: str) -> dict[str, Any]:
    """One message of two parts of a turn."""
    first, second = last.message, plain.message
    masks = ({key: message.get(key) for key in MASKS} for message in (first, second))
    if "_thought" not in first and len({str(mask) for mask in masks}) > 1:
        refuse(f"{where}: {plain.place}", "only a part of its turn is trained", "mask all parts of a turn, or none")
    rest = {key: value for key, value in first.items() if key != "_thought"}
    calls = [*(first.get("tool_calls") or ()), *(second.get("tool_calls") or ())]
    texts = [text for text in (first.get("content"), second.get("content")) if text]
    thoughts = [text for text in (first.get("thinking"), second.get("thinking")) if text]
    value = {**rest, **second, "content": texts[0] if len(texts) == 1 else "\n".join(map(str, texts))}
    value |= {"tool_calls": calls} if calls else {}
    return value | ({"thinking": "\n".join(thoughts)} if thoughts else {})


def _renamed(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its speaker under `role` and its words under `content`."""
    if "role" not in message and "from" in message:
        message = {"role": message["from"], **{key: value for key, value in message.items() if key != "from"}}
    if "content" not in message and "value" in message:
        message = {**message, "content": message["value"]}
        del message["value"]
    role = message.get("role")
    return {**message, "role": _SPEAKERS.get(role.lower(), role.lower())} if isinstance(role, str) else message


def _of_role(place: str, message: dict[str, Any], where: str) -> Iterator[Plain]:
    role, content = message.get("role"), message.get("content")
    if role in CALL_ROLES:
        rest = {key: value for key, value in message.items() if key not in ("role", "content")}
        calls = _calls(content, f"{where}: {place}")
        if isinstance(calls, str):
            yield Plain(place, {**rest, "role": "assistant", "content": calls}, joins=True)
        else:
            yield Plain(place, {**rest, "role": "assistant", "content": "", "tool_calls": calls}, joins=True)
    elif role in RESULT_ROLES:
        yield Plain(place, {**message, "role": "tool"})
    elif (
        isinstance(content, list) and any(isinstance(part, dict) for part in content) and role in ("user", "assistant")
    ):
        yield from (_answer_parts if role == "assistant" else _user_parts)(place, message, content)
    else:
        yield Plain(place, _newer(message, f"{where}: {place}"))


def _newer(message: dict[str, Any], place: str) -> dict[str, Any]:
    """A message without OpenAI's older `function_call`, and with a refusal as its text."""
    call, refusal = message.get("function_call"), message.get("refusal")
    if isinstance(calls := message.get("tool_calls"), str) and calls:
        message = {**message, "tool_calls": listed(calls, f"{place}.tool_calls")}
    if call:
        if message.get("tool_calls"):
            refuse(place, "calls in function_call and in tool_calls", "keep one of them")
        message = {**message, "tool_calls": [call]}
    if isinstance(refusal, str) and refusal:
        if message.get("content"):
            refuse(f"{place}.refusal", "a refusal beside other text", "keep one of them")
        message = {**message, "content": refusal}
    return {key: value for key, value in message.items() if key not in ("function_call", "refusal")}


def _calls(content: Any, place: str) -> list[Any] | str:
    """The calls that a message of the role `function_call` holds; its text, where they stand in it in some notation."""
    if isinstance(content, str):
        try:
            content = loose_values(content)
        except RefusedJSON as error:
            if not content.lstrip().startswith(("{", "[{")):
                return content
            refuse(place, f"expected a call as JSON ({error})", 'write {"name": ..., "arguments": {...}}')
    calls = content if isinstance(content, list) else [content]
    if not calls:
        refuse(place, "expected a call, got nothing", 'write {"name": ..., "arguments": {...}}')
    try:
        return [loose_value(call) if isinstance(call, str) and call.startswith("{") else call for call in calls]
    except RefusedJSON as error:
        refuse(place, f"expected a call as JSON ({error})", 'write {"name": ..., "arguments": {...}}')


def _answer_parts(place: str, message: dict[str, Any], content: list[Any]) -> Iterator[Plain]:
    """A message of the assistant in parts: text, thinking and calls."""
    texts: list[Any] = []
    calls: list[Any] = list(message.get("tool_calls") or ())
    thoughts: list[str] = []
    for part in content:
        part_type = part.get("type") if isinstance(part, dict) else None
        thought = part.get("thinking", part.get("text")) if part_type in ("thinking", "reasoning") else None
        if part_type in _TOOL_USE:
            calls.append(part)
        elif isinstance(thought, str):
            thoughts.append(thought)
        elif part_type == "refusal" and isinstance(part.get("refusal"), str):
            texts.append({"type": "text", "text": part["refusal"]})
        else:
            texts.append(part)
    rest = {**message, "content": texts, **({"tool_calls": calls} if calls else {})}
    yield Plain(place, {**rest, **({"thinking": "\n".join(thoughts)} if thoughts else {})})


def _user_parts(place: str, message: dict[str, Any], content: list[Any]) -> Iterator[Plain]:
    """A message of the user in parts: results of tools, and what the user says."""
    waiting: list[Any] = []
    for number, part in enumerate(content):
        if isinstance(part, dict) and part.get("type") in _TOOL_RESULT:
            if waiting:
                yield Plain(place, {**message, "content": waiting})
                waiting = []
            call_id = part.get("tool_use_id", part.get("tool_call_id"))
            more = {key: part[key] for key in ("is_error", "name") if part.get(key) is not None}
            result = {"role": "tool", "tool_call_id": call_id, "content": part.get("content"), **more}
            yield Plain(f"{place}.content.{number}", result)
        else:
            waiting.append(part)
    if waiting:
        yield Plain(place, {**message, "content": waiting})


_PARTS = {"user": _user_parts, "assistant": _answer_parts}
_ITEMS = ("message", "function_call", "function_call_output", "reasoning", "custom_tool_call")


def _item(place: str, item: dict[str, Any], where: str) -> Iterator[Plain]:
    """A message, call, result or reasoning of the Responses API."""
    if item["type"] == "function_call":
        call = {key: item.get(key) for key in ("name", "arguments")} | {"id": item.get("call_id", item.get("id"))}
        yield Plain(place, {"role": "assistant", "content": "", "tool_calls": [call]}, joins=True)
    elif item["type"] == "function_call_output":
        yield Plain(place, {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")})
    elif item["type"] == "reasoning":
        parts = [*(item.get("summary") or ()), *(item.get("content") or ())]
        thought = "\n".join(part["text"] for part in parts if isinstance(part, dict) and part.get("text"))
        if thought:
            yield Plain(place, {"role": "assistant", "content": "", "thinking": thought, "_thought": True})
    else:
        refuse(
            f"{where}: {place}.type", f"an item of type {item['type']!r}, which is not read", f"known: {_ITEMS[1:4]}"
        )


def listed(value: Any, place: str) -> list[Any]:
    """A list of messages, perhaps as JSON text.

    Raises:
        UserError: it is none.
    """
    if isinstance(value, str):
        try:
            value = loose_value(value)
        except RefusedJSON as error:
            refuse(
                place, f"expected a list of messages, got text that is no JSON ({error})", "write a list of messages"
            )
    if not isinstance(value, list):
        refuse(place, f"expected a list of messages, got {kind(value)}")
    return value
