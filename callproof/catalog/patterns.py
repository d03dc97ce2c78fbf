"""Regular expressions of schemas, searched in bounded time.

Python's `re` backtracks: `^(a+)+$` takes longer than anyone waits on thirty characters, and the text comes from a
model. So an expression goes to `re` only where the number of ways to backtrack is provably small for this text.
Otherwise it is simulated as a graph of states, each visited at most once a position (RE2's BitState), which is linear
in the text but for look-around. Either way the answer is that of `re.search`. The simulation raises after a fixed
number of steps, so that a result never depends on the machine.

Back-references, conditionals, atomic groups and inline flags cannot be simulated; `check` refuses them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as sre  # pyright: ignore[reportAttributeAccessIssue]  # the only parser of `re` syntax
from re import _parser as sre_parser  # pyright: ignore[reportAttributeAccessIssue]
from typing import Any

MAX_STATES = 5_000
MAX_STEPS = 200_000
_MAX_WAYS = 1_000_000.0

_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    sre.CATEGORY_DIGIT: str.isdecimal,
    sre.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    sre.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    sre.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


class BadPattern(ValueError):
    """Not a regular expression, or one that cannot be searched in bounded time."""


class TooCostly(Exception):
    """The search was given up after `MAX_STEPS`."""


def check(pattern: str) -> None:
    """Raise BadPattern unless `pattern` can be searched in any text."""
    _program(pattern)


def search(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`, as `re.search` says.

    Raises:
        BadPattern: not a regular expression.
        TooCostly: cannot be answered in `MAX_STEPS`.
    """
    tree = _tree(pattern)
    size = len(text) + len(pattern)
    if _ways(tree, len(text)) * (len(text) + 1) * size <= _MAX_WAYS:
        return re.search(pattern, text) is not None
    try:
        program = _program(pattern)
    except BadPattern as error:
        raise TooCostly(str(error)) from None
    return _Search(text).anywhere(program)


@lru_cache(maxsize=1024)
def _tree(pattern: str) -> Any:
    try:
        re.compile(pattern)
        return sre_parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(f"{pattern!r} is no regular expression ({error})") from None


def _ways(tree: Iterable[tuple[Any, Any]], length: int) -> float:
    """An upper bound of the ways in which a backtracking search can go through `length` characters from one place."""
    ways = 1.0
    for operation, argument in tree:
        ways *= _ways_of(operation, argument, length)
    return ways


def _ways_of(operation: Any, argument: Any, length: int) -> float:
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        least, most, body = argument
        inner, times = _ways(body, length), min(int(most), max(length, int(least)))
        if inner == 1:
            return times - least + 1
        return inner**times * (times - least + 1) if times < 64 else float("inf")
    if operation is sre.SUBPATTERN:
        return _ways(argument[3], length)
    if operation is sre.BRANCH:
        return sum(_ways(branch, length) for branch in argument[1])
    if operation in (sre.ASSERT, sre.ASSERT_NOT):
        return 1 + _ways(argument[1], length)
    return 1.0 if operation in _SINGLE or operation is sre.AT else float("inf")


_SINGLE = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)


@dataclass(frozen=True, slots=True)
class _State:
    """One state: `take` tests a character; without it, `stand` (if any) tests the place; then on to all of `to`."""

    to: tuple[int, ...]
    take: Callable[[str], bool] | None = None
    stand: "Callable[[_Search, int], bool] | None" = None


_Program = tuple[_State, ...]
_ACCEPT = 0


@lru_cache(maxsize=1024)
def _program(pattern: str) -> tuple[_Program, int]:
    tree = _tree(pattern)
    if tree.state.flags & ~re.UNICODE.value:
        raise BadPattern(f"{pattern!r} has inline flags, which cannot be searched in bounded time")
    try:
        return _Builder(pattern).build(tree)
    except RecursionError:
        raise BadPattern(f"{pattern!r} is nested too deep") from None


