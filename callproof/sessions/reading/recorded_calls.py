"""A call as a record holds it, and a message's own words on whether it is trained."""

from typing import Any

from pydantic import ValidationError

from callproof.calls import ToolCall
from callproof.records import explain

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
_CALL_TYPES = ("function", "tool_call", "tool_use", "function_call", None)


def recorded_call(place: str, value: Any) -> ToolCall:
    """The call that an object of a record holds, in OpenAI's form or a near one.

    Raises:
        UserError: no object, no name, arguments that are no object or stand under two names, or an unknown key.
    """
    if not isinstance(value, dict):
        refuse(place, f"expected a call object, got {kind(value)}")
    unknown = [key for key in value if key not in CALL_KEYS and value[key] is not None]
    inner = value.get("function")
    function = inner if isinstance(inner, dict) else value
    unknown += [
        f"function.{key}"
        for key in function
        if function is not value and key not in ("name", "accept", "optional", *ARGUMENTS)
    ]
    if unknown:
        refuse(f"{place}.{unknown[0]}", "unknown key", f"keys of a call: {', '.join(CALL_KEYS)}")
    if value.get("type") not in _CALL_TYPES:
        refuse(f"{place}.type", f"expected a call of a function, got {value['type']!r}"[:200])
    held = [key for key in ARGUMENTS if function.get(key) not in (None, "")]
    if len(held) > 1 and any(function[key] != function[held[0]] for key in held):
        refuse(place, f"its arguments differ in {' and '.join(held)}", "keep one of them")
    name = inner if isinstance(inner, str) and "name" not in value else function.get("name")
    try:
        return ToolCall.model_validate({"name": name, "arguments": function[held[0]] if held else {}})
    except ValidationError as error:
        refuse(place, explain(error))
