"""Which calls are paired, against every pairing that there is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callproof.calls import ToolCall
from callproof.catalog import Catalog, Tool
from callproof.scoring import match
from callproof.turns import GoldCall


def catalog(**properties: Any) -> Catalog:
    return Catalog(tools=(Tool(name="t", parameters={"type": "object", "properties": properties}), Tool(name="u")))


def test_equal_arguments_come_before_strictly_equal_ones() -> None:
    loose: Any = {"type": "string", "x-match": {"case": False}}
    gold = [{"x": "A", "y": "B", "z": "C", "w": "w1"}, {"x": "E", "y": "F", "z": "G", "w": "w2"}]
    predicted = [{"x": "a", "y": "b", "z": "c", "w": "w2"}, {"x": "A", "y": "2", "z": "3", "w": "4"}]
    # straight: 3 relaxed and 0; crossed: 1 strict and 1 strict
    matching = match(
        [ToolCall(name="t", arguments=arguments) for arguments in predicted],
        [GoldCall(name="t", arguments=arguments) for arguments in gold],
        catalog(**dict.fromkeys("xyzw", loose)),
    )
    assert [(pair.gold, pair.predicted, pair.matched_args, pair.relaxed_args) for pair in matching.pairs] == [
        (0, 0, 3, 3),
        (1, 1, 0, 0),
    ]


def test_one_more_equal_argument_outweighs_that_all_of_them_are_relaxed() -> None:
    loose: Any = {"type": "string", "x-match": {"case": False}}
    gold = GoldCall(name="t", arguments={"x": "A", "y": "B", "z": "C"})
    predicted = [{"x": "A", "y": "9", "z": "9"}, {"x": "a", "y": "b", "z": "9"}]
    matching = match(
        [ToolCall(name="t", arguments=arguments) for arguments in predicted], [gold], catalog(x=loose, y=loose)
    )
    (pair,) = matching.pairs
    assert (pair.predicted, pair.matched_args, pair.relaxed_args) == (1, 2, 2)


LOOSE_CATALOG = catalog(a={"x-match": {"case": False}}, b={"x-match": {"case": False}})
SOME_CALLS = st.lists(
    st.tuples(st.sampled_from("ttu"), st.dictionaries(st.sampled_from("ab"), st.sampled_from("xXyY"), max_size=2)),
    max_size=4,
)


@given(SOME_CALLS, SOME_CALLS, st.sampled_from(["any", "strict"]))
def test_the_pairs_are_the_best_of_all_by_their_documented_order(predicted: Any, gold: Any, order: Any) -> None:
    """Against every one-to-one pairing: exact pairs, then pairs, then equal arguments, then few relaxed ones."""

    def value(pairs: list[tuple[int, int]]) -> tuple[int, int, int, int]:
        exact = equal = relaxed = 0
        for row, column in pairs:
            ours, theirs = predicted[column][1], gold[row][1]
            same = [key for key in theirs if key in ours and ours[key].lower() == theirs[key].lower()]
            exact += len(same) == len(theirs) == len(ours)
            equal += len(same)
            relaxed += sum(ours[key] != theirs[key] for key in same) if gold[row][0] == "t" else 0
        return exact, len(pairs), equal, -relaxed

    def fits(row: int, column: int) -> bool:
        return gold[row][0] == predicted[column][0]

    def pairings(rows: list[int], free: list[int]) -> Any:
        if not rows:
            yield []
            return
        yield from pairings(rows[1:], free)
        for column in free:
            if fits(rows[0], column):
                rest = [other for other in free if (other > column if order == "strict" else other != column)]
                yield from ([(rows[0], column), *more] for more in pairings(rows[1:], rest))

    predicted = [(name, {k: v.lower() if name == "u" else v for k, v in args.items()}) for name, args in predicted]
    gold = [(name, {k: v.lower() if name == "u" else v for k, v in args.items()}) for name, args in gold]
    matching = match(
        [ToolCall(name=name, arguments=args) for name, args in predicted],
        [GoldCall(name=name, arguments=args) for name, args in gold],
        LOOSE_CATALOG,
        order,
    )
    best = max(map(value, pairings(list(range(len(gold))), list(range(len(predicted))))))
    assert value([(pair.gold, pair.predicted) for pair in matching.pairs]) == best


def test_strict_order_takes_more_pairs_before_more_arguments() -> None:
    # (0, 1) has two equal arguments but blocks (1, 0); (0, 0) and (1, 1) have none
    gold = [{"a": 1, "b": 2, "c": 0}, {"a": 5, "b": 6, "c": 0}]
    predicted = [{"a": 7, "b": 8, "c": 9}, {"a": 1, "b": 2, "c": 9}]
    matching = match(
        [ToolCall(name="t", arguments=arguments) for arguments in predicted],
        [GoldCall(name="t", arguments=arguments) for arguments in gold],
        catalog(),
        "strict",
    )
    assert [(pair.gold, pair.predicted) for pair in matching.pairs] == [(0, 0), (1, 1)]
