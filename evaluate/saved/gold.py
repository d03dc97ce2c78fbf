"""The lint of a turn's gold: its own catalog must accept each call that is right, see `callproof.turns.lint_call`."""

from typing import Literal

from callproof.catalog import Catalog
from callproof.turns import GoldCall, GoldLint, Turn, lint_call

BadGold = Literal["refuse", "drop", "keep"]
BAD_GOLD = "bad_gold"
"""An importer's tag on turns whose gold is wrong: it has listed the problems and kept the turn."""


def lint_gold(turn: Turn, catalog: Catalog) -> GoldLint:
    """Why the turn's own catalog refuses its gold calls and the alternatives to them, and which it cannot judge.

    No line stands there twice.
    """
    problems, unjudged = dict[str, None](), dict[str, None]()
    for number, answer in enumerate(turn.answers):
        of = f"alternative {number}: " if number else ""
        for call in answer:
            lint = lint_call(call, _without_ignored(call, catalog))
            problems |= dict.fromkeys(f"{of}{call.name}: {problem}" for problem in lint.problems)
            unjudged |= dict.fromkeys(f"{of}{call.name}: not checked: {reason}" for reason in lint.unjudged)
    return GoldLint(list(problems), list(unjudged))


def _without_ignored(call: GoldCall, catalog: Catalog) -> Catalog:
    """The tool of a call as it is, or without the need of arguments that are not compared and not given."""
    schema = catalog.parameters.get(call.name) or {}
    required, not_given = schema.get("required"), set(call.ignore) - call.arguments.keys()
    if not isinstance(required, list) or not not_given.intersection(required):
        return catalog
    parameters = {**schema, "required": [name for name in required if name not in not_given]}
    return Catalog.from_wire([{"type": "function", "function": {"name": call.name, "parameters": parameters}}])
