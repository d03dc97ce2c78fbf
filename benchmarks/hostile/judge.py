"""Judging: verdicts beside those of plain jsonschema, and schemas that are none."""

from random import Random
from typing import Any

from jsonschema.validators import validator_for

from callproof.calls import ToolCall, writable_value
from callproof.catalog import BadCatalog, Catalog, usable_catalog

from .trial import Trial, json_value, spoiled_value

DRAFTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-04/schema#",
)
TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
KEYS = ("a", "b", "c", "aa")
BUDGET_S = 10.0
"""Of one judging, as `evaluate` has it."""
VALUES = 6
"""For each schema."""
UNSUPPORTED = "`patternProperties` with `unevaluatedProperties` is not supported"


def trial(rng: Random) -> Trial:
    """One schema, and some values."""
    done, draft = Trial(), rng.choice((None, *DRAFTS))
    schema = _document(rng, draft)
    spoiled = rng.random() < 0.25
    if spoiled:
        schema = spoiled_value(rng, schema, _any_schema)
        schema = schema if isinstance(schema, dict) else {"properties": {"a": schema}}
    catalog = done.run(schema, lambda: _catalog(schema), BadCatalog)
    if catalog is None:
        return done
    if catalog.unusable:
        done.counts["unusable"] += 1
        done.expect(
            spoiled or UNSUPPORTED in catalog.unusable["f"],
            f"a sound schema is refused ({catalog.unusable['f']})",
            schema,
        )
        return done
    for _ in range(VALUES):
        _compare(done, catalog, schema, _object(rng))
    return done


def _catalog(schema: Any) -> Catalog:
    return usable_catalog([{"type": "function", "function": {"name": "f", "parameters": schema}}])


def _compare(done: Trial, catalog: Catalog, schema: Any, value: dict[str, Any]) -> None:
    shown = (schema, value)
    validity = done.run(shown, lambda: catalog.validity(ToolCall(name="f", arguments=value)), budget_s=BUDGET_S)
    if validity is None:
        return
    if validity.unjudged:
        done.counts["unjudged"] += 1
        return
    plain = _plain(schema, value)
    if plain is None:
        done.counts["plain jsonschema fails"] += 1
        return
    done.counts["valid" if plain else "invalid"] += 1
    done.expect(plain == (not validity.problems), f"jsonschema says {plain}, not {validity.problems}", shown)


def _plain(schema: Any, value: Any) -> bool | None:
    """jsonschema's own verdict; None where it has none."""
    try:
        return validator_for(schema)(schema).is_valid(value)
    except Exception:  # it raises anything on what is no schema
        return None


def _object(rng: Random) -> dict[str, Any]:
    return writable_value({key: _value(rng, 3) for key in KEYS if rng.random() < 0.6})


def _value(rng: Random, depth: int = 2) -> Any:
    """Small values, so that a schema accepts some of them."""
    kind = rng.randrange(9 if depth else 7)
    if kind < 7:
        return rng.choice(("", "a", "ab", "1", 0, 1, 1.0, 2, -3, 2.5, True, False, None, 10**20))
    if kind < 8:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {key: _value(rng, depth - 1) for key in KEYS if rng.random() < 0.4}


def _any_schema(rng: Random) -> Any:
    return rng.choice((_schema(rng, 1), json_value(rng, 2), {"$ref": "#"}, "#/$defs/none", [], -1))


def _document(rng: Random, draft: str | None) -> dict[str, Any]:
    schema = _schema(rng, 3)
    schema = schema if isinstance(schema, dict) else {}
    schema["properties"] = {key: _schema(rng, 2) for key in KEYS if rng.random() < 0.7}
    if draft:
        schema["$schema"] = draft
    if rng.random() < 0.3:
        schema["$defs"] = schema["definitions"] = {"d": _schema(rng, 2)}
        schema["properties"]["a"] = {"$ref": rng.choice(("#/$defs/d", "#/definitions/d"))}
    if rng.random() < 0.05:
        schema["properties"]["b"] = {"$ref": "#"}
    return schema


def _schema(rng: Random, depth: int) -> Any:
    """A schema that every draft takes."""
    if rng.random() < 0.5 or not depth:
        return {"type": rng.choice((*TYPES, ["string", "null"], ["integer", "array"]))}
    keywords = rng.sample(list(_KEYWORDS), rng.randrange(1, 4))
    return {keyword: _KEYWORDS[keyword](rng, depth - 1) for keyword in keywords}


def _schemas(rng: Random, depth: int) -> list[Any]:
    return [_schema(rng, depth) for _ in range(rng.randrange(1, 4))]


def _named(rng: Random, depth: int) -> dict[str, Any]:
    return {key: _schema(rng, depth) for key in KEYS if rng.random() < 0.5}


def _small(rng: Random, _: int) -> int:
    return rng.randrange(4)


def _names(rng: Random, _: int) -> list[str]:
    return [key for key in KEYS if rng.random() < 0.3] or ["a"]


def _unlike(rng: Random, _: int) -> list[Any]:
    """Values of an enumeration, no two of which any draft holds equal."""
    return rng.sample(["", "a", "ab", 1, 2.5, None, [1, "a"], {"a": 1}, [], {}], rng.randrange(1, 5))


_KEYWORDS: dict[str, Any] = {
    "type": lambda rng, _: rng.choice(TYPES),
    "enum": _unlike,
    "const": lambda rng, _: _value(rng),
    "properties": _named,
    "required": _names,
    "additionalProperties": lambda rng, depth: rng.choice((True, False, _schema(rng, depth))),
    "patternProperties": lambda rng, depth: {rng.choice(("^a", "b$", ".", "^a+$", "[bc]")): _schema(rng, depth)},
    "pattern": lambda rng, _: rng.choice(("^a", "^[0-9]+$", "b", "^$")),
    "propertyNames": lambda *_: {"maxLength": 1},
    "items": _schema,
    "prefixItems": _schemas,
    "contains": _schema,
    "minContains": _small,
    "maxContains": _small,
    "uniqueItems": lambda rng, _: rng.random() < 0.7,
    "minItems": _small,
    "maxItems": _small,
    "minProperties": _small,
    "maxProperties": _small,
    "minLength": _small,
    "maxLength": _small,
    "minimum": _small,
    "maximum": _small,
    "multipleOf": lambda rng, _: rng.choice((1, 2, 0.5)),
    "allOf": _schemas,
    "anyOf": _schemas,
    "oneOf": _schemas,
    "not": _schema,
    "if": _schema,
    "then": _schema,
    "else": _schema,
    "dependentRequired": lambda rng, depth: {rng.choice(KEYS): _names(rng, depth)},
    "dependentSchemas": _named,
    "unevaluatedProperties": lambda rng, depth: rng.choice((False, _schema(rng, depth))),
    "unevaluatedItems": lambda rng, depth: rng.choice((False, _schema(rng, depth))),
}
