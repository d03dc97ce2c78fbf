"""Records of every accepted form, read as the one of callproof (docs/data.md shows an example of each).

Requests that were logged become the form of messages before, in `callproof.sessions.logs`.

| form | keys |
|---|---|
| messages | `messages` in OpenAI's form; callproof's own has a `session_id` too |
| ShareGPT, Hermes | `conversations` of `{"from": "system|human|gpt|tool", "value"}` |
| instruction | `instruction`, perhaps `input` and `context`, and `response` or `output` |
| question | `input`, perhaps `context` (text or a list of texts), and `response` |
| rendered text | `text` in ChatML, `<|im_start|>role` ... `<|im_end|>` |

Beside them, in each form: an id (`session_id`, `instance_id`, `task_id` or `id`, the first that is there), `tags`,
`system`, `tools` (a list, or JSON text of one), a date (`callproof.sessions.dates`), and `metadata`, of which nothing
else is read. Another key is refused, null ones
excepted. A `<tools>` block of JSON in the system text becomes the tools of the session, where it brings no `tools`.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON, decode, split_tools
from callproof.catalog import BadCatalog, Catalog, usable_catalog
from callproof.console import say_once

from .dates import DATES
from .talk import Talk, kind, refuse

IDS = ("session_id", "instance_id", "task_id", "id")
BESIDE = (*IDS, "conversation", "at", *DATES, "tags", "system", "tools", "metadata")

_FROM = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_FROM_TOOL = ("tool", "observation")
_CHATML = re.compile(r"\s*<\|im_start\|>([a-z]+)\n((?:(?!<\|im_start\|>|<\|im_end\|>).)*)<\|im_end\|>", re.DOTALL)
_RESULT = re.compile(r"\s*<tool_response>((?:(?!</?tool_response>).)*)</tool_response>", re.DOTALL)

Placed = tuple[str, Any]
"""A message in OpenAI's form, and its path in the record."""


class Form(NamedTuple):
    """A form: the keys that identify it, further keys that it may have, and the function that reads its messages."""

    needs: tuple[str, ...]
    may: tuple[str, ...]
    messages: Callable[[dict[str, Any], str], Iterator[Placed]]


def own_form(record: dict[str, Any], where: str, name: str) -> dict[str, Any]:
    """The fields of the `Session` that a record holds.

    Args:
        record: an object in any of the forms.
        where: its place, for errors.
        name: the session's id if the record has none.

    Raises:
        UserError: no known form, or something in it is not as it should be (`where: path.in.the.record`).
    """
    form = _form(record, where)
    talk = Talk(where)
    if record.get("system") is not None:
        talk.add("system", {"role": "system", "content": record["system"]})
    for place, message in form.messages(record, where):
        talk.add(place, message)
    if not talk.messages:
        refuse(f"{where}: {form.needs[0]}", "expected at least one message of the user, got none")
    system, tools = _system_and_tools(talk.system, record.get("tools"), where)
    return {
        "session_id": _id(record, where, name),
        "conversation": record.get("conversation"),
        "tags": record.get("tags") or (),
        "system": system,
        "tools": tools,
        "messages": talk.messages,
    }


def _form(record: dict[str, Any], where: str) -> Form:
    """The form that a record has; raises a UserError if it has none, or a key that the form does not know."""
    keys = {key for key, value in record.items() if value is not None}
    form = next((form for form in FORMS if keys.issuperset(form.needs)), None)
    if form is None:
        known = "; ".join([", ".join(form.needs) for form in FORMS] + ["request, response"])
        listed = ", ".join(map(repr, list(record)[:8])) or "none"
        refuse(where, f"a record of no known form, its keys are {listed}"[:300], f"known forms, by keys: {known}")
    valid = (*form.needs, *form.may, *BESIDE)
    for key in record:
        if key in keys and key not in valid:
            mend = f"keys beside {' and '.join(form.needs)}: {', '.join((*form.may, *BESIDE))}"
            refuse(f"{where}: {key}"[:300], "unknown key", f"remove it or move it into metadata; {mend}")
    return form


def _id(record: dict[str, Any], where: str, name: str) -> str:
    for key in IDS:
        value = record.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | None) or value == "":
            refuse(f"{where}: {key}", f"expected an id, a text that is not empty, got {value!r}"[:200])
        if value is not None:
            return str(value)
    return name


def _system_and_tools(system: str | None, tools: Any, where: str) -> tuple[str | None, Catalog | None]:
    """The system prompt without its `<tools>`, and the catalog that the session brings, if any."""
    try:
        text, embedded = split_tools(system) if system is not None else (None, None)
        recorded = decode(tools) if isinstance(tools, str) else tools
    except RefusedJSON as error:
        refuse(f"{where}: tools", f"malformed JSON ({error})", "write a list of tools in OpenAI's form")
    tools = embedded if recorded is None else recorded
    if tools is None:
        return text, None
    if not isinstance(tools, list):
        refuse(f"{where}: tools", f"expected a list of tools, got {kind(tools)}")
    try:
        catalog, unsaid = _catalog(json.dumps([_function_form(tool) for tool in tools]))
    except BadCatalog as error:
        refuse(f"{where}: tools{error.place and ': '}{error.place}", error.problem, error.mend)
    while unsaid:
        say_once(f"{where}: tools: {unsaid.pop()}")
    return text, catalog


def _function_form(tool: Any) -> Any:
    """A tool that is written without `function` around it, as xLAM and Anthropic's API do."""
    if not isinstance(tool, dict) or "function" in tool or "name" not in tool:
        return tool
    renamed = {"parameters" if key == "input_schema" else key: value for key, value in tool.items() if key != "type"}
    return {"type": "function", "function": renamed}


