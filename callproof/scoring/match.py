"""Predicted calls against gold calls.

The pairs are a one-to-one assignment: as many exact pairs as possible; of such assignments, as many pairs of one name;
of these, as many equal arguments; of these, as few as possible that only `x-match` makes equal. Duplicates count, so
surplus is a false positive. With `order="strict"` pairs may not cross.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    """`pairs` by gold position; `surplus` are the predicted, `missing` the gold positions that are in no pair."""

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
        (row, column): _pair(row, wanted, column, call, _shape(catalog, wanted.name))
        for row, wanted in enumerate(gold)
        for column, call in enumerate(predicted)
        if call.name == wanted.name
    }
    pairing = _in_order(table, len(gold), len(predicted)) if order == "strict" else _assigned(table)
    pairs = sorted(pairing, key=lambda pair: pair.gold)
    paired_gold, paired_predicted = {pair.gold for pair in pairs}, {pair.predicted for pair in pairs}
    return Matching(
        pairs=tuple(pairs),
        surplus=tuple(index for index in range(len(predicted)) if index not in paired_predicted),
        missing=tuple(index for index in range(len(gold)) if index not in paired_gold),
    )


def pair_differences(gold: GoldCall, predicted: ToolCall, catalog: Catalog) -> Iterator[Difference]:
    """Where the arguments of two calls of one tool differ; with `any_of`, from the value in `arguments`."""
    shape = _shape(catalog, gold.name)
    for name in _argument_names(gold, predicted):
        inner = shape.property(name)
        expected, got = gold.arguments.get(name, OMITTED), predicted.arguments.get(name, OMITTED)
        if _verdict(gold, name, got, inner) == DIFFERENT:
            yield from differing(expected, got, inner, name)


def accepted(gold: GoldCall, name: str) -> tuple[Any, ...]:
    """Every accepted value of an argument, `OMITTED` among them where it may be left out."""
    left_out = (OMITTED,) if name in gold.optional else ()
    return (gold.arguments.get(name, OMITTED), *gold.any_of.get(name, ()), *left_out)


Table = dict[tuple[int, int], Pair]


def _assigned(table: Table) -> Iterator[Pair]:
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
    weights = _weights(table)
    for columns, rows in rows_of.items():
        grid = [[weights[row, column] for column in columns] for row in rows]
        yield from (table[rows[row], columns[column]] for row, column in assign(grid))


def _in_order(table: Table, rows: int, columns: int) -> Iterator[Pair]:
    """The best pairs that do not cross (Needleman and Wunsch's alignment without gap costs)."""
    weights = _weights(table)
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


def _weights(table: Table) -> dict[tuple[int, int], int]:
    """Of each pair: exact, then the name, then equal arguments, then strictly equal ones, each above any sum of what
    follows."""
    pairs = len({row for row, _ in table})
    most = pairs * max((pair.matched_args for pair in table.values()), default=0)
    argument = most + 1
    name = argument * most + 1
    exact = name * (pairs + 1)
    return {
        cell: exact * pair.exact + name + argument * pair.matched_args - pair.relaxed_args
        for cell, pair in table.items()
    }


def _pair(row: int, gold: GoldCall, column: int, predicted: ToolCall, shape: Shape) -> Pair:
    gold_args = predicted_args = matched = relaxed = 0
    exact = True
    for name in _argument_names(gold, predicted):
        got = predicted.arguments.get(name, OMITTED)
        verdict = _verdict(gold, name, got, shape.property(name))
        gold_args += name in gold.arguments or verdict != DIFFERENT
        predicted_args += got is not OMITTED or verdict != DIFFERENT
        matched += verdict != DIFFERENT
        relaxed += verdict == RELAXED
        exact = exact and verdict != DIFFERENT
    return Pair(row, column, gold_args, predicted_args, matched, relaxed, exact)


def _argument_names(gold: GoldCall, predicted: ToolCall) -> list[str]:
    names = dict.fromkeys((*gold.arguments, *predicted.arguments))
    return [name for name in names if name not in gold.ignore]


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
