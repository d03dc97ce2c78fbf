"""The catalog: which tools there are, and whether a call of one is valid."""

import json
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema.exceptions import ValidationError as Refusal
from pydantic import PrivateAttr, ValidationError, model_validator

from callproof.calls import RefusedJSON, ToolCall, decode
from callproof.console import say_once
from callproof.deadline import deadline
from callproof.errors import UserError
from callproof.records import Name, Record, explain, read_text, refuse_half_characters

from .equality import Shape
from .schemas import BadSchema, CompiledSchema, Judgement

MAX_PROBLEM_CHARACTERS = 300
VALIDITY_S = 2.0
"""For one call that somebody waits for."""


class Validity(NamedTuple):
    """Whether a call is valid: what is wrong with it, or why nobody can say (`unjudged`); neither if it is valid."""

    problems: list[str]
    unjudged: str | None = None


class Tool(Record):
    """One function that the assistant may call; `parameters` is a JSON Schema of its arguments object."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """OpenAI's form with the keys and the order that vLLM gives the chat template (`model_dump()`)."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    @cached_property
    def compiled(self) -> CompiledSchema | BadSchema:
        """The schema ready for use, or what is wrong with it; without `parameters`, any object is accepted."""
        try:
            return CompiledSchema(self.parameters or {"type": "object"})
        except BadSchema as error:
            return error

    @cached_property
    def shape(self) -> Shape:
        """What comparing arguments needs to know of `parameters`."""
        compiled = self.compiled
        return Shape(True, None) if isinstance(compiled, BadSchema) else Shape(compiled.schema, compiled.resolver)

    def validity(self, arguments: dict[str, Any]) -> Validity:
        """See `Catalog.validity`."""
        errors, unjudged = self._judgement(arguments)
        errors = sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
        return Validity([_explain(error) for error in errors], unjudged and _short(unjudged))

    def refusing_keywords(self, arguments: dict[str, Any]) -> dict[str, str]:
        """The schema keyword that refuses each place of `arguments`, by path; none where they cannot be checked.

        Of alternatives (`anyOf`, `oneOf`), it is that of the first.
        """
        return {_place(error): _keyword(error) for error in self._judgement(arguments).errors}

    def _judgement(self, arguments: dict[str, Any]) -> Judgement:
        if isinstance(self.compiled, BadSchema):
            return Judgement([], _unusable(self.compiled))
        return self.compiled.judge(arguments)


