"""A quick look at the schemas that most tools have: types, enumerations, properties, lists, and nothing else.

`jsonschema` takes tens of microseconds for each argument, and a millisecond to compile a tool. Where these
functions say yes, that time is saved; where they say no, jsonschema decides.
"""

from typing import Any

_KEYWORDS: dict[str, type] = {
    "type": str,
    "enum": list,
    "properties": dict,
    "required": list,
    "additionalProperties": bool,
    "items": dict,
    "title": str,
    "description": str,
    "examples": list,
}
_MAX_ENUM = 1_000
_ANNOTATIONS = {"default", "x-unordered", "x-null-omitted", "x-match"}
_ALL = _KEYWORDS.keys() | _ANNOTATIONS
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def surely_a_schema(schema: Any) -> bool:
    """Whether this is a schema of plain keywords alone, which the metaschema of no draft refuses."""
    if not isinstance(schema, dict) or not schema.keys() <= _ALL:
        return False
    if not all(keyword in _ANNOTATIONS or isinstance(value, _KEYWORDS[keyword]) for keyword, value in schema.items()):
        return False
    required = schema.get("required", [])
    return (
        schema.get("type", "null") in _TYPES
        and all(isinstance(name, str) for name in required)
        and len(set(required)) == len(required)
        and all(map(surely_a_schema, schema.get("properties", {}).values()))
        and ("items" not in schema or surely_a_schema(schema["items"]))
    )


def surely_valid(value: Any, schema: Any) -> bool:
    """Whether a schema of plain keywords alone, which is known to be one, accepts a value."""
    if not isinstance(schema, dict) or not schema.keys() <= _ALL:
        return False
    kind = schema.get("type")
    if not isinstance(kind, str) or type(value) not in _TYPES.get(kind, ()):
        return False
    if "enum" in schema and not (kind == "string" and len(schema["enum"]) <= _MAX_ENUM and value in schema["enum"]):
        return False
    if kind == "object":
        return _surely_valid_object(value, schema)
    return kind != "array" or ("items" in schema and all(surely_valid(item, schema["items"]) for item in value))


def _surely_valid_object(value: dict[str, Any], schema: dict[str, Any]) -> bool:
    properties, additional = schema.get("properties", {}), schema.get("additionalProperties", True)
    return all(map(value.__contains__, schema.get("required", ()))) and all(
        surely_valid(item, properties[name]) if name in properties else additional is True
        for name, item in value.items()
    )
