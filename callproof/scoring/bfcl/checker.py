"""BFCL's comparison of calls (AST category, Python), for verdicts that can be compared with its leaderboard.

After `bfcl_eval/eval_checker/ast_eval/ast_checker.py` of ShishirPatil/gorilla, March 2026. An answer is valid if:

- There are as many calls as gold calls, and each gold call finds a call that nothing before it took: in the order of
  the gold calls, the first that fits. This is greedy: where a call fits two gold calls, a right answer may fail.
- Every required argument is written, and none that gold or the schema lacks. What gold marks as optional may be left
  out, or be the empty string.
- Python types are equal: of all numbers only an integer for a declared number is taken, and only outside lists. The
  type is the declared one or that of the first accepted value; items of lists likewise, one level deep.
- Strings are compared in lower case without blanks and `,./-_*^`, with `'` as `"`; so are strings directly in lists
  and objects. Deeper ones are compared as they are. Lists are ordered. `enum`, defaults and formats do not count.

What no answer can be is not reproduced: where BFCL's code would raise, the argument is not accepted.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from callproof.calls import ToolCall
from callproof.catalog import OMITTED, Catalog, Difference
from callproof.turns import GoldCall

from ..match import Matching, Pair, accepted

_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_DROPPED = re.compile(r"[ ,./\-_*^]")


def match_bfcl(predicted: Sequence[ToolCall], gold: Sequence[GoldCall], catalog: Catalog) -> Matching:
    """Pair predicted with gold calls as BFCL does; `exact` of the result is its verdict on them.

    Calls that it leaves over are paired by name, so that their arguments can be counted.
    """
    free, missing, pairs = dict(enumerate(predicted)), [], []
    needed_first = sorted(enumerate(gold), key=lambda item: item[1].optional_call)
    for row, wanted in needed_first:
        pair = _first(row, wanted, free, catalog, exact=True)
        if pair:
            del free[pair.predicted]
            pairs.append(pair)
        else:
            missing.append(row)
    for row in list(missing):
        if pair := _first(row, gold[row], free, catalog, exact=False):
            del free[pair.predicted]
            missing.remove(row)
            pairs.append(pair)
    missing = sorted(row for row in missing if not gold[row].optional_call)
    return Matching(tuple(sorted(pairs, key=lambda pair: pair.gold)), tuple(free), tuple(missing))


def bfcl_differences(gold: GoldCall, predicted: ToolCall, catalog: Catalog) -> Iterator[Difference]:
    """The arguments that BFCL does not accept, each with the first value that it would, if gold has one."""
    schema = _parameters(catalog, gold.name)
    for name in _names(gold, predicted, schema):
        if not accepts(gold, name, predicted.arguments.get(name, OMITTED), schema):
            got = predicted.arguments.get(name, OMITTED)
            expected = gold.arguments.get(name, "any value" if got is OMITTED else OMITTED)
            kind = "missing" if got is OMITTED else "unexpected" if expected is OMITTED else "value"
            yield Difference(name, kind, expected, got)


def accepts(gold: GoldCall, name: str, got: Any, schema: dict[str, Any]) -> bool:
    """Whether BFCL accepts `got` (`OMITTED` if it is left out) for an argument; `schema`: the tool's parameters."""
    values = [value for value in accepted(gold, name) if value is not OMITTED]
    known = bool(values) or name in gold.optional
    may_be_left_out = known and OMITTED in accepted(gold, name)
    if got is OMITTED:
        return may_be_left_out and name not in _list(schema, "required")
    declared = _object(schema, "properties")
    if not known or name not in declared:
        return False
    return _accepts_value([*values, ""] if may_be_left_out else values, got, declared[name])


def _accepts_value(values: list[Any], got: Any, schema: Any) -> bool:
    expected, item = _type(schema), _item_type(schema)
    if expected is float and type(got) is int:
        got = _as_float(got)
    gold_type = _first_type(values)
    if type(got) is not expected:
        return type(got) is gold_type and got in values
    if item and not any(_items_fit(value, got, item) for value in values):
        return False
    if gold_type not in (None, expected) or expected not in (str, list, dict):
        return got in values
    return any(_same(value, got, schema, item) for value in values)


