"""The lint of gold, before anything is scored against it: a turn's own catalog must accept each of its gold calls."""

from collections.abc import Iterator
from typing import Literal

from callproof.calls import ToolCall
from callproof.catalog import Catalog
from callproof.turns import GoldCall, GoldLint, Turn

BadGold = Literal["refuse", "drop", "keep"]
BAD_GOLD = "bad_gold"
"""An importer's tag on turns whose gold is wrong: it has listed the problems and kept the turn."""


def lint_gold(turn: Turn, catalog: Catalog) -> GoldLint:
    """Why the turn's own catalog refuses its gold calls, with any of their accepted values, and which it cannot judge.

    No line stands there twice.
    """
    problems, unjudged = dict[str, None](), dict[str, None]()
    for call in turn.gold:
        validity = catalog.validity(call)
        problems |= dict.fromkeys(f"{call.name}: {problem}" for problem in validity.problems)
        problems |= dict.fromkeys(f"{call.name}: {problem}" for problem in _problems_of_others(call, catalog))
        if validity.unjudged:
            unjudged[f"{call.name}: not checked: {validity.unjudged}"] = None
    return GoldLint(list(problems), list(unjudged))


def _problems_of_others(call: GoldCall, catalog: Catalog) -> Iterator[str]:
    """The problems that the `any_of` values of a call cause."""
    for name, values in call.any_of.items():
        for value in values:
            yield from catalog.problems(ToolCall(name=call.name, arguments={**call.arguments, name: value}))
