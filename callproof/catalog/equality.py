"""When two argument values are equal, as the schema of the field says.

Strict by default: `1 == 1.0`; a boolean is never a number; `"5" != 5`; strings are compared after NFC; lists in order;
objects without regard to key order; an omitted property equals the schema's `default`, on either side and at every
level; `null` is not omitted. A field's schema may declare otherwise:

- `"x-unordered": true`: the order of the list does not count, repetitions do.
- `"x-null-omitted": true`: `null` is the same as leaving the property out.
- `"x-match": {"case": false}`: case does not count; `{"whitespace": false}`: runs of white space are one blank, and
  none count at the ends; `{"tolerance": 0.5}`: numbers are equal up to this absolute difference, itself included, all
  three taken as they are written in decimals; `{"instant": true}`, beside the format `date-time` or `time`: texts that
  mean the same instant are equal, as 14:30 and 14:30:00, or 10:00:00Z and 12:00:00+02:00.
- `"x-match": "ignore"`, or `{"ignore": true}`: the value does not count, nor whether there is one.

Values that are equal only by `x-match` are `RELAXED`, and reported apart.
"""

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeGuard

from referencing.exceptions import Unresolvable

from .assignment import assign
from .decimals import decimal
from .formats import instant

DIFFERENT, RELAXED, EQUAL = 0, 1, 2
MAX_PARTS = 500

_Part = tuple[dict[str, Any], Any]
"""A schema that applies to a value, and the resolver of its references."""
_Parts = list[_Part]
OMITTED: Any = type("Omitted", (), {"__repr__": lambda _: "nothing"})()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where values differ; `path` is like `address.lines[0]`, and `OMITTED` stands for no value."""

    path: str
    kind: Literal["missing", "unexpected", "value"]
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.path}: expected {shown(self.expected)}, got {shown(self.got)}"


class Shape:
    """What comparing needs to know of a schema: declarations and sub-shapes, worked out when they are first needed.

    Local `$ref` and `allOf` are followed. Of `anyOf` and `oneOf`, a branch is followed where only one describes an
    object or a list (the form of "an object or null"), or where the constants of only one (`"kind": {"const": "car"}`)
    agree with the values that are compared. Elsewhere the alternatives would contradict one another, and comparison is
    strict; so it is beyond the first `MAX_PARTS` schemas that apply to one value.
    """

    def __init__(self, schema: Any, resolver: Any) -> None:
        self._parts = list(_parts(schema, resolver))
        self._properties: dict[str, Shape] = {}
        self._items: dict[int, Shape] = {}

    @cached_property
    def default(self) -> Any:
        return self._declared("default", OMITTED)

    @cached_property
    def unordered(self) -> bool:
        return self._declared("x-unordered", False) is True

    @cached_property
    def null_omitted(self) -> bool:
        return self._declared("x-null-omitted", False) is True

    @cached_property
    def relaxation(self) -> Mapping[str, Any]:
        declared = self._declared("x-match", {})
        return declared if isinstance(declared, dict) else {}

    @cached_property
    def ignored(self) -> bool:
        return self._declared("x-match", None) == "ignore" or self.relaxation.get("ignore") is True

    @cached_property
    def format(self) -> str:
        return str(self._declared("format", ""))

    def property(self, name: str) -> "Shape":
        if name not in self._properties:
            declared = any(name in _mapping(schema, "properties") for schema, _ in self._parts)
            if not declared:
                return self._additional
            self._properties[name] = self._sub("properties", name)
        return self._properties[name]

    def item(self, index: int) -> "Shape":
        """The shape of a list's item: by its place as far as the schema names places, then that of all others."""
        key = index if index < self._places else -1
        if key not in self._items:
            shape = Shape(True, None)
            for schema, resolver in self._parts:
                shape._parts += _parts(_item(schema, index), resolver)
            self._items[key] = shape
        return self._items[key]

    @cached_property
    def _places(self) -> int:
        return max((len(_placed(schema)[0]) for schema, _ in self._parts), default=0)

    def narrowed(self, *objects: Mapping[str, Any]) -> "Shape":
        """The shape with the one branch of each alternative whose constants agree with all the objects."""
        if not self._alternatives:
            return self
        parts = list(self._parts)
        for branches in self._alternatives:
            fitting = [branch for branch, constants in branches if all(_agrees(constants, one) for one in objects)]
            if len(fitting) == 1:
                parts += fitting[0]
        if len(parts) == len(self._parts):
            return self
        shape = Shape(True, None)
        shape._parts = parts
        return shape

    @cached_property
    def _alternatives(self) -> "list[list[tuple[_Parts, dict[str, Any]]]]":
        """Of each `anyOf` and `oneOf` with several branches of objects, the branches and their constants by name."""
        several: list[list[tuple[_Parts, dict[str, Any]]]] = []
        for schema, resolver in self._parts:
            for keyword in ("anyOf", "oneOf"):
                branches = [list(_parts(branch, resolver)) for branch in schema.get(keyword) or ()]
                nested = [branch for branch in branches if any(_nests(part) for part, _ in branch)]
                if len(nested) > 1:
                    several.append([(branch, dict(_constants(branch))) for branch in nested])
        return several

    @cached_property
    def _additional(self) -> "Shape":
        return self._sub("additionalProperties", None)

    def _declared(self, keyword: str, otherwise: Any) -> Any:
        return next((schema[keyword] for schema, _ in self._parts if keyword in schema), otherwise)

    def _sub(self, keyword: str, name: str | None = None) -> "Shape":
        shape = Shape(True, None)
        for schema, resolver in self._parts:
            inner = schema.get(keyword) if name is None else _mapping(schema, keyword).get(name)
            shape._parts += _parts(inner, resolver)
        return shape