def _same(value: Any, got: Any, schema: dict[str, Any], item: type | None) -> bool:
    """Whether a string, object or list equals an accepted value; as a list, `""` is an empty one."""
    if isinstance(got, str):
        return _plain(got) == _plain(value)
    if isinstance(got, dict):
        return _same_object(value, got, schema)
    if not isinstance(value, list | str) or len(value) != len(got):
        return False
    if item is dict:
        return all(_same_object(left, right, schema["items"]) for left, right in zip(value, got, strict=True))
    return [_plain(entry) for entry in value] == [_plain(entry) for entry in got]


def _same_object(value: Any, got: Any, schema: dict[str, Any]) -> bool:
    """An empty string for a declared property that the accepted value lacks is a property left out."""
    if not isinstance(value, dict) or not isinstance(got, dict):
        return False
    declared = _object(schema, "properties")
    written = {key for key in got if key in value or key not in declared or _plain(got[key]) != ""}
    return written == value.keys() and all(_plain(got[key]) == _plain(value[key]) for key in written)


def _items_fit(value: Any, got: list[Any], item: type) -> bool:
    """Whether the items of a list have the declared type, or that of the accepted list's first item."""
    return not isinstance(value, list) or all(type(entry) in (item, _first_type(value)) for entry in got)


def _first_type(values: Iterable[Any]) -> type | None:
    return next((type(value) for value in values if value != ""), None)


def _plain(value: Any) -> Any:
    return _DROPPED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _type(schema: Any) -> type:
    """BFCL takes `any`, which has no type in JSON Schema, for a string."""
    declared = schema.get("type") if isinstance(schema, dict) else None
    return _TYPES.get(declared, str) if isinstance(declared, str) else str


def _item_type(schema: Any) -> type | None:
    return _type(schema["items"]) if _type(schema) is list and isinstance(schema.get("items"), dict) else None


def _as_float(number: int) -> float | int:
    try:
        return float(number)
    except OverflowError:
        return number


def _first(row: int, wanted: GoldCall, free: dict[int, ToolCall], catalog: Catalog, exact: bool) -> Pair | None:
    """The pair of a gold call with the first free call of its name; with `exact`, with the first that is accepted."""
    pairs = (_pair(row, wanted, column, call, catalog) for column, call in free.items() if call.name == wanted.name)
    return next((pair for pair in pairs if pair.exact or not exact), None)


def _pair(row: int, gold: GoldCall, column: int, predicted: ToolCall, catalog: Catalog) -> Pair:
    schema, written = _parameters(catalog, gold.name), predicted.arguments
    verdicts = {
        name: accepts(gold, name, written.get(name, OMITTED), schema) for name in _names(gold, predicted, schema)
    }
    return Pair(
        gold=row,
        predicted=column,
        gold_args=sum(name in gold.arguments or fits for name, fits in verdicts.items()),
        predicted_args=sum(name in written or fits for name, fits in verdicts.items()),
        matched_args=sum(verdicts.values()),
        relaxed_args=0,
        exact=all(verdicts.values()),
    )


def _names(gold: GoldCall, predicted: ToolCall, schema: dict[str, Any]) -> list[str]:
    names = dict.fromkeys((*gold.arguments, *gold.any_of, *predicted.arguments, *_list(schema, "required")))
    return [name for name in names if name not in gold.ignore]


def _parameters(catalog: Catalog, name: str) -> dict[str, Any]:
    tool = catalog.by_name.get(name)
    return (tool.parameters if tool else None) or {}


def _object(schema: Any, keyword: str) -> dict[str, Any]:
    part = schema.get(keyword) if isinstance(schema, dict) else None
    return part if isinstance(part, dict) else {}


def _list(schema: dict[str, Any], keyword: str) -> list[Any]:
    part = schema.get(keyword)
    return part if isinstance(part, list) else []
