"""Pairing two lists so that the pairs together weigh most."""

from collections.abc import Sequence


def assign(weights: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The one-to-one pairs (row, column) of greatest total weight, as many as the smaller side allows, by row.

    Kuhn's Hungarian method with potentials, O(n^2 m) for n <= m, in whole numbers. Cells of no weight may be among
    the pairs: the caller tells them apart.
    """
    if not weights or not weights[0]:
        return []
    if len(weights) > len(weights[0]):
        turned = [list(column) for column in zip(*weights, strict=True)]
        return sorted((row, column) for column, row in assign(turned))
    rows, columns = len(weights), len(weights[0])
    row_price, column_price = [0] * (rows + 1), [0] * (columns + 1)
    partner = [0] * (columns + 1)
    for row in range(1, rows + 1):
        partner[0] = row
        _augment(weights, row_price, column_price, partner)
    return sorted((row - 1, column - 1) for column, row in enumerate(partner) if column and row)


def _augment(
    weights: Sequence[Sequence[int]], row_price: list[int], column_price: list[int], partner: list[int]
) -> None:
    """Give the row at `partner[0]` a column along the cheapest path; 1-based, index 0 is the path's start."""
    before = [0] * len(column_price)
    slack: dict[int, int] = {}
    reached, column = [0], 0
    unreached = set(range(1, len(column_price)))
    while partner[column]:
        row = partner[column]
        costs, price = weights[row - 1], row_price[row]
        for other in unreached:
            reduced = -costs[other - 1] - price - column_price[other]
            if other not in slack or reduced < slack[other]:
                slack[other], before[other] = reduced, column
        column = min(unreached, key=lambda other: (slack[other], partner[other] != 0))  # a free one ends the path
        least = slack[column]
        for other in reached:
            row_price[partner[other]] += least
            column_price[other] -= least
        for other in unreached:
            slack[other] -= least
        unreached.remove(column)
        reached.append(column)
    while column:
        partner[column] = partner[before[column]]
        column = before[column]
