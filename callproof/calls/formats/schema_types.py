"""Values that a family writes as text get their type from the JSON Schema of the tool's parameters.

A string stays a string whatever it looks like; what the schema does not settle stays text.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from callproof.calls.strict_json import RefusedJSON, decode

_WORDS = {"true": True, "True": True, "false": False, "False": False}
_NULLS = ("null", "None")
_REFERENCES = 8


class Typed(NamedTuple):
    """A value, and whether a schema settled its type."""

    value: Any
    settled: bool


def typed(text: str, key: str, parameters: Mapping[str, Any] | None) -> Typed:
    """The value that the text of an argument stands for.

    Args:
        text: as the model wrote it.
        key: of the argument.
        parameters: JSON Schema of the tool's parameters, or None.

    Raises:
        RefusedJSON: an object or list with a duplicate key, a number beyond any float, or the like.
    """
    properties = (parameters or {}).get("properties")
    schema = properties.get(key) if isinstance(properties, Mapping) else None
    kinds, values = _kinds(schema, parameters or {}, _REFERENCES)
    if text in values:
        return Typed(text, True)
    if not kinds:
        return _enumerated(text, values) if values else Typed(text, False)
    if "null" in kinds and text.strip() in _NULLS:
        return Typed(None, True)
    value = _of_kind(text, kinds)
    if "string" not in kinds:
        return Typed(value, True)
    return Typed(text, isinstance(value, str))


def written(value: Any, dump: Any) -> str:
    """A value as text: strings as they are, others by `dump`."""
    return value if isinstance(value, str) else dump(value)


def _enumerated(text: str, values: list[Any]) -> Typed:
    try:
        value = decode(text)
    except RefusedJSON:
        return Typed(text, False)
    return Typed(value, True) if value in values else Typed(text, False)


def _of_kind(text: str, kinds: set[str]) -> Any:
    """The text as a value of one of the kinds other than string, or as it is."""
    bare = text.strip()
    if "boolean" in kinds and bare in _WORDS:
        return _WORDS[bare]
    try:
        value = decode(bare)
    except RefusedJSON as error:
        if error.reason == "invalid_json" or bare[:1] not in "{[" or not kinds & {"object", "array"}:
            return text
        raise
    wanted = {dict: {"object"}, list: {"array"}, int: {"integer", "number"}, float: {"number", "integer"}}
    return value if wanted.get(type(value), set()) & kinds else text


def _kinds(schema: Any, root: Mapping[str, Any], references: int) -> tuple[set[str], list[Any]]:
    """The JSON types that a schema allows (none: it does not say), and the values that it lists."""
    if not isinstance(schema, Mapping):
        return set(), []
    if isinstance(reference := schema.get("$ref"), str) and references:
        return _kinds(_resolved(reference, root), root, references - 1)
    named = schema.get("type")
    names = named if isinstance(named, list) else [named]
    kinds = {name.lower() for name in names if isinstance(name, str)}
    values = list(schema["enum"]) if isinstance(schema.get("enum"), list) else []
    values += [schema["const"]] if "const" in schema else []
    for group in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(group) or [] if references else []:
            more, listed = _kinds(branch, root, references - 1)
            kinds |= more
            values += listed
    if schema.get("nullable") is True and kinds:
        kinds.add("null")
    return kinds, values


def _resolved(reference: str, root: Mapping[str, Any]) -> Any:
    value: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
