"""The tools that a record brings, in every shape that people write them, as a catalog.

A list or JSON text of one, a list of JSON texts, an object of name -> schema; each tool in OpenAI's form, flat, or as
the Responses API, MCP (`inputSchema`), Anthropic (`input_schema`), Gemini (`functionDeclarations`) and Bedrock
(`toolSpec`) write it. Types that are no JSON Schema are translated, see `callproof.sessions.reading.pseudo_types`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from callproof.calls import RefusedJSON
from callproof.catalog import BadCatalog, Catalog, usable_catalog

from .loose import loose_value, loose_values
from .pseudo_types import is_bare, object_schema, translated
from .refusal import kind, refuse
from .repeated import Written

_SCHEMA_KEYS = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "arguments", "args")
_KNOWN = frozenset(("type", "name", "description", *_SCHEMA_KEYS))
_SETTINGS = ("model_parameters", "modelParameters", "optional_params", "invocation_params")
_LISTS = ("tools", "functions", "functionDeclarations", "function_declarations")


class Brought(NamedTuple):
    """A catalog, what is to be said of its schemas, and the keys of tools that are not read."""

    catalog: Catalog
    complaints: list[str]
    unread: tuple[str, ...]


def brought_tools(value: Any, where: str) -> Brought:
    """The catalog of a record's tools.

    Args:
        value: what the record brings, in any shape.
        where: place of the record, for errors.

    Raises:
        UserError: no tools, a tool without a name, or a name twice.
    """
    try:
        text = value.text if isinstance(value, Written) else value
        return _of_text(text) if isinstance(text, str) else _of_value(text)
    except RefusedJSON as error:
        refuse(f"{where}: tools", f"malformed JSON ({error})", "write a list of tools")
    except BadCatalog as error:
        refuse(f"{where}: tools{error.place and ': '}{error.place}", error.problem, error.mend)


def settings_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects of a record that say how a model was asked, as gateways and tracing tools write them beside it."""
    extra = record.get("extra")
    places = [*map(record.get, _SETTINGS), extra.get("invocation_params") if isinstance(extra, dict) else None]
    return [place for place in places if isinstance(place, dict)]


