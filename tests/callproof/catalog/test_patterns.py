import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callproof.catalog import patterns
from callproof.catalog.patterns import BadPattern, TooCostly, check, search

CATASTROPHIC = {
    "nested plus": r"^(a+)+$",
    "overlapping branches": r"^(a|a)*$",
    "branches with a common prefix": r"^(a|aa)+$",
    "nested star with a class": r"^([a-z]*)*$",
    "three stars in a row": r"^.*.*.*=.*$",
    "a look-ahead with nested plus": r"^(?=(a+)+$).*$",
    "counted repeats of a repeat": r"^(a{1,20}){1,20}$",
    "e-mail addresses": r"^([a-zA-Z0-9]+[._-]?)+@([a-z]+\.)+[a-z]{2,}$",
}
ORDINARY = [
    *(r"^\d{4}-\d{2}-\d{2}$", r"^[A-Z]{2}[0-9]{6}$", r"^\+41 ?[0-9]{2} ?[0-9]{3}", r"^(?=.*[A-Z])(?=.*\d).{4,}$"),
    *(
        r"^(?!test)\w+$",
        r"(?<=x)y",
        r"(?<!x)y",
        r"\bcar\b",
        r"\Bar",
        r"^(?:red|green|blue)?$",
        r"a*?b",
        r"[^\s@]+@[^\s@]+",
    ),
    *(r"^\S+$", r"", r"a|", r"x{0}y", r"^[\d\-]+$", r"ü+", r"\Aa", r"a\Z", r"[^a-c]", r"\W\D"),
]


@pytest.mark.parametrize("case", CATASTROPHIC)
@pytest.mark.parametrize("length", [30, 1000])
def test_no_pattern_hangs(case: str, length: int) -> None:
    started = time.process_time()
    try:
        assert search(CATASTROPHIC[case], "a" * length + "!") is False
    except TooCostly:
        assert length == 1000
    assert time.process_time() - started < 2


@pytest.mark.parametrize("case", CATASTROPHIC)
def test_catastrophic_patterns_are_answered_right_on_short_text(case: str) -> None:
    for text in ("aaaa", "aa=a", "a.b@c.de", "", "!"):
        assert search(CATASTROPHIC[case], text) == bool(re.search(CATASTROPHIC[case], text))


@given(
    st.sampled_from([*ORDINARY, *CATASTROPHIC.values()]), st.text(alphabet="abxyAZ09 \n.@-_=ürxcartest+4", max_size=12)
)
def test_the_simulation_answers_as_re_does(pattern: str, text: str) -> None:
    found = patterns._Search(text).anywhere(patterns._program(pattern))
    assert found == search(pattern, text) == bool(re.search(pattern, text))


@given(
    st.from_regex(r"\A([ab]|[ab]\*|\(a\|b\)|\(a\+b\)|\^|\$|\(ab\?\)\{1,3\}|\\b|\.){1,6}\Z"),
    st.text(alphabet="ab \n", max_size=10),
)
def test_the_simulation_agrees_on_generated_patterns(pattern: str, text: str) -> None:
    try:
        expected = bool(re.search(pattern, text))
    except re.error:
        return
    assert patterns._Search(text).anywhere(patterns._program(pattern)) == expected


@pytest.mark.parametrize(
    "pattern",
    ["(", "[a", "*a", r"\p{L}", r"(a)\1", "(?i)a", "(?i:a)b", "(?>a+)", "a++", r"(a)?(?(1)b|c)", "(a{1,200}){1,200}"],
)
def test_what_cannot_be_searched_in_bounded_time_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(repr(pattern)[:5])):
        check(pattern)


def test_a_back_reference_still_works_where_re_is_harmless() -> None:
    with pytest.raises(TooCostly):
        search(r"(a)\1", "aa")


def test_giving_up_depends_on_steps_and_not_on_the_machine() -> None:
    with pytest.raises(TooCostly, match="200000 steps"):
        search(r"^(\w+\s?)+$", "word " * 100_000 + "!")
