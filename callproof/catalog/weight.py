"""How large a schema is, and how many schemas one value may have to be held against."""

from collections.abc import Iterator
from typing import Any

_SEVERAL = ("allOf", "anyOf", "oneOf")
_ONE = ("not", "if", "then", "else")
_NAMED = ("dependentSchemas", "dependencies")

MAX_NODES, MAX_DEPTH = 20_000, 256


def excess(schema: Any) -> str | None:
    """What is too much about the objects and lists of a schema; None if nothing is."""
    level, nodes = _inside([schema]), 0
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _inside(whole)]
        nodes += len(level)
        if not level:
            return None
        if nodes > MAX_NODES:
            return f"more than {MAX_NODES} objects and lists"
    return f"nested more than {MAX_DEPTH} deep"


def _inside(whole: Any) -> list[Any]:
    parts = whole.values() if isinstance(whole, dict) else whole
    return [part for part in parts if isinstance(part, dict | list)]


def beside(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas inside that apply to the same value; references are left to the caller."""
    for keyword in _SEVERAL:
        branches = schema.get(keyword)
        yield from branches if isinstance(branches, list) else ()
    yield from (schema[keyword] for keyword in _ONE if keyword in schema)
    for keyword in _NAMED:
        named = schema.get(keyword)
        yield from named.values() if isinstance(named, dict) else ()


class Weights:
    """Takes schemas by identity, each with those that apply to the same value.

    Two references to a schema count twice, since a value is held against it twice.
    """

    def __init__(self) -> None:
        self._beside: dict[int, list[int]] = {}

    def add(self, schema: dict[str, Any], targets: list[Any]) -> None:
        """Args: targets: what the references of the schema lead to."""
        self._beside[id(schema)] = [id(part) for part in (*beside(schema), *targets)]

    def heaviest(self) -> int | None:
        """The greatest weight of a schema, itself counted; None where one comes back to itself, so that it has none."""
        weights: dict[int, int] = {}
        for root in self._beside:
            pending, open_ = [root], set[int]()
            while pending:
                schema = pending[-1]
                parts = self._beside.get(schema, [])
                missing = [part for part in parts if part not in weights] if schema not in weights else []
                if not missing:
                    weights.setdefault(schema, 1 + sum(weights[part] for part in parts))
                    open_.discard(pending.pop())
                elif schema in open_:
                    return None
                else:
                    open_.add(schema)
                    pending += missing
        return max(weights.values(), default=1)