class _Builder:
    """Turns a parsed expression into states, from its end to its beginning."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._states = [_State(())]

    def build(self, tree: Any) -> tuple[_Program, int]:
        start = self._sequence(tree, _ACCEPT)
        return tuple(self._states), start

    def _add(self, state: _State) -> int:
        if len(self._states) >= MAX_STATES:
            raise BadPattern(f"{self._pattern!r} is too large to be searched in bounded time")
        self._states.append(state)
        return len(self._states) - 1

    def _sequence(self, tree: Any, to: int) -> int:
        for operation, argument in reversed(list(tree)):
            to = self._one(operation, argument, to)
        return to

    def _one(self, operation: Any, argument: Any, to: int) -> int:
        if operation in _SINGLE:
            return self._add(_State((to,), take=_taker(operation, argument)))
        if operation is sre.AT:
            return self._add(_State((to,), stand=_PLACES[argument]))
        if operation is sre.BRANCH:
            branches = tuple(self._sequence(branch, to) for branch in argument[1])
            return self._add(_State(branches))
        if operation is sre.SUBPATTERN and not (argument[1] or argument[2]):
            return self._sequence(argument[3], to)
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(argument, to)
        if operation in (sre.ASSERT, sre.ASSERT_NOT):
            return self._add(_State((to,), stand=self._look(argument, operation is sre.ASSERT)))
        construct = str(operation).lower().replace("_", " ")
        raise BadPattern(f"{self._pattern!r} uses a construct ({construct}) that cannot be searched in bounded time")

    def _repeat(self, argument: Any, to: int) -> int:
        least, most, body = argument
        if most is sre.MAXREPEAT:
            start = self._add(_State(()))
            self._states[start] = _State((self._sequence(body, start), to))
        else:
            start = to
            for _ in range(most - least):
                start = self._add(_State((self._sequence(body, start), to)))
        for _ in range(least):
            start = self._sequence(body, start)
        return start

    def _look(self, argument: Any, wanted: bool) -> "Callable[[_Search, int], bool]":
        direction, body = argument
        program = _Builder(self._pattern).build(body)
        back = body.getwidth()[0] if direction < 0 else 0
        return lambda search, place: (place >= back and search.here(program, place - back)) == wanted


def _taker(operation: Any, argument: Any) -> Callable[[str], bool]:
    if operation is sre.ANY:
        return lambda char: char != "\n"
    if operation is not sre.IN:
        wanted, literal = operation is sre.LITERAL, chr(argument)
        return lambda char: (char == literal) == wanted
    wanted = argument[0][0] is not sre.NEGATE
    members = [_member(*item) for item in argument if item[0] is not sre.NEGATE]
    return lambda char: any(member(char) for member in members) == wanted


def _member(operation: Any, argument: Any) -> Callable[[str], bool]:
    if operation is sre.RANGE:
        first, last = chr(argument[0]), chr(argument[1])
        return lambda char: first <= char <= last
    return _CATEGORIES[argument] if operation is sre.CATEGORY else _taker(operation, argument)


class _Search:
    """The search of one text, with its count of steps and the places that are known to lead nowhere."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = 0
        self._dead: dict[int, set[tuple[int, int]]] = {}

    def anywhere(self, program: tuple[_Program, int]) -> bool:
        return any(self.here(program, place) for place in range(len(self.text) + 1))

    def here(self, program: tuple[_Program, int], place: int) -> bool:
        states, start = program
        dead = self._dead.setdefault(id(states), set())
        seen: set[tuple[int, int]] = set()
        stack = [(start, place)]
        while stack:
            at = stack.pop()
            if at in seen or at in dead:
                continue
            if at[0] == _ACCEPT:
                return True
            seen.add(at)
            self._steps += 1
            if self._steps > MAX_STEPS:
                raise TooCostly(f"gave up after {MAX_STEPS} steps on {len(self.text)} characters")
            stack += self._after(states[at[0]], at[1])
        dead |= seen
        return False

    def _after(self, state: _State, place: int) -> list[tuple[int, int]]:
        if state.take is not None:
            if place == len(self.text) or not state.take(self.text[place]):
                return []
            place += 1
        elif state.stand is not None and not state.stand(self, place):
            return []
        return [(to, place) for to in state.to]

    def at_word_boundary(self, place: int) -> bool:
        is_word = _CATEGORIES[sre.CATEGORY_WORD]
        before = place > 0 and is_word(self.text[place - 1])
        return before != (place < len(self.text) and is_word(self.text[place]))


_PLACES: dict[Any, Callable[[_Search, int], bool]] = {
    sre.AT_BEGINNING: lambda _, place: place == 0,
    sre.AT_BEGINNING_STRING: lambda _, place: place == 0,
    sre.AT_END: lambda search, place: place >= len(search.text) - 1 and search.text[place:] in ("", "\n"),
    sre.AT_END_STRING: lambda search, place: place == len(search.text),
    sre.AT_BOUNDARY: lambda search, place: search.at_word_boundary(place),
    sre.AT_NON_BOUNDARY: lambda search, place: not search.at_word_boundary(place),
}
