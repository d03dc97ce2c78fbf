"""Argument confusion: which arguments of which tools a model gets wrong, how, and what it writes instead.

Calls are paired with gold calls as they were when they were judged. Of a pair, every argument that either side writes
out is compared; a wrong one has one kind, the first of `KINDS` that fits where it differs first:

- `missing`, `extra`: the model leaves out what gold has, or writes what gold has not.
- `wrong_type`: another JSON type than gold's.
- `not_in_enum`, `schema_invalid`: its schema refuses it, for its enumeration or for something else.
- `wrong_value`: a valid value, but not gold's.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Set
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from callproof.calls import ToolCall
from callproof.catalog import Catalog, Difference, is_number, shown
from callproof.scoring import DIFFERENCES, MatchProfile, Outcome, argument_names, pair_calls, proportion
from callproof.turns import GoldCall

MAX_ARGUMENTS = 200
_LONGEST_NAME = 80
Kind = Literal["missing", "extra", "wrong_type", "not_in_enum", "schema_invalid", "wrong_value"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Mistake(NamedTuple):
    """How an argument is wrong; equal mistakes are counted together, so long values are shortened."""

    kind: Kind
    path: str
    expected: str
    got: str


class Verdict(NamedTuple):
    """One argument of one call; `mistake` is None if it is right."""

    tool: str
    argument: str
    mistake: Mistake | None


class Place(NamedTuple):
    """A turn of the report: its number there, its catalog, and whether the order of calls counts."""

    number: int
    catalog: Catalog
    order: Literal["any", "strict"]


def verdicts(outcome: Outcome, place: Place, profile: MatchProfile) -> Iterator[Verdict]:
    """Every compared argument of an answer."""
    calls = [call for call in outcome.calls if isinstance(call, ToolCall)]
    catalog = place.catalog.unchecked("") if outcome.counts.unjudged else place.catalog
    for pair in pair_calls(calls, outcome.gold, place.catalog, place.order, profile).pairs:
        gold, call = outcome.gold[pair.gold], calls[pair.predicted]
        names = argument_names(gold, call, place.catalog)
        wrong = {} if pair.exact else _mistakes(gold, call, names, catalog, profile)
        for name in dict.fromkeys((*names, *wrong)):
            yield Verdict(gold.name, _short(name), wrong.get(name))


def _mistakes(
    gold: GoldCall, call: ToolCall, names: list[str], catalog: Catalog, profile: MatchProfile
) -> dict[str, Mistake]:
    refused, known = catalog.refusing_keywords(call), frozenset(names)
    mistakes: dict[str, Mistake] = {}
    for difference in DIFFERENCES[profile](gold, call, catalog):
        kind = _kind(difference, refused.get(difference.path))
        mistake = Mistake(kind, _short(difference.path), shown(difference.expected), shown(difference.got))
        mistakes.setdefault(_argument(difference.path, known), mistake)
    return mistakes


def _argument(path: str, names: Set[str]) -> str:
    """The argument that a path such as `lines[0].city` begins with."""
    ends = (len(path), *(match.start() for match in reversed(list(re.finditer(r"[.\[]", path)))))
    return next((path[:end] for end in ends if path[:end] in names), path)


def _kind(difference: Difference, refused_by: str | None) -> Kind:
    if difference.kind != "value":
        return "missing" if difference.kind == "missing" else "extra"
    if _json_type(difference.expected) != _json_type(difference.got):
        return "wrong_type"
    if refused_by is None:
        return "wrong_value"
    return "not_in_enum" if refused_by in ("enum", "const") else "schema_invalid"


def _json_type(value: Any) -> str:
    return "number" if is_number(value) else type(value).__name__


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


class _Argument:
    """The verdicts on one argument of one tool; every list is indexed by model."""

    def __init__(self, models: int) -> None:
        self.wrong: list[list[bool]] = [[] for _ in range(models)]
        self.sessions: list[list[str]] = [[] for _ in range(models)]
        self.mistakes: dict[Mistake, list[list[int]]] = defaultdict(lambda: [[] for _ in range(models)])

    @property
    def count(self) -> int:
        return sum(map(sum, self.wrong))

    def row(self) -> dict[str, Any]:
        mistakes = [{**key._asdict(), "turns": [sorted(turns) for turns in by]} for key, by in self.mistakes.items()]
        return {"rates": [self._rate(model) for model in range(len(self.wrong))], "mistakes": mistakes}

    def _rate(self, model: int) -> dict[str, Any] | None:
        """The share of wrong values, with its interval; None if no call of the model was compared in this argument."""
        if not self.wrong[model]:
            return None
        sessions = np.unique(self.sessions[model], return_inverse=True)[1]
        return proportion(np.array(self.wrong[model]), sessions).model_dump()


class Confusion:
    """Collects the argument mistakes of answers, added one at a time."""

    def __init__(self, models: int, profile: MatchProfile) -> None:
        self._profile: MatchProfile = profile
        self._arguments: dict[tuple[str, str], _Argument] = defaultdict(lambda: _Argument(models))

    def add(self, model: int, place: Place, outcome: Outcome) -> None:
        for tool, argument, mistake in verdicts(outcome, place, self._profile):
            counted = self._arguments[tool, argument]
            counted.wrong[model].append(mistake is not None)
            counted.sessions[model].append(outcome.session_id)
            if mistake:
                counted.mistakes[mistake][model].append(place.number)

    def table(self) -> dict[str, Any]:
        """A row for each argument that some model got wrong, the most frequent mistakes first.

        `rates` and `turns` are by model; `turns` are numbers of the report's turns, one for each wrong argument.
        `right` counts the arguments that nobody got wrong, `left_out` those beyond `MAX_ARGUMENTS`.
        """
        wrong = sorted(
            ((*key, counted) for key, counted in self._arguments.items() if counted.count),
            key=lambda row: -row[2].count,
        )
        rows = [
            {"tool": tool, "argument": argument, **counted.row()} for tool, argument, counted in wrong[:MAX_ARGUMENTS]
        ]
        return {
            "kinds": KINDS,
            "rows": rows,
            "right": len(self._arguments) - len(wrong),
            "left_out": len(wrong) - len(rows),
        }
