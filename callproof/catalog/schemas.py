"""JSON Schemas, compiled into validators that are safe to use on what a model writes.

- Drafts 7 and 2020-12, by `$schema` (2020-12 where there is none).
- `$ref` inside the document only; nothing is ever fetched.
- Formats are asserted, the same ones whatever packages are installed: date, time and date-time (seconds and offset may
  be left out), email, ipv4, ipv6, uuid, uri. Other formats are annotations.
- Patterns are searched in bounded time (see callproof.catalog.patterns); one that gives up is a problem of the value.
- `x-unordered`, `x-null-omitted` and `x-match` (see callproof.catalog.equality) are checked for their form.
"""

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT7, DRAFT202012

from .patterns import BadPattern, TooCostly, check, search
from .plain_schemas import surely_a_schema, surely_valid


class BadSchema(ValueError):
    """A schema that cannot be used. `path` is the place in it, as `properties.age.type`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path, self.problem = path, problem


class CompiledSchema:
    """A schema with its validator, and the resolver of its references.

    Raises:
        BadSchema: no JSON Schema of a known draft, a dangling or remote `$ref`, or a pattern that cannot be searched.
    """

    def __init__(self, schema: Any) -> None:
        dialect = schema.get("$schema", _NEWEST) if isinstance(schema, dict) else _NEWEST
        known = _DIALECTS.get(dialect.rstrip("#")) if isinstance(dialect, str) else None
        if known is None:
            raise BadSchema("$schema", f"expected one of {', '.join(_DIALECTS)}, got {dialect!r}")
        if isinstance(schema, dict):  # jsonschema would go back to its own validators at each `$schema`
            schema = {key: value for key, value in schema.items() if key != "$schema"}
        self.schema = schema
        specification, base, validator = known
        if not surely_a_schema(schema):
            _check(schema, base)
        resource = Resource(contents=schema, specification=specification)
        self.resolver = Registry().resolver_with_root(resource)
        _lint(resource, self.resolver)
        self._validator: Validator = validator(schema, format_checker=_FORMATS, registry=Registry())

    def errors(self, value: Any) -> Iterator[ValidationError]:
        """What the schema refuses of a value."""
        return iter(()) if surely_valid(value, self.schema) else self._validator.iter_errors(value)


def _check(schema: Any, dialect: Any) -> None:
    try:
        dialect.check_schema(schema)
    except SchemaError as error:
        raise BadSchema(error.json_path.removeprefix("$").removeprefix("."), error.message) from None


def _lint(resource: Resource[Any], resolver: Any) -> None:
    """Refuse what a metaschema cannot: references that lead nowhere, patterns, and our own keywords."""
    schema = resource.contents
    if isinstance(schema, dict):
        for problem in _problems(schema, resolver):
            raise BadSchema("", problem)
    for sub in resource.subresources():
        _lint(sub, resolver.in_subresource(sub))


def _problems(schema: dict[str, Any], resolver: Any) -> Iterator[str]:
    if "$schema" in schema:
        yield "`$schema` below the top level is not supported"
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in schema:
            try:
                resolver.lookup(schema[keyword])
            except (Unresolvable, ValueError):
                yield f"{keyword} {schema[keyword]!r} leads nowhere in this document, and nothing is fetched"
    for pattern in (*([schema["pattern"]] if "pattern" in schema else ()), *schema.get("patternProperties", ())):
        try:
            check(pattern)
        except BadPattern as error:
            yield f"pattern {error}"
    if "patternProperties" in schema and "unevaluatedProperties" in schema:
        yield "`patternProperties` beside `unevaluatedProperties` is not supported"
    yield from _own_problems(schema)


def _own_problems(schema: dict[str, Any]) -> Iterator[str]:
    for keyword in ("x-unordered", "x-null-omitted"):
        if not isinstance(schema.get(keyword, True), bool):
            yield f"`{keyword}` is true or false, got {schema[keyword]!r}"
    relaxation = schema.get("x-match", {})
    if not isinstance(relaxation, dict):
        yield f"`x-match` is an object, got {relaxation!r}"
        return
    for key, value in relaxation.items():
        if key in ("case", "whitespace"):
            good = isinstance(value, bool)
        else:
            good = key == "tolerance" and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if not good:
            yield f"`x-match` takes case and whitespace (booleans) and tolerance (a number), got {key}: {value!r}"


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string"):
        yield from _searched(pattern, instance, f"{instance!r} does not match {pattern!r}")


def _searched(pattern: str, text: str, message: str) -> Iterator[ValidationError]:
    try:
        if not search(pattern, text):
            yield ValidationError(message)
    except TooCostly as error:
        yield ValidationError(f"{pattern!r}: {error}")


def _found(pattern: str, name: str) -> bool:
    """Whether a property's name matches; a search that gives up counts as no match."""
    try:
        return search(pattern, name)
    except TooCostly:
        return False


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "object"):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if _found(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, additional: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    declared, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extras = [name for name in instance if name not in declared and not any(_found(p, name) for p in patterns)]
    if additional is False and extras:
        yield ValidationError(f"Additional properties are not allowed ({', '.join(map(repr, extras[:5]))})")
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
    """In linear time, where jsonschema compares all pairs."""
    if unique and validator.is_type(instance, "array") and len(set(map(_hashable, instance))) < len(instance):
        yield ValidationError("has non-unique elements")


def _hashable(value: Any) -> Any:
    """Equal for values that JSON Schema holds equal: 1 is 1.0, and no boolean is a number."""
    if isinstance(value, dict):
        return "object", frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_hashable, value))
    return isinstance(value, bool), value


_KEYWORDS: dict[str, Any] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}
_NEWEST = "https://json-schema.org/draft/2020-12/schema"
_DIALECTS: dict[str, tuple[Any, Any, Any]] = {
    _NEWEST: (DRAFT202012, Draft202012Validator, extend(Draft202012Validator, _KEYWORDS)),
    "http://json-schema.org/draft-07/schema": (DRAFT7, Draft7Validator, extend(Draft7Validator, _KEYWORDS)),
}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"(\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?([zZ]|[+-]\d{2}:\d{2})?", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\\^`{|}<>\"]+")


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text) and datetime.date.fromisoformat(text))


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if not found:
        return False
    hour_minute, second, offset = found.groups()
    datetime.time.fromisoformat(hour_minute)
    datetime.time.fromisoformat(offset[1:] if offset and len(offset) > 1 else "00:00")
    return second is None or int(second) <= 60


def _is_date_time(text: str) -> bool:
    return text[10:11] in ("T", "t", " ") and _is_date(text[:10]) and _is_time(text[11:])


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not any(char.isspace() for char in text)


_CHECKS: dict[str, Callable[[str], object]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "email": _is_email,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "uuid": lambda text: len(text) == 36 and bool(uuid.UUID(text)),
    "uri": _SCHEME.fullmatch,
}


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, accepts in _CHECKS.items():
        checker.checks(name, raises=ValueError)(_on_text(accepts))
    return checker


def _on_text(accepts: Callable[[str], object]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or bool(accepts(value))


_FORMATS = _format_checker()
