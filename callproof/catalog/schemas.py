"""JSON Schemas, compiled into validators that are safe to use on what a model writes.

- Drafts 4, 6, 7, 2019-09 and 2020-12, by `$schema` (2020-12 where there is none), one in a document.
- `$ref` inside the document only; nothing is ever fetched. What a reference leads to is checked wherever it stands.
- Formats are asserted (see callproof.catalog.formats).
- Keywords that jsonschema judges otherwise, or without bound: see callproof.catalog.keywords.
- `x-unordered`, `x-null-omitted` and `x-match` (see callproof.catalog.equality) are checked for their form.

A value is valid, invalid, or unjudged, where a search or the walk through the schema was given up.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

from .formats import FORMATS
from .keywords import DIALECTS, MAX_STEPS, NEWEST, TRIAL, OpenQuestion, Question, Trial, Unjudged
from .patterns import BadPattern, check
from .plain_schemas import surely_a_schema, surely_valid
from .weight import Weights, excess

MAX_ERRORS = 20
_MAX_QUESTIONS = 4
_RECURSION = 4_000
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class BadSchema(ValueError):
    """A schema that cannot be used. `path` is the place in it, as `properties.age.type`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path, self.problem = path, problem


class Judgement(NamedTuple):
    """What a schema says of a value: its first errors, or why nobody can say; neither if it is valid."""

    errors: list[ValidationError]
    unjudged: str | None = None


class CompiledSchema:
    """A schema with its validator, and the resolver of its references.

    Raises:
        BadSchema: no JSON Schema of a known draft, a dangling or remote `$ref`, or a pattern that cannot be searched.
    """

    def __init__(self, schema: Any) -> None:
        with _deep(), _defects_as(BadSchema):
            self._compile(schema)

    def _compile(self, schema: Any) -> None:
        if problem := excess(schema):
            raise BadSchema("", problem)
        dialect = _dialect(schema)
        specification, base, validator = DIALECTS[dialect]
        if isinstance(schema, dict):
            schema = {key: value for key, value in schema.items() if key != "$schema"}
        self.schema = schema
        if not surely_a_schema(schema):
            _check(schema, base)
        resource = Resource(contents=schema, specification=specification)
        self.resolver = Registry().resolver_with_root(resource)
        _Lint(dialect).document(schema, self.resolver)
        self._validator: Validator = validator(schema, format_checker=FORMATS, registry=Registry())

    def surely_accepts(self, value: Any) -> bool:
        """Whether a quick look tells that a value is valid; where not, `judge` decides."""
        return surely_valid(value, self.schema)

    def judge(self, value: Any) -> Judgement:
        """What the schema says of a value. Never raises."""
        if self.surely_accepts(value):
            return Judgement([])
        try:
            with _deep(), _defects_as(Unjudged):
                return Judgement(min(self._trials(value, {}), key=len))
        except Unjudged as error:
            return Judgement([], str(error))

    def _trials(self, value: Any, assumed: Mapping[Question, bool]) -> list[list[ValidationError]]:
        """The errors for either answer to each question that cannot be answered; once, if there is none."""
        token = TRIAL.set(Trial(assumed))
        try:
            return [list(islice(self._validator.iter_errors(value), MAX_ERRORS))]
        except OpenQuestion as error:
            if len(assumed) == _MAX_QUESTIONS:
                raise Unjudged(str(error)) from None
            question, reason = error.question, str(error)
        finally:
            TRIAL.reset(token)
        trials = [*self._trials(value, {**assumed, question: True}), *self._trials(value, {**assumed, question: False})]
        if not assumed and len({bool(errors) for errors in trials}) > 1:
            raise Unjudged(reason)
        return trials


@contextmanager
def _deep() -> Iterator[None]:
    """Room for values and schemas nested as deep as an answer may be; jsonschema takes ten frames a level."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@contextmanager
def _defects_as(kind: "type[BadSchema] | type[Unjudged]") -> Iterator[None]:
    """What jsonschema and its Rust parts raise where nobody foresaw a schema or a value, panics included."""
    try:
        yield
    except (BadSchema, Unjudged, TimeoutError):  # the last is a deadline's
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        deep = isinstance(error, RecursionError)
        reason = "nested too deep" if deep else f"jsonschema fails with {type(error).__name__}: {str(error)[:200]}"
        raise (BadSchema("", reason) if kind is BadSchema else Unjudged(reason)) from None


def _dialect(schema: Any) -> str:
    written = schema.get("$schema", NEWEST) if isinstance(schema, dict) else NEWEST
    dialect = _known_dialect(written)
    if dialect is None:
        raise BadSchema("$schema", f"expected one of {', '.join(DIALECTS)}, got {written!r}")
    return dialect


def _known_dialect(written: Any) -> str | None:
    """The draft that `$schema` names, with `http` or `https` and with or without `#`."""
    name = written.rstrip("#").partition("://")[2] if isinstance(written, str) else None
    return next((dialect for dialect in DIALECTS if dialect.partition("://")[2] == name), None)


def _check(schema: Any, base: Any, reference: str = "") -> None:
    """Refuse what the draft's metaschema refuses, but for its formats: they hold patterns for Python's."""
    try:
        base.check_schema(schema, format_checker=None)
    except SchemaError as error:
        path = error.json_path.removeprefix("$").removeprefix(".")
        raise BadSchema(": ".join(filter(None, (reference, path))), _schema_problem(error)) from None


def _schema_problem(error: SchemaError) -> str:
    if error.absolute_path and error.absolute_path[-1] == "type":
        return f"expected a type of {', '.join(_TYPES)}, got {error.instance!r}"
    return error.message


_Target = tuple[str, Any, Any]
"""A reference, the schema that it leads to, and the resolver of that schema's own references."""


