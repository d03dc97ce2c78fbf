"""What else is right than the calls that a session records, as a person writes it beside them.

    {"role": "assistant",
     "tool_calls": [
       {"function": {"name": "book", "arguments": {"date": "2026-05-04", "note": "by the window", "zone": "CET"}},
        "accept": {"date": {"any_of": ["tomorrow"]}, "note": {"ignore": true}, "zone": {"optional": true}}},
       {"function": {"name": "log", "arguments": {}}, "optional": true}],
     "alternatives": [[{"name": "ask_date", "arguments": {}}], []]}

`accept`, by argument: `any_of` gives further accepted values, `optional` lets it be left out, `ignore` takes any value
and none. `optional` beside a call: the model may make it, and need not. `alternatives` are further right answers, each
a list of calls in the same form; an empty list is an answer without calls. Training learns the recorded calls and looks
at none of this.
"""

from typing import Any, NoReturn

from pydantic import Field

from callproof.calls import ToolCall
from callproof.errors import UserError
from callproof.records import Record

KEYS = ("accept", "optional")
"""The keys of a call in a session that say what else is right."""
_OF_ARGUMENT = ("any_of", "optional", "ignore")


class Acceptance(Record):
    """By argument of a call: `any_of` gives further accepted values, `optional` may be left out, `ignore` is not
    compared. An argument that is in `optional` alone is right only where it is left out. `optional_call`: the whole
    call may be left out.
    """

    any_of: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    optional: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    optional_call: bool = Field(default=False, exclude_if=lambda optional: not optional)

    def written(self) -> dict[str, Any]:
        """The keys of a session's call that `read_acceptance` reads back."""
        accept: dict[str, dict[str, Any]] = {name: {"any_of": list(values)} for name, values in self.any_of.items()}
        for key, names in (("optional", self.optional), ("ignore", self.ignore)):
            for name in names:
                accept.setdefault(name, {})[key] = True
        return {**({"accept": accept} if accept else {}), **({"optional": True} if self.optional_call else {})}


NOTHING_ELSE = Acceptance()


class GoldCall(ToolCall, Acceptance):
    """An expected call, and what is as right as its arguments."""

    @classmethod
    def of(cls, call: ToolCall, acceptance: Acceptance | None = None) -> "GoldCall":
        """A recorded call with what is accepted in its place; None: nothing else."""
        more = {name: getattr(acceptance, name) for name in Acceptance.model_fields} if acceptance else {}
        return cls(name=call.name, arguments=call.arguments, **more)


def read_acceptance(place: str, written: dict[str, Any], call: ToolCall) -> Acceptance:
    """What a session accepts in the place of a call.

    Args:
        place: the call's path, for errors.
        written: the call as it is written, with `accept` and `optional` if it has them.
        call: the call that was read from it.

    Raises:
        UserError: `place.accept...: what was expected`.
    """
    function = written.get("function")
    beside = function if isinstance(function, dict) else {}
    if not any(key in written or key in beside for key in KEYS):
        return NOTHING_ELSE
    for key in KEYS:
        if isinstance(function, dict) and function.get(key) is not None:
            _refuse(f"{place}.function.{key}", "is misplaced", f"write {key} beside function")
    optional = _flag(f"{place}.optional", written.get("optional"))
    accept = written.get("accept")
    if accept is None:
        return Acceptance(optional_call=optional)
    if not isinstance(accept, dict):
        _refuse(f"{place}.accept", f"expected an object of arguments, got {type(accept).__name__}", _MEND)
    rules = {name: _rule(f"{place}.accept.{name}", name, rule, call) for name, rule in accept.items()}
    return Acceptance(
        any_of={name: tuple(rule["any_of"]) for name, rule in rules.items() if rule.get("any_of")},
        optional=tuple(name for name, rule in rules.items() if rule.get("optional")),
        ignore=tuple(name for name, rule in rules.items() if rule.get("ignore")),
        optional_call=optional,
    )


_MEND = 'write {"argument": {"any_of": [...]}}, {"argument": {"optional": true}} or {"argument": {"ignore": true}}'


def _rule(place: str, name: str, rule: Any, call: ToolCall) -> dict[str, Any]:
    if not isinstance(rule, dict):
        _refuse(place, f"expected an object, got {type(rule).__name__}", _MEND)
    for key in rule:
        if key not in _OF_ARGUMENT:
            _refuse(f"{place}.{key}", "unknown key", f"keys of an accepted argument: {', '.join(_OF_ARGUMENT)}")
    values = rule.get("any_of", [])
    if not isinstance(values, list):
        _refuse(f"{place}.any_of", f"expected a list of values, got {type(values).__name__}", _MEND)
    ignored = _flag(f"{place}.ignore", rule.get("ignore"))
    optional = _flag(f"{place}.optional", rule.get("optional"))
    if not (values or optional or ignored):
        _refuse(place, f"accepts nothing, got {rule!r}"[:200], _MEND)
    if ignored and (values or optional):
        _refuse(place, "ignore takes any value, so that any_of and optional say nothing", "keep one of them")
    if optional and not values and name not in call.arguments:
        _refuse(place, "optional, but the call does not give this argument", "give it, or any_of, or ignore it")
    return rule


def _flag(place: str, value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        _refuse(place, f"expected true or false, got {value!r}"[:200], "write true, or leave it out")
    return value is True


def _refuse(place: str, problem: str, mend: str) -> NoReturn:
    raise UserError(place, problem, mend)
