"""Records of every accepted form, read as the one of callproof (docs/data.md shows an example of each).

| form | keys |
|---|---|
| messages | `messages` in OpenAI's form; callproof's own has a `session_id` too |
| agent session | `request` with `messages`, `system`, `tools`; `response`, the message of the assistant that followed |
| ShareGPT, Hermes | `conversations` of `{"from": "system|human|gpt|tool", "value"}` |
| instruction | `instruction`, perhaps `input` and `context`, and `response` or `output` |
| question | `input`, perhaps `context` (text or a list of texts), and `response` |
| rendered text | `text` in ChatML, `<|im_start|>role` ... `<|im_end|>` |

Beside them, in each form: an id (`session_id`, `instance_id`, `task_id` or `id`, the first that is there), `tags`,
`system`, `tools` (a list, or JSON text of one), and `metadata`, which is not read. Another key is refused, null ones
excepted. A `<tools>` block of JSON in the system text becomes the tools of the session, where it brings no `tools`.
"""

import json
from functools import lru_cache
from typing import Any

from callproof.calls import RefusedJSON, decode, split_tools
from callproof.catalog import BadCatalog, Catalog, usable_catalog
from callproof.console import say_once

from ..talk import Talk, kind, refuse
from . import instructions, logs, messages, rendered, sharegpt
from .form import Form

IDS = ("session_id", "instance_id", "task_id", "id")
BESIDE = (*IDS, "tags", "system", "tools", "metadata")

FORMS = (*logs.FORMS, *messages.FORMS, *sharegpt.FORMS, *instructions.FORMS, *rendered.FORMS)
KEYS = tuple(dict.fromkeys(key for form in FORMS for key in (*form.needs, *form.may))) + BESIDE
"""All keys that some form reads."""


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
    system, tools = _system_and_tools(talk.system, _recorded_tools(record), where)
    return {
        "session_id": _id(record, where, name),
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
        known = "; ".join(", ".join(form.needs) for form in FORMS)
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


def _recorded_tools(record: dict[str, Any]) -> Any:
    """The `tools` of the record or, where that has none, of its request; None if neither has any."""
    request = record.get("request")
    inside = request.get("tools") if isinstance(request, dict) else None
    return record.get("tools") if inside is None else inside


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