@lru_cache(maxsize=1024)
def _catalog(tools: str) -> tuple[Catalog, list[str]]:
    """One catalog for all sessions that bring the same tools, compiled once, and its complaints until they are said."""
    catalog = usable_catalog(json.loads(tools))
    return catalog, catalog.complaints


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        refuse(place, f"expected a list of messages, got {kind(value)}")
    return value


def _messages(record: dict[str, Any], where: str) -> Iterator[Placed]:
    for number, message in enumerate(_list(record["messages"], f"{where}: messages")):
        yield f"messages.{number}", message


def _conversations(record: dict[str, Any], where: str) -> Iterator[Placed]:
    for number, entry in enumerate(_list(record["conversations"], f"{where}: conversations")):
        place = f"conversations.{number}"
        if not isinstance(entry, dict):
            refuse(f"{where}: {place}", f"expected an object, got {kind(entry)}")
        for key, value in entry.items():
            if key not in ("from", "value") and value is not None:
                refuse(f"{where}: {place}.{key}", "unknown key", "keys of an entry: from, value")
        speaker, value = entry.get("from"), entry.get("value")
        if not isinstance(value, str):
            refuse(f"{where}: {place}.value", f"expected text, got {kind(value)}")
        if speaker in _FROM_TOOL:
            yield from ((place, result) for result in _results(value, f"{where}: {place}"))
        elif speaker in _FROM:
            yield place, {"role": _FROM[speaker], "content": value}
        else:
            known = ", ".join((*_FROM, *_FROM_TOOL))
            refuse(f"{where}: {place}.from", f"expected {known}, got {speaker!r}"[:200])


def _results(value: str, place: str) -> Iterator[dict[str, Any]]:
    """The tool results of a text: one for each `<tool_response>` block, or the text as it is where there is none."""
    if "<tool_response>" not in value:
        yield {"role": "tool", "content": value}
        return
    at = 0
    while at < len(value.rstrip()):
        block = _RESULT.match(value, at)
        if not block:
            refuse(place, "text beside or inside its <tool_response> blocks", "close each block with </tool_response>")
        at = block.end()
        yield {"role": "tool", "content": block[1].strip(), **_tool_name(block[1])}


def _tool_name(result: str) -> dict[str, str]:
    """The tool that a Hermes result names, `{"name": ..., "content": ...}`."""
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        return {}
    name = value.get("name") if isinstance(value, dict) and "content" in value else None
    return {"name": name} if isinstance(name, str) else {}


def _instruction(record: dict[str, Any], where: str) -> Iterator[Placed]:
    answer = "response" if "response" in record else "output"
    yield from _question_and_answer(record, where, ("instruction", "context", "input"), answer)


def _question(record: dict[str, Any], where: str) -> Iterator[Placed]:
    yield from _question_and_answer(record, where, ("context", "input"), "response")


def _question_and_answer(record: dict[str, Any], where: str, parts: tuple[str, ...], answer: str) -> Iterator[Placed]:
    """A user message that joins the texts under `parts` with empty lines, then the assistant message under `answer`."""
    texts: list[str] = []
    for key in parts:
        value = record.get(key)
        pieces = value if key == "context" and isinstance(value, list) else [value]
        if not all(isinstance(text, str | None) for text in pieces):
            refuse(f"{where}: {key}", f"expected text{' or a list of texts' * (key == 'context')}, got {kind(value)}")
        texts += [text for text in pieces if text]
    if not texts:
        refuse(f"{where}: {parts[-1]}", "expected text, got nothing")
    yield parts[-1], {"role": "user", "content": "\n\n".join(texts)}
    if not isinstance(record[answer], str) or not record[answer].strip():
        refuse(f"{where}: {answer}", f"expected text that is not empty, got {kind(record[answer])}")
    yield answer, {"role": "assistant", "content": record[answer]}


def _rendered(record: dict[str, Any], where: str) -> Iterator[Placed]:
    text = record["text"]
    if not isinstance(text, str):
        refuse(f"{where}: text", f"expected text, got {kind(text)}")
    at = number = 0
    while at < len(text.rstrip()):
        turn = _CHATML.match(text, at)
        if not turn:
            excerpt = text[at : at + 60]
            problem = f"expected a turn in ChatML, <|im_start|>role ... <|im_end|>, at character {at}, got {excerpt!r}"
            refuse(f"{where}: text", problem, "give the messages instead: rendered text of another template is lost")
        at = turn.end()
        yield from ((f"text: turn {number}", message) for message in _turn(turn[1], turn[2], where, number))
        number += 1


def _turn(role: str, content: str, where: str, number: int) -> Iterator[dict[str, Any]]:
    """The messages of one ChatML turn; Qwen's templates write tool results into a turn of the user."""
    if role == "tool" or (role == "user" and content.lstrip().startswith("<tool_response>")):
        yield from _results(content, f"{where}: text: turn {number}")
    else:
        yield {"role": role, "content": content}


FORMS = (
    Form(("messages",), (), _messages),
    Form(("conversations",), (), _conversations),
    Form(("instruction", "response"), ("input", "context"), _instruction),
    Form(("instruction", "output"), ("input", "context"), _instruction),
    Form(("input", "response"), ("context",), _question),
    Form(("text",), (), _rendered),
)
KEYS = tuple(dict.fromkeys(key for form in FORMS for key in (*form.needs, *form.may))) + BESIDE
"""All keys that some form reads."""
