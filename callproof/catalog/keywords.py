"""JSON Schema's keywords as they are judged here, where jsonschema judges them otherwise or without bound.

- `pattern` and the other keywords of patterns mean ECMA-262's (see callproof.catalog.patterns).
- `multipleOf` counts in decimals: 19.99 is a multiple of 0.01, although no such floats divide.
- `uniqueItems`, `enum` and `const` compare in linear time, and never take a boolean for a number.
- `nullable: true`, OpenAPI's word, makes null valid whatever stands beside it.

Judging is bounded by steps, and what cannot be judged is never taken for a verdict: a search that was given up is an
`OpenQuestion`, asked again with either answer (see callproof.catalog.schemas).
"""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing.jsonschema import DRAFT4, DRAFT6, DRAFT7, DRAFT201909, DRAFT202012

from .decimals import decimal
from .patterns import BadPattern, TooCostly, search
from .plain_schemas import surely_valid

MAX_STEPS = 100_000
_SHOWN = 20

Question = tuple[str, str]
"""A pattern, and the text that it was searched in."""


class Unjudged(Exception):
    """Whether a value is valid cannot be told, and why."""


class OpenQuestion(Exception):
    """A search that cannot be answered, and why."""

    def __init__(self, question: Question, reason: str) -> None:
        super().__init__(reason)
        self.question = question


class Trial:
    """One judging of a value: the answers that it assumes to open questions, and the steps that are left."""

    def __init__(self, assumed: Mapping[Question, bool]) -> None:
        self.assumed = assumed
        self._left = MAX_STEPS
        self._members: dict[int, frozenset[Any]] = {}

    def step(self) -> None:
        """Raise Unjudged after `MAX_STEPS`."""
        self._left -= 1
        if self._left < 0:
            raise Unjudged(f"gave up after {MAX_STEPS} steps through the schema")

    def members(self, values: list[Any]) -> frozenset[Any]:
        """The values of an `enum`, made comparable once."""
        if id(values) not in self._members:
            self._members[id(values)] = frozenset(map(comparable, values))
        return self._members[id(values)]


TRIAL: ContextVar[Trial] = ContextVar("trial")


def comparable(value: Any) -> Any:
    """Hashable, and equal for values that JSON Schema holds equal: 1 is 1.0, and no boolean is a number."""
    if isinstance(value, dict):
        return "object", frozenset((key, comparable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(map(comparable, value))
    return isinstance(value, bool), value


def _matches(pattern: str, text: str) -> bool:
    assumed = TRIAL.get().assumed
    if (pattern, text) in assumed:
        return assumed[pattern, text]
    try:
        return search(pattern, text)
    except (TooCostly, BadPattern) as error:
        raise OpenQuestion((pattern, text), str(error)) from None


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not _matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, additional: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [name for name in instance if name not in declared and not any(_matches(p, name) for p in patterns)]
    if additional is False and extras:
        yield ValidationError(f"Additional properties are not allowed ({', '.join(map(repr, extras[:_SHOWN]))})")
    elif additional is not False:
        for name in extras:
            yield from validator.descend(instance[name], additional, path=name)


def _properties(validator: Any, properties: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    """Only what is not surely right is worth a validator of its own: most arguments are, and most are plain."""
    if validator.is_type(instance, "object"):
        for name, subschema in properties.items():
            if name in instance and not surely_valid(instance[name], subschema):
                yield from validator.descend(instance[name], subschema, path=name, schema_path=name)


def _unique_items(validator: Any, unique: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if unique and validator.is_type(instance, "array") and len(set(map(comparable, instance))) < len(instance):
        yield ValidationError("has non-unique elements")


def _enum(_: Any, values: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if comparable(instance) not in TRIAL.get().members(values):
        more = ", ..." if len(values) > _SHOWN else ""
        yield ValidationError(f"{instance!r} is not one of {', '.join(map(repr, values[:_SHOWN]))}{more}")


def _const(_: Any, value: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if comparable(instance) != comparable(value):
        yield ValidationError(f"{value!r} was expected")


def _multiple_of(validator: Any, factor: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "number") and (decimal(instance) / decimal(factor)).denominator != 1:
        yield ValidationError(f"{instance!r} is not a multiple of {factor!r}")


_KEYWORDS: dict[str, Any] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "enum": _enum,
    "const": _const,
    "multipleOf": _multiple_of,
}


def _validator(base: Any) -> Any:
    """A draft's validator with the keywords above, which goes through a schema in counted steps.

    It stays what it is at each `$schema` further down, where jsonschema's own would go back to another draft.
    """
    known = {name: keyword for name, keyword in _KEYWORDS.items() if name in base.VALIDATORS}
    validator: Any = extend(base, known)
    descend, iter_errors = validator.descend, validator.iter_errors

    def evolve(self: Any, schema: Any, _resolver: Any = None) -> Any:
        TRIAL.get().step()
        return validator(schema, format_checker=self.format_checker, _resolver=_resolver or self._resolver)

    def descend_to(self: Any, instance: Any, schema: Any, *place: Any, **places: Any) -> Iterator[ValidationError]:
        return iter(()) if _is_allowed_null(instance, schema) else descend(self, instance, schema, *place, **places)

    def errors(self: Any, instance: Any) -> Iterator[ValidationError]:
        return iter(()) if _is_allowed_null(instance, self.schema) else iter_errors(self, instance)

    validator.evolve, validator.descend, validator.iter_errors = evolve, descend_to, errors
    return validator


def _is_allowed_null(instance: Any, schema: Any) -> bool:
    return instance is None and isinstance(schema, dict) and schema.get("nullable") is True


NEWEST = "https://json-schema.org/draft/2020-12/schema"
DIALECTS: dict[str, tuple[Any, Any, Any]] = {
    dialect: (specification, base, _validator(base))
    for dialect, specification, base in (
        (NEWEST, DRAFT202012, Draft202012Validator),
        ("https://json-schema.org/draft/2019-09/schema", DRAFT201909, Draft201909Validator),
        ("http://json-schema.org/draft-07/schema", DRAFT7, Draft7Validator),
        ("http://json-schema.org/draft-06/schema", DRAFT6, Draft6Validator),
        ("http://json-schema.org/draft-04/schema", DRAFT4, Draft4Validator),
    )
}
"""By `$schema`: how references are found, the draft's own validator, and ours."""
