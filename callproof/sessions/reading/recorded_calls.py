"""A call as a record holds it, and a message's own words on whether it is trained."""

import contextlib
from typing import Any

from pydantic import ValidationError

from callproof.calls import RefusedJSON, ToolCall
from callproof.records import explain

from .loose import loose_value
from .refusal import kind, refuse

ARGUMENTS = ("arguments", "args", "parameters", "input", "kwargs")
"""Under which names calls carry their arguments."""

CALL_KEYS = (
    "id",
    "type",
    "index",
    "function",
    "name",
    "tool_call_id",
    "call_id",
    "status",
    "caller",
    "accept",
    "optional",
    *ARGUMENTS,
)
_FUNCTION_KEYS = ("name", "accept", "optional", *ARGUMENTS)
_PLAIN, _PLAIN_FUNCTION = {"id", "type", "function"}, {"name", "arguments"}
_CALL_TYPES = ("function", "tool_call", "tool_use", "function_call", None)


def recorded_call(place: str, value: Any) -> ToolCall:
    """The call that an object of a record holds, in OpenAI's form or a near one.

    Raises:
        UserError: no object, no name, arguments that are no object or stand under two names, or an unknown key.
    """
    if not isinstance(value, dict):
        refuse(place, f"expected a call object, got {kind(value)}")
    if (function := _plain_function(value)) is not None:
        return _validated(place, function["name"], function["arguments"])
    unknown = [key for key in value if key not in CALL_KEYS and value[key] is not None]
    inner = value.get("function")
    function = inner if isinstance(inner, dict) else value
    unknown += [
        f"function.{key}"
        for key in function
        if function is not value and key not in _FUNCTION_KEYS and function[key] is not None
    ]
    if unknown:
        refuse(f"{place}.{unknown[0]}", "unknown key", f"keys of a call: {', '.join(CALL_KEYS)}")
    if value.get("type") not in _CALL_TYPES:
        refuse(f"{place}.type", f"expected a call of a function, got {value['type']!r}"[:200])
    written = {key: _arguments(function.get(key)) for key in ARGUMENTS}
    held = [key for key in ARGUMENTS if written[key] is not None]
    if len(held) > 1 and any(written[key] != written[held[0]] for key in held):
        refuse(place, f"its arguments differ in {' and '.join(held)}", "keep one of them")
    name = inner if isinstance(inner, str) and "name" not in value else function.get("name")
    return _validated(place, name, written[held[0]] if held else {})


def plain_calls(values: Any) -> list[ToolCall] | None:
    """The calls of a list, where each is in OpenAI's own form with an id of its own; None where `recorded_call` is to
    look at them."""
    if not isinstance(values, list) or not values:
        return None
    functions = [_plain_function(value) if isinstance(value, dict) else None for value in values]
    if None in functions or not all(isinstance(value["id"], str) for value in values):
        return None
    if len({value["id"] for value in values}) < len(values):
        return None
    try:
        return list(map(ToolCall.model_validate, functions))
    except ValidationError:
        return None


def _validated(place: str, name: Any, arguments: Any) -> ToolCall:
    try:
        return ToolCall.model_validate({"name": name, "arguments": arguments})
    except ValidationError as error:
        refuse(place, explain(error))


def _plain_function(call: dict[str, Any]) -> dict[str, Any] | None:
    """The function of a call in OpenAI's own form with JSON text as its arguments; None of any other."""
    function = call.get("function")
    if call.keys() != _PLAIN or call["type"] != "function" or not isinstance(function, dict):
        return None
    arguments = function.get("arguments")
    if function.keys() != _PLAIN_FUNCTION or not isinstance(arguments, str):
        return None
    return function if arguments.startswith("{") and not arguments.startswith("{'") else None


def opened_call(value: Any) -> Any:
    """A call that is written as JSON text, or whose `function` is, as an object; anything else as it is."""
    value = _object(value)
    return (
        {**value, "function": _object(value["function"])} if isinstance(value, dict) and "function" in value else value
    )


def _object(value: Any) -> Any:
    """The object that a JSON text holds; any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with contextlib.suppress(RefusedJSON):
            return loose_value(value)
    return value


def _arguments(value: Any) -> Any:
    """Arguments, those in JSON text as text; None where there are none, as null and empty text say.

    Text of JSON text is opened once, and an object that Python printed is decoded.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in ("", "null", "None"):
        return None
    if text.startswith('"'):
        with contextlib.suppress(RefusedJSON):
            inner = loose_value(text)
            return _arguments(inner) if isinstance(inner, str) and inner.lstrip().startswith("{") else value
    if text.startswith("{'"):
        return _object(text)
    return value