def _mapping(schema: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    value = schema.get(keyword)
    return value if isinstance(value, dict) else {}


def _placed(schema: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The schemas of a list's first items, and that of the others; drafts before 2020-12 write the first as `items`."""
    items = schema.get("items")
    if isinstance(items, list):
        return items, schema.get("additionalItems")
    first = schema.get("prefixItems")
    return first if isinstance(first, list) else [], items


def _item(schema: Mapping[str, Any], index: int) -> Any:
    first, others = _placed(schema)
    return first[index] if index < len(first) else others


def _parts(schema: Any, resolver: Any) -> Iterator[_Part]:
    """A schema and those that apply beside it, each with the resolver of its references; the first `MAX_PARTS`."""
    return _follow(schema, resolver, set(), iter(range(MAX_PARTS)))


def _follow(schema: Any, resolver: Any, seen: set[int], room: Iterator[int]) -> Iterator[_Part]:
    if not isinstance(schema, dict) or id(schema) in seen or next(room, None) is None:
        return
    seen.add(id(schema))
    yield schema, resolver
    if isinstance(reference := schema.get("$ref"), str) and resolver is not None:
        try:
            target = resolver.lookup(reference)
            yield from _follow(target.contents, target.resolver, seen, room)
        except Unresolvable:
            pass  # the catalog reports it
    for branch in schema.get("allOf") or ():
        yield from _follow(branch, resolver, seen, room)
    for keyword in ("anyOf", "oneOf"):
        branches = [list(_follow(branch, resolver, set(seen), room)) for branch in schema.get(keyword) or ()]
        nested = [parts for parts in branches if any(_nests(part) for part, _ in parts)]
        if len(nested) == 1:
            yield from nested[0]


def _constants(parts: _Parts) -> Iterator[tuple[str, Any]]:
    """The properties that a schema allows only one value, by `const` or an `enum` of one."""
    for schema, resolver in parts:
        for name, inner in _mapping(schema, "properties").items():
            for part, _ in _parts(inner, resolver):
                if "const" in part:
                    yield name, part["const"]
                elif isinstance(part.get("enum"), list) and len(part["enum"]) == 1:
                    yield name, part["enum"][0]


def _agrees(constants: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    return all(name not in value or value[name] == constant for name, constant in constants.items())


def _nests(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in ("object", "array") or "properties" in schema or "items" in schema


def compare(expected: Any, got: Any, shape: Shape) -> int:
    """`EQUAL`, `RELAXED` or `DIFFERENT`."""
    if shape.ignored:
        return EQUAL
    if isinstance(expected, str) and isinstance(got, str):
        return _compare_text(expected, got, shape)
    if isinstance(expected, dict) and isinstance(got, dict):
        return _compare_objects(expected, got, shape)
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return _compare_lists(expected, got, shape)
    if is_number(expected) and is_number(got):
        return _compare_numbers(expected, got, shape)
    return EQUAL if expected is got else DIFFERENT


def effective(value: Any, shape: Shape) -> Any:
    """What a property's value means: its default if it is left out."""
    if value is OMITTED or (value is None and shape.null_omitted):
        return shape.default
    return value


def shown(value: Any) -> str:
    """A value for people, shortened."""
    if value is OMITTED:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."


def differences(expected: Any, got: Any, shape: Shape, path: str = "") -> Iterator[Difference]:
    """Where two different values differ, at the deepest level that can be named."""
    if isinstance(expected, dict) and isinstance(got, dict):
        shape = shape.narrowed(expected, got)
        for name in _names(expected, got):
            inner = shape.property(name)
            here = f"{path}.{name}" if path else name
            yield from differing(expected.get(name, OMITTED), got.get(name, OMITTED), inner, here)
    elif isinstance(expected, list | tuple) and isinstance(got, list | tuple) and _aligned(expected, got, shape):
        for index, (left, right) in enumerate(zip(expected, got, strict=True)):
            yield from differing(left, right, shape.item(index), f"{path}[{index}]")
    else:
        yield Difference(path, "value", expected, got)


def differing(expected: Any, got: Any, shape: Shape, path: str) -> Iterator[Difference]:
    """The differences of two property values, either of which may be `OMITTED`; none if they are equal."""
    expected, got = effective(expected, shape), effective(got, shape)
    if compare(expected, got, shape) != DIFFERENT:
        return
    if expected is OMITTED or got is OMITTED:
        yield Difference(path, "unexpected" if expected is OMITTED else "missing", expected, got)
    else:
        yield from differences(expected, got, shape, path)


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(expected: Mapping[str, Any], got: Mapping[str, Any]) -> dict[str, None]:
    return dict.fromkeys((*expected, *got))


def _aligned(expected: Any, got: Any, shape: Shape) -> bool:
    return len(expected) == len(got) and not shape.unordered


def _compare_text(expected: str, got: str, shape: Shape) -> int:
    if expected == got:
        return EQUAL
    if not (expected.isascii() and got.isascii()):
        expected, got = unicodedata.normalize("NFC", expected), unicodedata.normalize("NFC", got)
        if expected == got:
            return EQUAL
    if not shape.relaxation:
        return DIFFERENT
    same = _relaxed(expected, shape) == _relaxed(got, shape) or _same_instant(expected, got, shape)
    return RELAXED if same else DIFFERENT


def _same_instant(expected: str, got: str, shape: Shape) -> bool:
    if shape.relaxation.get("instant") is not True:
        return False
    moment = instant(expected, shape.format)
    return moment is not None and moment == instant(got, shape.format)


def _relaxed(text: str, shape: Shape) -> str:
    if shape.relaxation.get("whitespace") is False:
        text = " ".join(text.split())
    return unicodedata.normalize("NFC", text.casefold()) if shape.relaxation.get("case") is False else text


def _compare_numbers(expected: float, got: float, shape: Shape) -> int:
    if expected == got:
        return EQUAL
    tolerance = shape.relaxation.get("tolerance")
    if not tolerance or not all(isinstance(number, int) or math.isfinite(number) for number in (expected, got)):
        return DIFFERENT
    return RELAXED if abs(decimal(expected) - decimal(got)) <= decimal(tolerance) else DIFFERENT


def _compare_objects(expected: dict[str, Any], got: dict[str, Any], shape: Shape) -> int:
    verdict, shape = EQUAL, shape.narrowed(expected, got)
    for name in _names(expected, got):
        inner = shape.property(name)
        left, right = expected.get(name, OMITTED), got.get(name, OMITTED)
        verdict = min(verdict, compare(effective(left, inner), effective(right, inner), inner))
        if verdict == DIFFERENT:
            break
    return verdict


def _compare_lists(expected: Any, got: Any, shape: Shape) -> int:
    if len(expected) != len(got):
        return DIFFERENT
    if shape.unordered:
        return _compare_unordered(expected, got, shape.item(0))
    verdict = EQUAL
    for index, (left, right) in enumerate(zip(expected, got, strict=True)):
        verdict = min(verdict, compare(left, right, shape.item(index)))
        if verdict == DIFFERENT:
            break
    return verdict


def _compare_unordered(expected: Any, got: Any, shape: Shape) -> int:
    """Whether the lists can be paired off: with strictly equal items alone, else with relaxed ones."""
    rest = list(got)
    for left in expected:
        place = next((index for index, right in enumerate(rest) if compare(left, right, shape) == EQUAL), None)
        if place is None:
            break
        del rest[place]
    if not rest:
        return EQUAL
    fits = [[int(compare(left, right, shape) != DIFFERENT) for right in got] for left in expected]
    if not all(any(row) for row in fits):
        return DIFFERENT
    return RELAXED if all(fits[row][column] for row, column in assign(fits)) else DIFFERENT
