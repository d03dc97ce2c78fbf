"""What BFCL makes of calls that a model writes as Python; wanted values follow the rules in python_calls.py."""

import time
from typing import Any

import pytest

from callproof.scoring.bfcl.python_calls import Unreadable, python_calls

READ: dict[str, list[Any]] = {
    "[f(a=1, b='x'), g(c=[1.5, None])]": [{"f": {"a": 1, "b": "x"}}, {"g": {"c": [1.5, None]}}],
    "f(a=1), g(b=2)": [{"f": {"a": 1}}, {"g": {"b": 2}}],
    "[]": [],
    "[m.n.f(a={'k': (1, 2)})]": [{"m.n.f": {"a": {"k": (1, 2)}}}],
    "[f(1, a=2)]": [{"f": {"a": 2}}],
    "[f({'a': 1})]": ["f({'a': 1})"],
    "[f()]": ["f()"],
    "[f(a=-5, b=+5, c=not True)]": [{"f": {"a": -5, "b": -5, "c": -1}}],
    "[f(a=true, b=x[0], c=...)]": [{"f": {"a": "true", "b": "x[0]", "c": "..."}}],
    "[f(a=g(b=1), c=g(1))]": [{"f": {"a": {"g": {"b": 1}}, "c": "g(1)"}}],
    "[f(a=2**10 / 4, b='x' + 'y', c='ab' * 2, d=[0] * 2)]": [{"f": {"a": 256.0, "b": "xy", "c": "abab", "d": [0, 0]}}],
    "[f(a=-(1) - -2)]": [{"f": {"a": 1}}],
    "[f(**k)]": [{"f": {"**": "k"}}],
    "[x[0].f(a=1)]": [{"f": {"a": 1}}],
}
UNREADABLE = [
    "", "f(a=1)", "['f']", "[f(a=1)", "[f(a=1)] ok", " [f(a=1)]", "Sorry, none fits.", "[f(a=007)]", "[f(class=1)]",
    "[f(a=x.y)]", "[f(a=-x)]", "[f(a=-'x')]", "[f(a=1 < 2)]", "[f(a={1})]", "[f(a=f'{x}')]", "[f(a=x * 2)]",
    "[f(a=1 / 0)]", "[f(a=9 ** 9 ** 9)]", "[f(a='x' * 10 ** 9)]", "[f(a='%9d' % 1)]", "[f(a={[]: 1})]", "[f(a=\0)]",
    "[f(a=1)][0]", "{**f(a=1)}", "[f(a={**x})]", "[f(a=lambda: 1)]", "[f(a='x' - 'y')]", "[f(a=1 << 2)]",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_calls_are_read_by_their_keywords(text: str) -> None:
    assert python_calls(text) == READ[text]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_bfcl_cannot_read_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        python_calls(text)


@pytest.mark.parametrize("piece", ["[", "f(a=", "-", "1+", "'", "(1)", "{", "a.", "x[0]", "f(a=1),"])
def test_long_answers_are_read_or_refused_in_little_time(piece: str) -> None:
    began = time.process_time()
    for text in (piece * 20_000, f"[f(a={piece * 20_000})]"):
        try:
            python_calls(text)
        except Unreadable:
            continue
    assert time.process_time() - began < 2
