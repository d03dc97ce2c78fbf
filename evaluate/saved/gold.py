"""The lint of gold, before anything is scored against it: a turn's own catalog must accept each of its gold calls."""

from collections.abc import Iterator
from typing import Literal

from callproof.calls import ToolCall
from callproof.catalog import Catalog
from callproof.turns import GoldCall, Turn

BadGold = Literal["refuse", "drop", "keep"]
BAD_GOLD = "bad_gold"
"""An importer's tag on turns whose gold is wrong: it has listed the problems and kept the turn."""


def gold_problems(turn: Turn, catalog: Catalog) -> list[str]:
    """Why the turn's own catalog refuses its gold calls, with any of their accepted values; no reason twice."""
    return list(
        dict.fromkeys(f"{call.name}: {problem}" for call in turn.gold for problem in _call_problems(call, catalog))
    )


def unjudged_gold(turn: Turn, catalog: Catalog) -> list[str]:
    """Which gold calls the turn's own catalog cannot judge, and why."""
    validities = ((call.name, catalog.validity(call)) for call in turn.gold)
    lines = (f"{name}: not checked: {validity.unjudged}" for name, validity in validities if validity.unjudged)
    return list(dict.fromkeys(lines))


def _call_problems(call: GoldCall, catalog: Catalog) -> Iterator[str]:
    """The problems of the call, then the further problems that its `any_of` values cause."""
    known = catalog.problems(call)
    yield from known
    for name, values in call.any_of.items():
        for value in values:
            other = ToolCall(name=call.name, arguments={**call.arguments, name: value})
            yield from (problem for problem in catalog.problems(other) if problem not in known)