class Catalog(Record):
    """Tools in the order of their file; names are unique."""

    tools: tuple[Tool, ...]
    _unchecked: str | None = PrivateAttr(default=None)
    _overruns: set[str] = PrivateAttr(default_factory=set)

    @model_validator(mode="after")
    def _unique(self) -> "Catalog":
        names = [tool.name for tool in self.tools]
        if len(set(names)) < len(names):
            name, times = Counter(names).most_common(1)[0]
            raise ValueError(f"{times} tools have the name {name!r}")
        return self

    @cached_property
    def by_name(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self.tools}

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Name -> JSON Schema of its arguments, for the readers of `callproof.calls`."""
        return {tool.name: tool.parameters or {} for tool in self.tools}

    @cached_property
    def judging(self) -> dict[str, CompiledSchema]:
        """Name -> its schema, of the tools whose calls are checked."""
        usable = {} if self._unchecked is not None else {tool.name: tool.compiled for tool in self.tools}
        return {name: schema for name, schema in usable.items() if not isinstance(schema, BadSchema)}

    @classmethod
    def from_wire(cls, tools: list[dict[str, Any]] | tuple[dict[str, Any], ...]) -> "Catalog":
        """The catalog of a request's `tools`; keys beyond name, description and parameters are dropped.

        Raises:
            ValueError: a tool without `function`, of a wrong type, or a name twice.
        """
        return cls(tools=tuple(_tool(number, tool) for number, tool in enumerate(tools)))

    def validity(self, call: ToolCall) -> Validity:
        """Whether `call` is valid, with its problems as `argument.path: reason`, at most 20, by path.

        An unknown tool is a problem. A call is unjudged where its tool's schema cannot be used, or a pattern or the
        size of the schema makes the search for a verdict too long. Never raises.
        """
        tool = self.by_name.get(call.name)
        if tool and self._unchecked is not None:
            return Validity([], self._unchecked)
        return tool.validity(call.arguments) if tool else Validity([f"unknown tool {call.name!r}"])

    def surely_accepts(self, call: ToolCall) -> bool:
        """Whether a quick look, in time linear in the call, tells that it is valid; where not, `validity` decides."""
        schema = self.judging.get(call.name)
        return schema is not None and schema.surely_accepts(call.arguments)

    def validity_in_time(self, call: ToolCall) -> Validity:
        """`validity`, unjudged after `VALIDITY_S` of processor time, and then at once when it is asked again."""
        known = bool(self._overruns) and _written(call) in self._overruns
        try:
            if not known:
                with deadline(VALIDITY_S, of_processor=True):
                    return self.validity(call)
        except TimeoutError:
            self._overruns.add(_written(call))
        return Validity([], "judging takes too long")

    def refusing_keywords(self, call: ToolCall) -> dict[str, str]:
        """See `Tool.refusing_keywords`; none for an unknown tool, and where calls are not checked."""
        tool = self.by_name.get(call.name) if self._unchecked is None else None
        return tool.refusing_keywords(call.arguments) if tool else {}

    def unchecked(self, reason: str) -> "Catalog":
        """The same tools, where every call of them is unjudged for this reason."""
        catalog = Catalog(tools=self.tools)
        catalog._unchecked = reason
        return catalog

    def problems(self, call: ToolCall) -> list[str]:
        """Why `call` is not valid; empty if it is, and where that cannot be told."""
        return self.validity(call).problems

    @cached_property
    def unusable(self) -> dict[str, str]:
        """By name, what is wrong with the schemas that cannot be used: calls of these tools are unjudged."""
        return {tool.name: _unusable(tool.compiled) for tool in self.tools if isinstance(tool.compiled, BadSchema)}

    @property
    def complaints(self) -> list[str]:
        """A line for people on each unusable tool."""
        return [
            f"the calls of tool {name!r} are not checked: {problem}; mend the schema"
            for name, problem in self.unusable.items()
        ]


def read_catalog(path: Path) -> Catalog:
    """The catalog of a tools.json: a list of tools in OpenAI's form. Tools with a schema that cannot be used are named
    on stderr.

    Raises:
        UserError: malformed JSON, half a surrogate pair, no list of tools, an unknown key, or a duplicate name.
    """
    text = read_text(path)
    try:
        value = decode(text)
    except RefusedJSON as error:
        raise UserError(_line(path, text), f"malformed JSON ({error})", "mend the syntax") from None
    refuse_half_characters(json.loads(text), path)
    if not isinstance(value, list) or not value:
        raise UserError(path, "expected a list of tools in OpenAI's form", 'write [{"type": "function", ...}]')
    try:
        catalog = usable_catalog(value)
    except BadCatalog as error:
        raise UserError(f"{path}{error.place and ': '}{error.place}", error.problem, error.mend) from None
    for complaint in catalog.complaints:
        say_once(f"{path}: {complaint}")
    return catalog


class BadCatalog(ValueError):
    """Tools that make no catalog. `place` names the tool, as far as it is known."""

    def __init__(self, place: str, problem: str, mend: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem, self.mend = place, problem, mend


def usable_catalog(tools: list[Any]) -> Catalog:
    """The catalog of tools that a person or a log has written; its `complaints` are for the caller to say.

    Raises:
        BadCatalog: no tools in OpenAI's form, an unknown key, or a duplicate name.
    """
    _refuse_unknown_keys(tools)
    try:
        return Catalog.from_wire(tools)
    except ValidationError as error:
        raise BadCatalog("", explain(error), "see OpenAI's function form") from None
    except ValueError as error:
        raise BadCatalog("", str(error), 'write {"type": "function", "function": {...}}') from None


def _written(call: ToolCall) -> str:
    return f"{call.name}\n{json.dumps(call.arguments)}"


def _tool(number: int, tool: Any) -> Tool:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        raise ValueError(f"tool {number} has no `function`")
    return Tool.model_validate({key: function[key] for key in Tool.model_fields if key in function})


def _refuse_unknown_keys(tools: list[Any]) -> None:
    """In a file, an unknown key is a mistake; `strict` is OpenAI's own and has no meaning here."""
    for number, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        for key in function if isinstance(function, dict) else ():
            if key not in (*Tool.model_fields, "strict"):
                raise BadCatalog(f"tool {number}", f"unknown key {key!r}", f"valid: {', '.join(Tool.model_fields)}")


def _line(path: Path, text: str) -> str:
    """The place of a syntax error, if there is one."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"{path}:{error.lineno}"
    except (ValueError, RecursionError):
        pass
    return str(path)


def _place(error: Refusal) -> str:
    return error.json_path.removeprefix("$").removeprefix(".")


def _keyword(error: Refusal) -> str:
    while error.context:
        error = error.context[0]
    return str(error.validator)


def _unusable(problem: BadSchema) -> str:
    path = f".{problem.path}" if problem.path else ""
    return _short(f"parameters{path} is no usable JSON Schema ({problem.problem})")


def _explain(error: Refusal) -> str:
    return _short(f"{_place(error) or 'arguments'}: {error.message}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_PROBLEM_CHARACTERS else f"{text[: MAX_PROBLEM_CHARACTERS - 3]}..."
