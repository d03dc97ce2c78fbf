"""Expected calls as other tools note them: in a target text, in an assertion, beside the question.

A list of calls, one call or an object with `tool_calls`, each as data or as text: JSON, `[f(x=1)]`, or any notation of
`callproof.calls.formats`. A call is `{"name", "arguments"}` or near it, or BFCL's `{"f": {"x": [accepted, ..]}}`. An
empty list says that no call is right; empty text and text without a call say nothing.
"""

from typing import Any

from pydantic import ValidationError

from callproof.calls import decode
from callproof.errors import UserError
from callproof.records import explain
from callproof.sessions import calls_in_text, recorded_call
from callproof.turns import GoldCall

from ..bfcl import gold_call
from .record import Left, Wire, opened

NO_GOLD = "it does not say which calls are right"
_UNREAD = "the calls that it expects cannot be read"


def gold_of(value: Any, tools: list[Wire] | None) -> tuple[GoldCall, ...] | None:
    """The calls that a value expects; None where it says nothing of calls.

    Raises:
        Left: something that looks like calls, and cannot be read as such.
    """
    try:
        return _gold(
            value, {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools or ()}
        )
    except UserError as error:
        raise Left(f"{_UNREAD}: {error.args[1]}") from None
    except ValidationError as error:
        raise Left(f"{_UNREAD}: {explain(error)}") from None
    except ValueError as error:
        raise Left(f"{_UNREAD}: {error}") from None


def _gold(value: Any, tools: dict[str, Any]) -> tuple[GoldCall, ...] | None:
    if isinstance(value, str):
        return _of_text(value, tools)
    if isinstance(value, dict):
        return _gold(value["tool_calls"], tools) if isinstance(value.get("tool_calls"), list) else _one(value, tools)
    if not isinstance(value, list):
        return None
    calls = [_one(item, tools) if isinstance(item, dict) else _gold(item, tools) for item in value]
    return None if any(call is None for call in calls) else tuple(one for call in calls for one in call or ())


def _of_text(text: str, tools: dict[str, Any]) -> tuple[GoldCall, ...] | None:
    if opened(text) is not None:
        return _gold(decode(text), tools)
    calls = calls_in_text("target", text, tools).calls
    return tuple(GoldCall.of(call) for call in calls) or None


def _one(value: dict[str, Any], tools: dict[str, Any]) -> tuple[GoldCall, ...] | None:
    """The call that an object is; None where it is none."""
    named = list(value)
    if len(named) == 1 and isinstance(value[named[0]], dict) and (named[0] in tools or named[0] != "function"):
        accepted = value[named[0]]
        listed = bool(accepted) and all(isinstance(item, list) for item in accepted.values())
        return (gold_call(named[0], accepted) if listed else GoldCall(name=named[0], arguments=accepted),)
    if not value.keys() & {"name", "function"}:
        return None
    return (GoldCall.of(recorded_call("call", value)),)


def any_arguments(name: str, tools: list[Wire] | None, given: dict[str, Any] | None = None) -> GoldCall:
    """A call of which only the arguments in `given` are compared."""
    schemas = [tool["function"].get("parameters") for tool in tools or () if tool["function"]["name"] == name]
    properties = schemas[0].get("properties") if schemas and isinstance(schemas[0], dict) else {}
    given = given or {}
    return GoldCall(name=name, arguments=given, ignore=tuple(key for key in properties or {} if key not in given))
