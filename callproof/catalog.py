"""The catalog: which tools there are, and whether a call of one is valid."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import ValidationError

from callproof.calls import ToolCall
from callproof.errors import UserError
from callproof.records import Record, explain, read_text


class Tool(Record):
    """One function that the assistant may call; `parameters` is a JSON Schema of its arguments object."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        """OpenAI's form with the keys and the order that vLLM gives the chat template (`model_dump()`)."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    @cached_property
    def validator(self) -> Draft202012Validator:
        return Draft202012Validator(
            self.parameters or {"type": "object"}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )


class Catalog(Record):
    """Tools in the order of their file; names are unique."""

    tools: tuple[Tool, ...]

    @cached_property
    def by_name(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self.tools}

    @classmethod
    def from_wire(cls, tools: list[dict[str, Any]] | tuple[dict[str, Any], ...]) -> "Catalog":
        return cls(tools=tuple(Tool.model_validate(tool["function"]) for tool in tools))

    def problems(self, call: ToolCall) -> list[str]:
        """Why `call` is not valid, as `argument.path: reason`; empty if it is. An unknown tool is a problem."""
        tool = self.by_name.get(call.name)
        if tool is None:
            return [f"unknown tool {call.name!r}"]
        errors = sorted(
            tool.validator.iter_errors(call.arguments), key=lambda error: list(map(str, error.absolute_path))
        )
        return [f"{error.json_path.removeprefix('$.')}: {error.message}" for error in errors]


def read_catalog(path: Path) -> Catalog:
    """The catalog of a tools.json: a list of tools in OpenAI's form.

    Raises:
        UserError: no list of tools, a duplicate name, or parameters that are no JSON Schema.
    """
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}", f"malformed JSON ({error.msg})", "mend the syntax") from None
    if not isinstance(value, list) or not value:
        raise UserError(path, "expected a list of tools in OpenAI's form", 'write [{"type": "function", ...}]')
    try:
        catalog = Catalog.from_wire(value)
    except ValidationError as error:
        raise UserError(path, explain(error), "see OpenAI's function form") from None
    except (KeyError, TypeError):
        raise UserError(path, "a tool without `function`", 'write {"type": "function", "function": {...}}') from None
    for tool in catalog.tools:
        _check_schema(tool, path)
    if len(catalog.by_name) != len(catalog.tools):
        raise UserError(path, "two tools have one name", "rename one")
    return catalog


def _check_schema(tool: Tool, path: Path) -> None:
    try:
        Draft202012Validator.check_schema(tool.parameters or {})
    except SchemaError as error:
        place = f"{path}: tool {tool.name!r}, parameters.{error.json_path.removeprefix('$.')}"
        raise UserError(place, f"is no JSON Schema ({error.message})", "mend the schema") from None
