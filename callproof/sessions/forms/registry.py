"""Records of every form, read as callproof's own (docs/reference/data.md shows an example of each).

The first form that fits a record reads it; `data.form` names one for all. Beside the keys of its form a record may
have an id (`session_id`, `instance_id`, `task_id`, `id` or `uuid`, the first that is there), `tags`, `system`, `tools`
and `metadata`. What else stands beside the conversation is kept in the session's metadata, and named once.

Tools in the system text become the tools of the session, where it brings no others.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON
from callproof.catalog import Catalog
from callproof.console import say_once
from callproof.errors import UserError

from ..reading.dialects import INSTRUCTIONS, Plain, is_plain, joined, plain_messages, stand_alone
from ..reading.faults import BadRecord, faults_of
from ..reading.loose import as_json
from ..reading.refusal import NoGold, kind, refuse, require_whole
from ..reading.repeated import TOOLS
from ..reading.system_text import system_and_tools
from ..reading.tools import brought_tools, settings_of
from ..talk import Talk
from . import instructions, logs, openai, rendered, sharegpt, single_turn
from .form import Form, Placed, Record, Shape, decoded

IDS = ("session_id", "instance_id", "task_id", "id", "uuid")
_DESIRED = ("label", "kto_tag")
"""Under which names unpaired preferences (TRL, ms-swift, LLaMA-Factory) say whether an answer is desired."""

BESIDE = (*IDS, "conversation", "at", "tags", "system", *TOOLS, "metadata")

FORMS = (
    *openai.FORMS,
    *logs.FORMS,
    *sharegpt.FORMS,
    *single_turn.FORMS,
    *instructions.FORMS,
    *rendered.FORMS,
)
NAMES = {form.name: form for form in FORMS}


class ReadRecord(NamedTuple):
    """What a record says.

    Attributes:
        form: the title of its form.
        fields: those of its `Session`.
        kept: the keys that went into the metadata.
        unread: keys of its tools that are not read.
        without_gold: why its last answer is none that could be learnt, where it says so.
    """

    form: str
    fields: dict[str, Any]
    kept: tuple[str, ...]
    unread: tuple[str, ...]
    without_gold: str | None = None


def is_no_log(record: Record) -> bool:
    """Whether a record that looks like a logged request is of a form that is none."""
    record = decoded(record)
    forms = (NAMES["openai_preference"], NAMES["openai_responses"], NAMES["gemini"])
    return any(map(_fits(record), forms)) or logs.is_agent_session(record)


def form_named(name: str) -> Form:
    """The form of a name of `data.form`; raises a UserError if there is none."""
    if name not in NAMES:
        raise UserError("data.form", f"no form is named {name!r}", f"known: {', '.join(NAMES)}")
    return NAMES[name]


def own_form(record: Record, where: str, name: str, form: Form | None = None) -> ReadRecord:
    """What a record says, in callproof's own form.

    Args:
        record: an object in any of the forms.
        where: its place, for errors.
        name: the session's id if the record has none.
        form: the one that it must have; None: the first that fits.

    Raises:
        UserError: no known form, or something in it is not as it should be (`where: path.in.the.record`), all of it.
        NoGold: its answer says that it is not whole, and cannot be read.
    """
    record = decoded(record)
    fitting = None if form else _fitting(record)
    if not form and not fitting:
        record = _unwrapped(record)
    form = fitting or _form(record, where, form)
    talk = Talk(where)
    reader = _Reader(record, where, form, talk)
    reader.read()
    session_id = reader.guarded(lambda: _id(record, where, name), name)
    conversation = reader.guarded(lambda: _conversation(record, where, form), None)
    if reader.without_gold and (talk.faults or not talk.messages):
        raise NoGold(reader.without_gold)
    if talk.faults:
        raise BadRecord(talk.faults)
    if not talk.messages:
        refuse(f"{where}: {form.keys[0]}", "expected at least one message of the user, got none")
    if any(record.get(key) is False for key in _DESIRED):
        _unlearn(talk.messages)
    beside = {key: value for key, value in record.items() if key not in (*form.keys, *BESIDE) and value is not None}
    fields = {
        "session_id": session_id,
        "conversation": conversation,
        "tags": record.get("tags") or (),
        "system": reader.system,
        "tools": reader.tools,
        "messages": talk.messages,
        "metadata": as_json({**_metadata(record), **beside}),
    }
    return ReadRecord(form.title, fields, tuple(beside), reader.unread, reader.without_gold)


def _unwrapped(record: Record) -> Record:
    """A record whose conversation lies in one of its objects, such as `{"id": 1, "data": {"messages": [...]}}`."""
    inside = {key: decoded(value) for key, value in record.items() if isinstance(value, dict) and key != "metadata"}
    holding = [key for key, value in inside.items() if _fitting(value)]
    if len(holding) != 1:
        return record
    return {**{key: value for key, value in record.items() if key != holding[0]}, **inside[holding[0]]}


def _unlearn(messages: list[dict[str, Any]]) -> None:
    """Make the last answer context only: its record says that it is not desired."""
    say_once("an answer that its record calls undesired (label: false, kto_tag: false) is not learnt")
    answer = next((message for message in reversed(messages) if message["role"] == "assistant"), None)
    if answer is not None:
        answer["train"] = False


class _Reader:
    """Reads one record: its system prompt, then its tools, then all other messages."""

    def __init__(self, record: Record, where: str, form: Form, talk: Talk) -> None:
        self._record, self._where, self._form, self._talk = record, where, form, talk
        self._settled = False
        self.system: str | None = None
        self.tools: Catalog | None = None
        self.unread: tuple[str, ...] = ()
        self.without_gold: str | None = None

    def read(self) -> None:
        """Take all messages; mistakes are gathered in `talk.faults`."""
        self.guarded(self._messages, None)
        if not self._settled:
            self._settle()

    def guarded(self, step: Any, otherwise: Any) -> Any:
        """What a step returns; its mistake is gathered."""
        try:
            return step()
        except UserError as error:
            self._talk.faults += faults_of(error, self._where)
            return otherwise

    def _messages(self) -> None:
        system = self._record.get("system")
        if system is not None and "system" not in self._form.keys:
            self._talk.add("system", {"role": "system", "content": _without_declared(system)})
        for place, message in self._whole():
            role = message.get("role") if isinstance(message, dict) else None
            if role in INSTRUCTIONS and not self._settled:
                message = {**message, "content": _without_declared(message.get("content"))}
            elif not self._settled:
                self._settle()
            self._talk.add(place, message)

    def _whole(self) -> Iterable[Placed]:
        """The messages, those that go on with a turn put into it."""
        messages: Iterable[Placed]
        try:
            messages = whole = list(self._given())
        except UserError:  # to be raised behind what is found in the messages before it
            messages = self._given()
        else:
            if stand_alone(message for _, message in whole):
                return whole
        return joined(self._plain(messages), self._where)

    def _given(self) -> Iterator[Placed]:
        try:
            yield from self._form.messages(self._record, self._where)
            require_whole({key: value for key, value in self._record.items() if key != "status"})
        except NoGold as error:
            self.without_gold = str(error)

    def _plain(self, messages: Iterable[Placed]) -> Iterator[Plain]:
        for place, message in messages:
            if is_plain(message):
                yield Plain(place, message)
                continue
            yield from self.guarded(
                lambda place=place, message=message: list(plain_messages(place, message, self._where)),
                [Plain(place, {"role": "assistant", "content": "?"})],
            )

    def _settle(self) -> None:
        """Read the system prompt and the tools, which tell what the other messages mean."""
        self._settled = True
        self.guarded(self._read_tools, None)

    def _read_tools(self) -> None:
        recorded = _recorded_tools(self._record)
        try:
            found = (None, None) if self._talk.system is None else system_and_tools(self._talk.system)
        except RefusedJSON as error:
            refuse(f"{self._where}: tools", f"malformed JSON ({error})", "write a list of tools in OpenAI's form")
        self.system = found[0]
        tools = found[1] if recorded is None else recorded
        if tools is None:
            return
        brought = brought_tools(tools, self._where)
        self.tools, self.unread = brought.catalog, brought.unread
        self._talk.tools = brought.catalog.parameters
        for complaint in brought.complaints:
            say_once(f"{self._where}: tools: {complaint}", f"tools: {complaint}")


def _without_declared(system: Any) -> Any:
    """A system text whose declaration of tools ends with a token for the end of a turn, without that."""
    if isinstance(system, str) and "<|im_system|>tool_declare" in system:
        try:
            text, tools = system_and_tools(system)
        except RefusedJSON:
            return system  # refused where the tools are read
        return f"{text}<tools>{json.dumps(tools)}</tools>"
    return system


def _fitting(record: Record) -> Form | None:
    return next(filter(_fits(record), FORMS), None)


def _fits(record: Record) -> Callable[[Form], bool]:
    """Tells of a form whether the record has it."""
    shape = Shape(record)
    return lambda form: form.fits(shape)


def _form(record: Record, where: str, forced: Form | None) -> Form:
    """The form that a record has; raises a UserError if it has none, or not the one that it must have."""
    if forced:
        if not any(map(_fits(record), (form for form in FORMS if form.messages is forced.messages))):
            refuse(where, f"no record of the form {forced.name}, its keys are {_keys(record)}"[:300], "mend data.form")
        return forced
    form = _fitting(record)
    if form is None:
        known = "; ".join(dict.fromkeys(", ".join(form.keys) for form in FORMS))
        refuse(
            where, f"a record of no known form, its keys are {_keys(record)}"[:300], f"known forms, by keys: {known}"
        )
    return form


def _keys(record: Record) -> str:
    return ", ".join(map(repr, list(record)[:8])) or "none"


def _id(record: Record, where: str, name: str) -> str:
    for key in IDS:
        value = record.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | None) or value == "":
            refuse(f"{where}: {key}", f"expected an id, a text that is not empty, got {value!r}"[:200])
        if value is not None:
            trial = record.get("trial")
            return f"{value}/{trial}" if key == "task_id" and isinstance(trial, int) else str(value)
    return name


def _conversation(record: Record, where: str, form: Form) -> str | None:
    """The name of the conversation that a record belongs to, where it gives one."""
    value = record.get("conversation")
    if value is None or "conversation" in form.keys:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        refuse(f"{where}: conversation", f"expected the name of a conversation, got {kind(value)}")
    return str(value)


def _metadata(record: Record) -> dict[str, Any]:
    value = record.get("metadata")
    return value if isinstance(value, dict) else {} if value in (None, "", []) else {"metadata": value}


def _recorded_tools(record: Record) -> Any:
    """The tools of a record: those of the request in it, its own, or those that it was asked with; None: none."""
    requests = [record[key] for key in ("request", "input", "inputs") if isinstance(record.get(key), dict)]
    places = (*requests, record, *settings_of(record))
    return next((place[key] for place in places for key in TOOLS if place.get(key) not in (None, "null", "None")), None)
