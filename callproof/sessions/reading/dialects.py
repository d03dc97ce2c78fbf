"""Messages of every dialect as OpenAI's form writes them; one message may become several.

- A speaker stands under `role` or `from`, what is said under `content` or `value`.
- `human` is the user, `gpt` and `ai` the assistant; `observation`, `ipython`, `function`, `tool_response` and
  `tool_result` are a tool. What `function_call` and `tool_call` say is a call of the assistant; it belongs to the turn
  of the text or the calls directly before it.
- Content parts of Anthropic (`thinking`, `tool_use`, `tool_result`), of Gemini and of Bedrock, items of the Responses
  API, messages of LangChain, serialised or not, and of the Vercel AI SDK, and the older `function_call` of OpenAI.
- Where a turn is written in several messages, they are one: thinking alone and what follows it, calls directly behind
  calls, and an older `function_call` behind text (Qwen-Agent writes each call of a turn so).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON

from .loose import loose_value, loose_values
from .recorded_calls import opened_call
from .refusal import kind, refuse
from .vendors import is_langchain, is_vercel, plain_langchain, plain_vercel, typed_parts

MASKS = ("weight", "train", "loss", "loss_scale")
"""Keys of a message that may keep it out of what is learnt."""
INSTRUCTIONS = ("system", "developer")
"""Who tells the model what it is, before the conversation."""
THINKING = ("thinking", "reasoning", "reasoning_content", "tool_plan")
"""Under which names messages carry what the assistant thought before it spoke."""

SPEAKERS = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "bot": "assistant",
    "bing": "assistant",
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
CALL_ROLES = ("function_call", "tool_call", "tool_calls")
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
    if isinstance(message, str) and message.lstrip().startswith("{"):
        message = _decoded(message, f"{where}: {place}")
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
    for plain in plain_vercel(message) if is_vercel(message) else (message,):
        yield from _of_role(place, typed_parts(_renamed(plain)), where)


_PLAIN_KEYS = {
    "system": frozenset(("role", "content")),
    "user": frozenset(("role", "content")),
    "assistant": frozenset(("role", "content", "tool_calls")),
    "tool": frozenset(("role", "content", "tool_call_id", "name")),
}


def is_plain(message: Any) -> bool:
    """Whether a message is written in OpenAI's form already, as most are, and with text as its content."""
    if not isinstance(message, dict):
        return False
    role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
    if not isinstance(content, str) or not isinstance(role, str) or not message.keys() <= _PLAIN_KEYS.get(role, set()):
        return False
    if not calls:
        return role != "assistant" or bool(content)
    return isinstance(calls, list) and all(
        isinstance(call, dict) and isinstance(call.get("function"), dict) for call in calls
    )


def stand_alone(messages: Iterable[Any]) -> bool:
    """Whether all messages are plain, and none is the assistant's directly behind another."""
    last = ""
    for message in messages:
        if not is_plain(message):
            return False
        role = message["role"]
        if role == last == "assistant":
            return False
        last = role
    return True


def joined(messages: Iterable[Plain], where: str) -> Iterator[tuple[str, Any]]:
    """Messages with those that go on with a turn of the assistant put into it."""
    last: Plain | None = None
    for plain in messages:
        if last and _goes_on(last, plain):
            last = Plain(last.place, _together(last, plain, where))
            continue
        if last:
            yield last.place, _whole(last.message)
        last = plain
    if last:
        yield last.place, _whole(last.message)


def _whole(message: Any) -> Any:
    """A message without the mark that it is thinking alone."""
    marked = isinstance(message, dict) and "_thought" in message
    return {key: value for key, value in message.items() if key != "_thought"} if marked else message


def _goes_on(last: Plain, plain: Plain) -> bool:
    first, second = last.message, plain.message
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    if first.get("role") != "assistant" or second.get("role") != "assistant":
        return False
    return bool(plain.joins or _call_together(first, second) or "_thought" in first)