class _Lint:
    """Refuses what a metaschema cannot: references that lead nowhere, patterns, other drafts, and our own keywords."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._specification, self._base, _ = DIALECTS[dialect]
        self._seen: set[int] = set()
        self._keywords: set[str] = set()
        self._weights = Weights()

    def document(self, schema: Any, resolver: Any) -> None:
        """Go through all schemas of a document, then through what references reach elsewhere, as in `examples`.

        Raises:
            BadSchema: see above.
        """
        targets = self._tree(schema, resolver)
        while targets:
            reference, target, there = targets.pop()
            if id(target) not in self._seen:
                _check(target, self._base, reference)
                targets += self._tree(target, there)
        if self._keywords.issuperset({"patternProperties", "unevaluatedProperties"}):
            raise BadSchema("", "`patternProperties` with `unevaluatedProperties` is not supported")
        weight = self._weights.heaviest()
        if weight is None:
            raise BadSchema("", "a reference leads back to itself without going deeper into the value")
        if weight > MAX_STEPS:
            raise BadSchema("", f"one value is held against more than {MAX_STEPS} schemas")

    def _tree(self, root: Any, resolver: Any) -> list[_Target]:
        """Check a schema and those inside it; what their references lead to."""
        targets: list[_Target] = []
        pending = [(root, resolver)]
        while pending:
            schema, here = pending.pop()
            self._seen.add(id(schema))
            if isinstance(schema, dict):
                self._keywords |= schema.keys()
                for problem in self._problems(schema):
                    raise BadSchema("", problem)
                references = list(_targets(schema, here))
                self._weights.add(schema, [target for _, target, _ in references])
                targets += references
            for inner in self._specification.subresources_of(schema):
                resource = Resource(contents=inner, specification=self._specification)
                pending.append((inner, here.in_subresource(resource)))
        return targets

    def _problems(self, schema: dict[str, Any]) -> Iterator[str]:
        if "$schema" in schema and _known_dialect(schema["$schema"]) != self._dialect:
            yield f"`$schema` {schema['$schema']!r} inside a document of {self._dialect}"
        for pattern in (*([schema["pattern"]] if "pattern" in schema else ()), *schema.get("patternProperties", ())):
            try:
                check(pattern)
            except BadPattern as error:
                yield f"pattern {error}"
        yield from _own_problems(schema)


def _targets(schema: dict[str, Any], resolver: Any) -> Iterator[_Target]:
    for keyword in _REFERENCES:
        if keyword in schema:
            try:
                target = resolver.lookup(schema[keyword])
            except (Unresolvable, ValueError):
                problem = f"{keyword} {schema[keyword]!r} leads nowhere in this document, and nothing is fetched"
                raise BadSchema("", problem) from None
            yield schema[keyword], target.contents, target.resolver


def _own_problems(schema: dict[str, Any]) -> Iterator[str]:
    for keyword in ("x-unordered", "x-null-omitted"):
        if not isinstance(schema.get(keyword, True), bool):
            yield f"`{keyword}` is true or false, got {schema[keyword]!r}"
    if schema.get("x-match") != "ignore":
        yield from _problems_of_relaxation(schema.get("x-match", {}), schema.get("format"))


def _problems_of_relaxation(relaxation: Any, format: Any) -> Iterator[str]:
    if not isinstance(relaxation, dict):
        yield f"`x-match` is an object or 'ignore', got {relaxation!r}"
        return
    for key, value in relaxation.items():
        if key in ("case", "whitespace", "instant", "ignore"):
            good = isinstance(value, bool)
        else:
            good = key == "tolerance" and _is_tolerance(value)
        if not good:
            valid = "case, whitespace, instant and ignore (true or false) and tolerance"
            yield f"`x-match` takes {valid}, got {key}: {value!r}"
    if relaxation.get("instant") and format not in ("date-time", "time"):
        yield "`x-match` takes instant only beside a `format` of date-time or time"


def _is_tolerance(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and math.isfinite(value)
