"""Predicted calls against gold calls.

The pairs are a one-to-one assignment: as many exact pairs as possible; of such assignments, as many pairs of one name
with a gold call that must be made, then with any; of these, as many equal arguments; of these, as few as possible that
only `x-match` makes equal. Duplicates count, so surplus is a false positive. With `order="strict"` pairs may not cross.

Where several answers are right, the best one is taken: one that matches in full; else that with the most exact pairs,
then pairs, then equal arguments, then fewest calls without a partner, then fewest matches that need `x-match`; of
equals, the first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from callproof.calls import ToolCall
from callproof.catalog import (
    DIFFERENT,
    EQUAL,
    OMITTED,
    RELAXED,
    Catalog,
    Difference,
    Shape,
    assign,
    compare,
    differing,
    effective,
)
from callproof.turns import GoldCall


@dataclass(frozen=True, slots=True)
class Pair:
    """A predicted and a gold call of one name, by their positions.

    An argument that either side writes out and that is equal counts for both sides and as matched, even if the other
    side left it to its default; one that differs counts for each side that writes it out. Ignored arguments do not
    count. `relaxed_args` of the matched ones are equal only as their schema's `x-match` allows.
    """

    gold: int
    predicted: int
    gold_args: int
    predicted_args: int
    matched_args: int
    relaxed_args: int
    exact: bool

    @property
    def relaxed(self) -> bool:
        return self.exact and self.relaxed_args > 0


@dataclass(frozen=True, slots=True)
class Matching:
    """`pairs` by gold position; `surplus` are the predicted, `missing` the gold positions that are in no pair.

    A gold call that need not be made is never missing.
    """

    pairs: tuple[Pair, ...]
    surplus: tuple[int, ...]
    missing: tuple[int, ...]

    @property
    def exact(self) -> bool:
        """Every call has its exact partner; true of no calls on either side."""
        return not self.surplus and not self.missing and all(pair.exact for pair in self.pairs)


def match(
    predicted: Sequence[ToolCall], gold: Sequence[GoldCall], catalog: Catalog, order: Literal["any", "strict"] = "any"
) -> Matching:
    """Pair predicted with gold calls; the catalog declares defaults and relaxations of the arguments."""
    table = {
        (row, column): _pair(row, wanted, column, call, catalog)
        for row, wanted in enumerate(gold)
        for column, call in enumerate(predicted)
        if call.name == wanted.name
    }
    optional = {row for row, wanted in enumerate(gold) if wanted.optional_call}
    weights = _weights(table, optional)
    pairing = _in_order(table, weights, len(gold), len(predicted)) if order == "strict" else _assigned(table, weights)
    pairs = sorted(pairing, key=lambda pair: pair.gold)
    paired_gold, paired_predicted = {pair.gold for pair in pairs}, {pair.predicted for pair in pairs}
    return Matching(
        pairs=tuple(pairs),
        surplus=tuple(index for index in range(len(predicted)) if index not in paired_predicted),
        missing=tuple(index for index in range(len(gold)) if index not in paired_gold and index not in optional),
    )


class Compared(NamedTuple):
    """The right answer that a given one is compared with: its number, its calls, and how they match.

    Calls that need not be made and are not are left out of `gold`, and positions in `matching` are those in `gold`.
    """

    number: int
    gold: tuple[GoldCall, ...]
    matching: Matching


def best_answer(
    answers: Sequence[Sequence[GoldCall]], matching_of: Callable[[Sequence[GoldCall]], Matching]
) -> Compared:
    """The best of several right answers, as the head of this module says; `matching_of` pairs the calls of one."""
    compared = (_compared(number, gold, matching_of(gold)) for number, gold in enumerate(answers))
    return max(compared, key=_merit)


def _compared(number: int, gold: Sequence[GoldCall], matching: Matching) -> Compared:
    counted = sorted({*matching.missing, *(pair.gold for pair in matching.pairs)})
    if len(counted) == len(gold):
        return Compared(number, tuple(gold), matching)
    place = {index: position for position, index in enumerate(counted)}
    pairs = tuple(replace(pair, gold=place[pair.gold]) for pair in matching.pairs)
    missing = tuple(place[index] for index in matching.missing)
    return Compared(number, tuple(gold[index] for index in counted), Matching(pairs, matching.surplus, missing))


def _merit(compared: Compared) -> tuple[int, ...]:
    matching = compared.matching
    return (
        matching.exact,
        sum(pair.exact for pair in matching.pairs),
        len(matching.pairs),
        sum(pair.matched_args for pair in matching.pairs),
        -len(matching.missing) - len(matching.surplus),
        -sum(pair.relaxed_args for pair in matching.pairs),
    )


def pair_differences(gold: GoldCall, predicted: ToolCall, catalog: Catalog) -> Iterator[Difference]:
    """Where the arguments of two calls of one tool differ; with `any_of`, from the value in `arguments`."""
    shape = _shape(catalog, gold.name)
    for name in argument_names(gold, predicted, catalog):
        inner = shape.property(name)
        expected, got = gold.arguments.get(name, OMITTED), predicted.arguments.get(name, OMITTED)
        if _verdict(gold, name, got, inner) == DIFFERENT:
            yield from differing(expected, got, inner, name)


def accepted(gold: GoldCall, name: str) -> tuple[Any, ...]:
    """Every accepted value of an argument, `OMITTED` among them where it may be left out."""
    left_out = (OMITTED,) if name in gold.optional else ()
    return (gold.arguments.get(name, OMITTED), *gold.any_of.get(name, ()), *left_out)


Table = dict[tuple[int, int], Pair]
Weights = dict[tuple[int, int], int]


def _assigned(table: Table, weights: Weights) -> Iterator[Pair]:
    """The best pairs in any order; calls of different names never pair, so each name is assigned by itself."""
    if len(table) < 2:
        yield from table.values()
        return
    columns_of: dict[int, list[int]] = defaultdict(list)
    for row, column in table:
        columns_of[row].append(column)
    rows_of: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row, columns in columns_of.items():
        rows_of[tuple(columns)].append(row)
    for columns, rows in rows_of.items():
        grid = [[weights[row, column] for column in columns] for row in rows]
        yield from (table[rows[row], columns[column]] for row, column in assign(grid))


def _in_order(table: Table, weights: Weights, rows: int, columns: int) -> Iterator[Pair]:
    """The best pairs that do not cross (Needleman and Wunsch's alignment without gap costs)."""
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(rows):
        above, here = best[row], best[row + 1]
        for column in range(columns):
            paired = above[column] + weights.get((row, column), 0)
            here[column + 1] = max(paired, above[column + 1], here[column])
    row, column = rows, columns
    while row and column:
        if best[row][column] == best[row - 1][column]:
            row -= 1
        elif best[row][column] == best[row][column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            yield table[row, column]


def _weights(table: Table, optional: set[int]) -> Weights:
    """Of each pair: exact, then a call that must be made, then the name, then equal arguments, then strictly equal
    ones, each above any sum of what follows. `optional`: the gold positions of calls that need not be made."""
    pairs = len({row for row, _ in table})
    most = pairs * max((pair.matched_args for pair in table.values()), default=0)
    argument = most + 1
    name = argument * most + 1
    needed = name * (pairs + 1)
    exact = needed * (pairs + 1)
    return {
        cell: exact * pair.exact
        + needed * (pair.gold not in optional)
        + name
        + argument * pair.matched_args
        - pair.relaxed_args
        for cell, pair in table.items()
    }


def _pair(row: int, gold: GoldCall, column: int, predicted: ToolCall, catalog: Catalog) -> Pair:
    shape = _shape(catalog, gold.name)
    gold_args = predicted_args = matched = relaxed = 0
    exact = True
    for name in argument_names(gold, predicted, catalog):
        got = predicted.arguments.get(name, OMITTED)
        verdict = _verdict(gold, name, got, shape.property(name))
        gold_args += name in gold.arguments or verdict != DIFFERENT
        predicted_args += got is not OMITTED or verdict != DIFFERENT
        matched += verdict != DIFFERENT
        relaxed += verdict == RELAXED
        exact = exact and verdict != DIFFERENT
    return Pair(row, column, gold_args, predicted_args, matched, relaxed, exact)


def argument_names(gold: GoldCall, predicted: ToolCall, catalog: Catalog) -> list[str]:
    """The arguments that are compared: those of either call that neither gold nor the schema says to ignore."""
    shape = _shape(catalog, gold.name)
    names = dict.fromkeys((*gold.arguments, *predicted.arguments))
    return [name for name in names if name not in gold.ignore and not shape.property(name).ignored]


def _verdict(gold: GoldCall, name: str, got: Any, shape: Shape) -> int:
    """How well an argument agrees with the best of its accepted values."""
    got, best = effective(got, shape), DIFFERENT
    for value in accepted(gold, name):
        best = max(best, compare(effective(value, shape), got, shape))
        if best == EQUAL:
            break
    return best


def _shape(catalog: Catalog, name: str) -> Shape:
    tool = catalog.by_name.get(name)
    return tool.shape if tool else _ANY


_ANY = Shape(True, None)
