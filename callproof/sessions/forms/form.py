"""What a form is, and what the forms share."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON

from ..reading.loose import loose_value
from ..reading.refusal import refuse, require_whole
from ..reading.repeated import checked_value

Record = dict[str, Any]
Placed = tuple[str, Any]
"""A message in any dialect, and its path in the record."""

OTEL_INPUT = "gen_ai.input.messages"
"""Where OpenTelemetry's spans hold what went into a model."""

_LISTS = ("messages", "conversations", "conversation", "traj", "contents")
_OTHER_LISTS = ("dialog", "dialogue", "turns", "chat", "thread")
"""Further names of `messages`."""

_PERHAPS = ("input", "output", "inputs", "outputs", "request", "response", "prompt", "completion", "chosen", "rejected")
_BODIES = ("request", "response")
_ASKED = ("input", "instructions", "contents", "systemInstruction", "system_instruction", "tools")
_TOLD = {"messages", "role"}
_API = {"input", "output", "contents", "candidates"}
"""Keys of bodies of the Responses API, Gemini and Bedrock."""
_SAYS = frozenset(("role", "from", "speaker", "type", "kwargs"))
_LOOK = 8


class Form(NamedTuple):
    """A form of records.

    Attributes:
        name: for `data.form`.
        title: for people.
        keys: those that it reads, beside the keys that every form may have.
        fits: whether a record of this shape has this form.
        messages: record, place -> its messages.
    """

    name: str
    title: str
    keys: tuple[str, ...]
    fits: "Callable[[Shape], bool]"
    messages: Callable[[Record, str], Iterator[Placed]]


class Shape:
    """A record, and what tells its form, found out once for all forms.

    Attributes:
        talk: its first messages that are objects.
        keys: all keys of those.
        parts: the objects in those whose content is a list.
        tool_keys: all keys of its tools.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.talk = entries(record, "messages")
        self.keys = set[str]().union(*self.talk)
        contents = [content for entry in self.talk if isinstance(content := entry.get("content"), list)]
        self.parts = [part for content in contents for part in content if isinstance(part, dict)]
        tools = record.get("tools")
        listed = tools if isinstance(tools, list) else []
        self.tool_keys = set[str]().union(*(tool for tool in listed if isinstance(tool, dict)))


def has(*keys: str) -> Callable[[Shape], bool]:
    """Whether all the keys hold something."""
    return lambda shape: None not in map(shape.record.get, keys)


def is_talk(value: Any) -> bool:
    """Whether a value is a list of messages, in any dialect."""
    return isinstance(value, list) and bool(value) and all(map(_speaks, value[:_LOOK]))


def _speaks(entry: Any) -> bool:
    if isinstance(entry, str):
        return entry.lstrip().startswith("{") and any(f'"{key}"' in entry for key in _SAYS)
    return isinstance(entry, dict) and bool(entry.keys() & _SAYS)


def decoded(record: Record) -> Record:
    """A record in which messages that are JSON text, lie in a wrapper or have another name stand as they are meant."""
    record = _of_request(_of_json_text(_of_span(record)))
    for key in _LISTS:
        value = record.get(key)
        if isinstance(value, list) and len(value) == 1 and is_talk(value[0]):
            record = {**record, key: value[0]}
        elif isinstance(value, dict) and any(isinstance(value.get(inner), list) for inner in _LISTS):
            record = {**{name: entry for name, entry in record.items() if name != key}, **value}
    other = next((key for key in _OTHER_LISTS if is_talk(record.get(key))), None)
    if other and not any(record.get(key) is not None for key in _LISTS):
        record = {**{name: entry for name, entry in record.items() if name != other}, "messages": record[other]}
    return record


def _of_span(record: Record) -> Record:
    """A span of OpenTelemetry with its attributes beside its other keys."""
    if isinstance(attributes := record.get("attributes"), dict) and OTEL_INPUT in attributes:
        record = {**{key: value for key, value in record.items() if key != "attributes"}, **attributes}
    name = record.get("gen_ai.conversation.id")
    return record if name is None else {"conversation": name, **record}


def _of_json_text(record: Record) -> Record:
    changes: Record = {}
    for key in (*_LISTS, *_PERHAPS):
        value = record.get(key)
        if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
            try:
                known = checked_value(value)
                inner = known.value if known else loose_value(value)
            except RefusedJSON:
                continue
            keys = inner.keys() if isinstance(inner, dict) else set[str]()
            told = keys & _TOLD or (keys & _API and key in _BODIES and all(record.get(body) for body in _BODIES))
            if is_talk(inner) or key in _LISTS or told:
                changes[key] = inner
    return {**record, **changes} if changes else record


def _of_request(record: Record) -> Record:
    """A request of the Responses API or of Gemini and its response, as one record of that API's items or contents."""
    request, response = (record.get(key) for key in _BODIES)
    if not isinstance(request, dict) or not isinstance(response, dict):
        return record
    answers = "output" if "input" in request else "candidates" if "contents" in request else None
    if answers is None or not isinstance(response.get(answers), list):
        return record
    rest = {key: value for key, value in record.items() if key not in _BODIES}
    return {**rest, **{key: request[key] for key in _ASKED if key in request}, "response": response}


def entries(record: Record, key: str) -> list[dict[str, Any]]:
    """The first messages of a record that are objects; nothing where there are none."""
    value = record.get(key)
    return [entry for entry in value[:_LOOK] if isinstance(entry, dict)] if isinstance(value, list) else []


def placed(messages: list[Any], path: str) -> Iterator[Placed]:
    """Messages with their paths."""
    for number, message in enumerate(messages):
        yield f"{path}.{number}", message


def answer_of(value: Any, path: str, where: str) -> Iterator[Placed]:
    """The messages of an answer: a list of them, one message, a chat completion, or its text.

    Raises:
        UserError: it is none of them.
        NoGold: behind its messages, where it says that it is not whole.
    """
    yield from _answer_of(value, path, where)
    if isinstance(value, dict):
        require_whole(value, *_first(value.get("choices")))


def _first(values: Any) -> list[Any]:
    return values[:1] if isinstance(values, list) else []


def _answer_of(value: Any, path: str, where: str) -> Iterator[Placed]:
    if isinstance(value, dict):
        if isinstance(choices := value.get("choices"), list) and len(choices) == 1 and isinstance(choices[0], dict):
            value, path = choices[0].get("message"), f"{path}.choices.0.message"
        elif inner := next((key for key in ("messages", "output", "answer", "message") if value.get(key)), None):
            yield from answer_of(value[inner], f"{path}.{inner}", where)
            return
        elif isinstance(generations := value.get("generations"), list) and generations:
            yield from _generation(generations, f"{path}.generations", where)
            return
    if isinstance(value, str):
        yield path, {"role": "assistant", "content": value}
    elif isinstance(value, dict):
        yield path, value if value.keys() & _SAYS else {"role": "assistant", **value}
    elif isinstance(value, list) and value:
        yield from placed(value, path)
    else:
        refuse(f"{where}: {path}", "expected a message of the assistant", 'write {"role": "assistant", "content"}')


def _generation(generations: list[Any], path: str, where: str) -> Iterator[Placed]:
    """The message of the first generation, as LangChain keeps them."""
    first = generations[0][0] if isinstance(generations[0], list) and generations[0] else generations[0]
    if isinstance(first, dict):
        yield from answer_of(first.get("message", first.get("text")), path, where)
        require_whole(first.get("generation_info"))
    else:
        yield from answer_of(first, path, where)
