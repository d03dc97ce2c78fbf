"""The lint of a turn's gold: its own catalog must accept each call that is right, see `callproof.turns.lint_call`."""

from typing import Literal

from callproof.catalog import Catalog
from callproof.turns import GoldLint, Turn, lint_call

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
            lint = lint_call(call, catalog)
            problems |= dict.fromkeys(f"{of}{call.name}: {problem}" for problem in lint.problems)
            unjudged |= dict.fromkeys(f"{of}{call.name}: not checked: {reason}" for reason in lint.unjudged)
    return GoldLint(list(problems), list(unjudged))
