"""Schemas that are none, translated to JSON Schema.

xLAM and its kin write Python's types, and the parameters without an object around them:

    {"city": {"type": "str", "description": "..."}, "days": {"type": "int, optional", "default": 3}}

ToolACE and BFCL write `dict` for an object, Gemini writes `OBJECT`. A type that has no translation (`Callable`) stays
as it is: the catalog then names the tool, and judges no call of it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_TYPES: Mapping[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "string": {"type": "string"},
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "integer": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "boolean": {"type": "boolean"},
    "none": {"type": "null"},
    "nonetype": {"type": "null"},
    "null": {"type": "null"},
    "dict": {"type": "object"},
    "object": {"type": "object"},
    "hashmap": {"type": "object"},
    "mapping": {"type": "object"},
    "list": {"type": "array"},
    "array": {"type": "array"},
    "arraylist": {"type": "array"},
    "sequence": {"type": "array"},
    "iterable": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array", "uniqueItems": True},
    "any": {},
}
_JSON_TYPES = frozenset(("string", "integer", "number", "boolean", "null", "object", "array"))
_GENERIC = re.compile(r"(?:typing\.)?([A-Za-z]\w*)\s*\[(.*)\]", re.DOTALL)
_OPTIONAL = re.compile(r",?\s*\(?\boptional\b\)?\s*", re.IGNORECASE)
_DEFAULT = re.compile(r",\s*default(?:s to)?\b.*", re.IGNORECASE | re.DOTALL)
_FLAGS = ("required", "optional")
_SCHEMAS = ("items", "additionalProperties", "not", "contains", "prefixItems", "anyOf", "oneOf", "allOf")
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")


def is_bare(parameters: Any) -> bool:
    """Whether parameters stand without an object schema around them, each with its own type or description."""
    if not isinstance(parameters, dict) or not parameters or isinstance(parameters.get("properties"), dict):
        return False
    return all(isinstance(inner, dict) and ("type" in inner or "description" in inner) for inner in parameters.values())


def object_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of bare parameters. It names all that there are, so a call may bring no other.

    An argument is required where its own `required` or `optional` says so; else where its type is not optional and it
    has no default.
    """
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, inner in parameters.items():
        schema = {key: value for key, value in inner.items() if key not in _FLAGS or isinstance(value, list)}
        properties[name] = translated(schema)
        if _is_required(inner):
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def translated(schema: Any) -> Any:
    """A schema with Python's and Gemini's types replaced, at any depth; what is already JSON Schema stays as it is."""
    if not isinstance(schema, dict):
        return schema
    value = {key: _inner(key, inner) for key, inner in schema.items()}
    written = schema.get("type")
    if not isinstance(written, str) or written in _JSON_TYPES:
        return value
    found = json_type(written)
    if found is None:
        return value
    rest = {key: inner for key, inner in value.items() if key != "type"}
    return {**found, **rest}


def json_type(written: str) -> dict[str, Any] | None:
    """The schema of a type as Python writes it, such as `List[str]` or `int, optional`; None where there is none."""
    text = _OPTIONAL.sub("", _DEFAULT.sub("", written)).strip() if "[" not in written else _outside(written)
    if schema := _TYPES.get(text.lower()):
        return dict(schema)
    if text.lower() == "any":
        return {}
    if len(parts := _split(text, "|")) > 1:
        return _any_of(parts)
    generic = _GENERIC.fullmatch(text)
    return _generic(generic[1].lower(), _split(generic[2], ",")) if generic else None


def _inner(key: str, value: Any) -> Any:
    if key in _NAMED_SCHEMAS and isinstance(value, dict):
        return {name: translated(schema) for name, schema in value.items()}
    if key in _SCHEMAS:
        return [translated(schema) for schema in value] if isinstance(value, list) else translated(value)
    return value


def _is_required(parameter: Mapping[str, Any]) -> bool:
    stated = parameter.get("required")
    if isinstance(stated, bool):
        return stated
    if isinstance(parameter.get("optional"), bool):
        return not parameter["optional"]
    return "default" not in parameter and not re.search(r"\boptional\b", str(parameter.get("type", "")), re.IGNORECASE)


def _outside(written: str) -> str:
    """A type with brackets, without the words behind them; `Optional[...]` is no such word."""
    head, bracket, tail = written.rpartition("]")
    return f"{head}{bracket}{_OPTIONAL.sub('', _DEFAULT.sub('', tail))}".strip()


def _generic(name: str, inner: list[str]) -> dict[str, Any] | None:
    return _GENERICS[name](inner) if name in _GENERICS else None


def _array(inner: list[str]) -> dict[str, Any] | None:
    items = json_type(inner[0]) if len(inner) == 1 else None
    return None if items is None else {"type": "array", "items": items}


def _set(inner: list[str]) -> dict[str, Any] | None:
    array = _array(inner)
    return None if array is None else {**array, "uniqueItems": True}


def _tuple(inner: list[str]) -> dict[str, Any] | None:
    if len(inner) == 2 and inner[1] == "...":
        return _array(inner[:1])
    items = [json_type(text) for text in inner]
    if any(item is None for item in items):
        return None
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _dict(inner: list[str]) -> dict[str, Any] | None:
    values = json_type(inner[1]) if len(inner) == 2 and json_type(inner[0]) == {"type": "string"} else None
    return None if values is None else {"type": "object", "additionalProperties": values}


def _any_of(inner: list[str]) -> dict[str, Any] | None:
    kinds = [json_type(text) for text in inner]
    if any(found is None for found in kinds):
        return None
    return {"anyOf": kinds}


def _optional(inner: list[str]) -> dict[str, Any] | None:
    return _any_of([*inner, "None"]) if len(inner) == 1 else None


def _literal(inner: list[str]) -> dict[str, Any] | None:
    texts = [text[1:-1] for text in inner if len(text) > 1 and text[0] == text[-1] and text[0] in "'\""]
    return {"enum": texts} if len(texts) == len(inner) else None


_GENERICS: Mapping[str, Callable[[list[str]], dict[str, Any] | None]] = {
    "list": _array,
    "sequence": _array,
    "iterable": _array,
    "array": _array,
    "set": _set,
    "tuple": _tuple,
    "dict": _dict,
    "mapping": _dict,
    "union": _any_of,
    "optional": _optional,
    "literal": _literal,
}


def _split(text: str, mark: str) -> list[str]:
    """The parts of a text between marks that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == mark and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