def _call_together(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two messages make the calls of one turn; an id that comes again begins another turn."""
    if not (first.get("tool_calls") and second.get("tool_calls")):
        return False
    ids = _ids(first)
    return not any(call_id in ids for call_id in _ids(second))


def _ids(message: dict[str, Any]) -> list[Any]:
    calls = message["tool_calls"]
    ids = [call.get("id") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return [call_id for call_id in ids if call_id is not None]


def _together(last: Plain, plain: Plain, where: str) -> dict[str, Any]:
    """One message of two parts of a turn."""
    first, second = last.message, plain.message
    masks = ({key: message.get(key) for key in MASKS} for message in (first, second))
    if "_thought" not in first and len({str(mask) for mask in masks}) > 1:
        refuse(f"{where}: {plain.place}", "only a part of its turn is trained", "mask all parts of a turn, or none")
    rest = {key: value for key, value in first.items() if key not in ("_thought", *THINKING)}
    calls = [*(first.get("tool_calls") or ()), *(second.get("tool_calls") or ())]
    texts = [text for text in (first.get("content"), second.get("content")) if text]
    thoughts = [text for text in map(_thought, (first, second)) if text]
    second = {key: value for key, value in second.items() if key not in THINKING}
    value = {**rest, **second, "content": texts[0] if len(texts) == 1 else "\n".join(map(str, texts))}
    value |= {"tool_calls": calls} if calls else {}
    return value | ({"thinking": "\n".join(thoughts)} if thoughts else {})


def _thought(message: dict[str, Any]) -> str:
    """What a message says of its thinking, once where several names hold the same."""
    texts = [message[key] for key in THINKING if isinstance(message.get(key), str)]
    return "\n".join(dict.fromkeys(filter(None, texts)))


def speaker(role: str) -> str:
    """A role in the words of OpenAI's form and of `RESULT_ROLES` and `CALL_ROLES`, where it is known."""
    role = role.lower().replace("-", "_")
    return SPEAKERS.get(role, role)


def _renamed(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its speaker under `role` and its words under `content`."""
    for name, others in (("role", ("from", "speaker")), ("content", ("value", "text"))):
        other = next((key for key in others if key in message), None)
        if other and message.get(name) is None:
            message = {name: message[other], **{key: value for key, value in message.items() if key != other}}
    if isinstance(role := message.get("role"), str):
        message = {**message, "role": speaker(role)}
    if isinstance(content := message.get("content"), dict) and message.get("role") not in ("tool", *RESULT_ROLES):
        message = {**message, "content": [content]}
    return message


def _of_role(place: str, message: dict[str, Any], where: str) -> Iterator[Plain]:
    role, content = message.get("role"), message.get("content")
    if role in CALL_ROLES:
        rest = {key: value for key, value in message.items() if key not in ("role", "content")}
        calls = _calls(content, f"{where}: {place}")
        if isinstance(calls, str):
            yield Plain(place, {**rest, "role": "assistant", "content": calls}, joins=True)
        else:
            yield Plain(place, {**rest, "role": "assistant", "content": "", "tool_calls": calls}, joins=True)
    elif isinstance(content, list) and _has_results(content):
        yield from _user_parts(place, {**message, "role": "user"}, content)
    elif role in RESULT_ROLES:
        yield Plain(place, {**message, "role": "tool"})
    elif role == "assistant" and isinstance(content, list) and any(isinstance(part, dict) for part in content):
        yield from _answer_parts(place, message, content)
    else:
        newer = _newer(message, f"{where}: {place}")
        yield Plain(place, _marked(newer), joins=role == "assistant" and bool(message.get("function_call")))


def _has_results(content: list[Any]) -> bool:
    """Whether parts hold the result of a tool."""
    return any(isinstance(part, dict) and part.get("type") in _TOOL_RESULT for part in content)


def _marked(message: dict[str, Any]) -> dict[str, Any]:
    """A message of the assistant, marked where it holds thinking alone."""
    if message.get("role") != "assistant" or message.get("content") or message.get("tool_calls"):
        return message
    thought = _thought(message)
    return {**message, "content": "", "_thought": True} if thought else message


def _newer(message: dict[str, Any], place: str) -> dict[str, Any]:
    """A message without OpenAI's older `function_call`, and with a refusal as its text."""
    call, refusal = message.get("function_call"), message.get("refusal")
    if calls := message.get("tool_calls"):
        calls = [calls] if isinstance(calls, dict) else listed(calls, f"{place}.tool_calls", "calls")
        message = {**message, "tool_calls": list(map(opened_call, calls))}
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
        return [opened_call(loose_value(call) if isinstance(call, str) else call) for call in calls]
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
        if _has_results([part]):
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


def _decoded(text: str, place: str) -> Any:
    """A message that is written as JSON text."""
    try:
        return loose_value(text)
    except RefusedJSON as error:
        refuse(place, f"expected a message, got text that is no JSON ({error})", "write an object")


def listed(value: Any, place: str, what: str = "messages") -> list[Any]:
    """A list of messages, or of what else is said, perhaps as JSON text.

    Raises:
        UserError: it is none.
    """
    if isinstance(value, str):
        try:
            value = loose_value(value)
        except RefusedJSON as error:
            refuse(place, f"expected a list of {what}, got text that is no JSON ({error})", f"write a list of {what}")
    if not isinstance(value, list):
        refuse(place, f"expected a list of {what}, got {kind(value)}")
    return value