def is_tool(value: Any) -> bool:
    """Whether a value plainly describes a tool, as it does not where it is an example of a call."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("function"), dict):
        return "arguments" not in value["function"]
    schema = next((value[key] for key in _SCHEMA_KEYS[:3] if isinstance(value.get(key), dict)), None)
    if not isinstance(value.get("name"), str) or schema is None:
        return False
    return "description" in value or not schema or "properties" in schema or is_bare(schema)


@lru_cache(maxsize=256)
def _of_text(text: str) -> Brought:
    try:
        return _of_value(_opened(text))
    except RefusedJSON as error:
        tools = _lines(text)
        if not tools:
            raise error from None
        return _of_value(tools)


def _of_value(tools: Any) -> Brought:
    if not isinstance(tools, list | dict):
        raise BadCatalog("", f"expected a list of tools, got {kind(tools)}", "write a list of tools")
    return _brought(json.dumps(tools))


def _opened(text: str) -> Any:
    """The value of JSON text, or of JSON text of that; empty text is no tools."""
    value = loose_value(text) if text.strip() else []
    return loose_value(value) if isinstance(value, str) and value.lstrip().startswith(("[", "{")) else value


def _lines(text: str) -> list[Any] | None:
    """Tools that stand one after another in a text, without a list around them."""
    try:
        return loose_values(text)
    except RefusedJSON:
        return None


@lru_cache(maxsize=1024)
def _brought(text: str) -> Brought:
    """One catalog for all records that bring the same tools, compiled once."""
    functions = [_function(tool, number) for number, tool in enumerate(_listed(json.loads(text)))]
    bare = any(is_bare(function.get("parameters")) for function in functions)
    unread = {key: None for function in functions for key in function.pop("unread")}
    for function in functions:
        _mend_schema(function, bare)
    catalog = usable_catalog([{"type": "function", "function": function} for function in functions])
    return Brought(catalog, catalog.complaints, tuple(unread))


def _listed(tools: Any) -> Iterator[Any]:
    """The tools of a list or an object, those that are JSON text decoded, groups of them opened."""
    if isinstance(tools, str):
        try:
            tools = loose_value(tools)
        except RefusedJSON as error:
            raise BadCatalog("", f"a tool is malformed JSON ({error})", "write it as an object") from None
    if isinstance(tools, list):
        for tool in tools:
            yield from _listed(tool)
    elif not isinstance(tools, dict) or "name" in tools or "function" in tools or "toolSpec" in tools:
        yield tools
    elif group := next((tools[key] for key in _LISTS if isinstance(tools.get(key), list)), None):
        yield from _listed(group)
    else:
        yield from _by_name(tools)


def _by_name(tools: dict[str, Any]) -> Iterator[Any]:
    """The tools of an object of name -> schema, or name -> tool without its name."""
    if "type" in tools or not all(isinstance(value, dict) for value in tools.values()):
        if "type" in tools:
            yield tools
            return
        raise BadCatalog("", "expected a list of tools, got an object", "write a list, or name -> schema")
    for name, value in tools.items():
        is_whole = "description" in value and any(key in value for key in _SCHEMA_KEYS)
        yield {"name": name, **value} if is_whole or "name" in value else {"name": name, "parameters": value}


def _function(tool: Any, number: int) -> dict[str, Any]:
    """The name, description and parameters of a tool, and under `unread` its other keys."""
    if not isinstance(tool, dict):
        raise BadCatalog(
            f"tool {number}", f"expected an object, got {kind(tool)}", "see docs/reference/data.md for the forms"
        )
    if isinstance(tool.get("toolSpec"), dict):
        schema = tool["toolSpec"].get("inputSchema")
        tool = {**tool["toolSpec"], "inputSchema": schema.get("json") if isinstance(schema, dict) else schema}
    inner = tool.get("function")
    if not isinstance(inner, dict) and "name" not in tool:
        raise BadCatalog("", f"tool {number} has no `function`", 'write {"type": "function", "function": {...}}')
    function = inner if isinstance(inner, dict) else tool
    held = [key for key in _SCHEMA_KEYS if function.get(key) is not None]
    if len(held) > 1:
        raise BadCatalog(f"tool {number}", f"two schemas, {' and '.join(held)}", "keep one of them")
    parameters = function[held[0]] if held else None
    value = {"name": function.get("name"), "description": function.get("description"), "parameters": parameters}
    required = function.get("required")
    if required and isinstance(parameters, dict):
        value["parameters"] = _with_required(parameters, required, number)
    beside = {key for key, item in function.items() if key not in (*_KNOWN, "strict", "required") and item is not None}
    outside = {key for key, item in tool.items() if inner and key not in ("type", "function") and item is not None}
    return {**value, "unread": sorted(beside | outside)}


def _with_required(parameters: dict[str, Any], required: Any, number: int) -> dict[str, Any]:
    """A schema whose required names stand beside it, as ToolACE writes them."""
    if not isinstance(required, list) or parameters.get("required", required) != required:
        raise BadCatalog(f"tool {number}", f"required is {required!r}"[:100], "write it inside parameters")
    return parameters if is_bare(parameters) else {**parameters, "required": required}


def _mend_schema(function: dict[str, Any], bare: bool) -> None:
    """Decode a schema that is JSON text, and translate what is no JSON Schema.

    Args:
        function: changed in place.
        bare: a tool of the list has bare parameters, so that an empty object is one without any.
    """
    parameters = function["parameters"]
    if isinstance(parameters, str):
        try:
            parameters = loose_value(parameters)
        except RefusedJSON as error:
            raise BadCatalog(f"tool {function['name']!r}", f"parameters: {error}", "write a JSON Schema") from None
    if isinstance(parameters, list) and all(isinstance(one, dict) and "name" in one for one in parameters):
        parameters = {one["name"]: {key: value for key, value in one.items() if key != "name"} for one in parameters}
    if isinstance(parameters, dict) and (is_bare(parameters) or (bare and not parameters)):
        parameters = object_schema(parameters)
    function["parameters"] = translated(parameters)
