import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callproof.catalog.ecma import BadPattern
from callproof.catalog.patterns import MAX_STEPS, TooCostly, check, search

CATASTROPHIC = {
    "nested plus": r"^(a+)+$",
    "overlapping branches": r"^(a|a)*$",
    "branches with a common prefix": r"^(a|aa)+$",
    "nested star with a class": r"^([a-z]*)*$",
    "three stars in a row": r"^.*.*.*=.*$",
    "a look-ahead with nested plus": r"^(?=(a+)+$).*$",
    "counted repeats of a repeat": r"^(a{1,20}){1,20}$",
    "e-mail addresses": r"^([a-zA-Z0-9]+[._-]?)+@([a-z]+\.)+[a-z]{2,}$",
    "words of a list": r"^(\s*[a-z]+\s*,?\s*)*$",
}
SAME_IN_PYTHON = [
    *(r"^[0-9]{4}-[0-9]{2}$", r"^\+41 ?[0-9]{2}", r"^(?=.*[A-Z])(?=.*[0-9]).{4,}$", r"(?<=x)y", r"(?<!x)y", r"a*?b"),
    *(r"^(?:red|green|blue)?$", r"[^@]+@[^@]+", r"", r"a|", r"x{0}y", r"ü+", r"[^a-c]", r"(a|b)\1", r"^(?:(a)\1|b)+c"),
    *(r"\bcar\b", r"\Bar", r"x{2}{", r"a{1,2}?b"),
]
ECMA = [
    (r"^\p{L}+$", "Zürich", True),
    (r"^\p{L}+$", "Zürich8", False),
    (r"^\p{Script=Greek}$", "λ", True),
    (r"^[\p{Lu}\s]+$", "Ä B", True),
    (r"^\P{L}$", "1", True),
    (r"^(?<y>\d{2})-\k<y>$", "26-26", True),
    (r"^(?<y>\d{2})-\k<y>$", "26-27", False),
    (r"^\u{1F600}$", "\U0001f600", True),
    (r"^\uD83D\uDE00$", "\U0001f600", True),
    (r"^[\u{1F600}-\u{1F64F}]$", "\U0001f610", True),
    (r"^.$", "\U0001f600", True),
    (r"^[\w-.]+$", "a-b.c", True),
    (r"^[\w-.]+$", "a,b", False),
    (r"^[\w-z]+$", "a-", True),
    (r"^\d$", "٣", False),
    (r"^\w$", "é", False),
    (r"^\W$", "é", True),
    (r"^\s$", "\ufeff", True),
    (r"^\s$", "\x1c", False),
    (r"^abc$", "abc\n", False),
    (r"^(?=a)abc$", "abc\n", False),
    (r"^.$", "\u2028", False),
    (r"^.$", "\x85", True),
    (r"^[^]$", "\n", True),
    (r"[]", "a", False),
    (r"caf\b", "café", True),
    (r"caf\B", "café", False),
    (r"^[\b]$", "\x08", True),
    (r"^\x41\u0042\cJ\0$", "AB\n\0", True),
    (r"^\/x\-y\@$", "/x-y@", True),
    (r"^{}]{a{,$", "{}]{a{,", True),
    (r"^[a&&b]$", "&", True),
    (r"^[a~~b]$", "~", True),
    (r"^[[a]$", "[", True),
    (r"^[[a]$", "b", False),
    (r"(?<=a+)b", "aab", True),
    (r"(?<!\d{1,3})b", "1b", False),
    (r"^(?!.*(.)\1)\w+$", "abca", True),
    (r"^(?!.*(.)\1)\w+$", "abba", False),
    (r"^.{0,5000}$", "a" * 5000, True),
    (r"^.{0,5000}$", "a" * 5001, False),
]
REFUSED = [
    *("(", ")", "[a", "*a", "a**", "a++", "^*", "[z-a]", "a{2,1}", "x{,3}", "(?i)a", "(?P<y>a)", "(?>a)", "(?#x)"),
    *(r"\A", r"a\Z", r"\h", r"\pL", r"\p{Foo}", r"\8", r"\u12", r"\uD83D", r"\u{110000}", r"\k<x>", r"\c1", "\\"),
    *("(?<1>a)", "(?<a>b)(?<a>c)", "(?:){100000000}", "(" * 3000 + ")" * 3000, "\ud800"),
    *(r"(a)?\1", r"(?:(a)|b)\1", r"(a\1)", r"(?=(a))\1", r"(?:(a))*\1", r"(?<=(a)\1)"),
]


@pytest.mark.parametrize(("pattern", "text", "verdict"), ECMA)
def test_patterns_mean_what_ecma_262_says(pattern: str, text: str, verdict: bool) -> None:
    assert search(pattern, text) is verdict


@given(
    st.sampled_from([*SAME_IN_PYTHON, *CATASTROPHIC.values()]), st.text(alphabet="abxyAZ09 .@-=ürc,&~[{", max_size=12)
)
def test_what_python_means_too_is_judged_as_python_does(pattern: str, text: str) -> None:
    assert search(pattern, text) == bool(re.search(pattern, text, re.ASCII))


@given(
    st.from_regex(r"\A([ab]|[ab]\*|\(a\|b\)|\(a\+b\)|\^|\$|\(ab\?\)\{1,3\}|\\b|\.|\(\?=b\)|\(\?<!a\)){1,6}\Z"),
    st.text(alphabet="ab ", max_size=10),
)
def test_generated_patterns_are_judged_as_python_does(pattern: str, text: str) -> None:
    assert search(pattern, text) == bool(re.search(pattern, text))


@pytest.mark.parametrize("case", CATASTROPHIC)
def test_no_pattern_hangs(case: str) -> None:
    started = time.process_time()
    assert search(CATASTROPHIC[case], "a" * 1000 + "!") is False
    assert time.process_time() - started < 2


@pytest.mark.parametrize("length", range(40, 70))
def test_a_long_value_is_judged_like_a_short_one(length: int) -> None:
    words = ("red, blue, " * 7)[:length]
    assert search(CATASTROPHIC["words of a list"], words)
    assert not search(CATASTROPHIC["words of a list"], f"{words}!")


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_cannot_be_searched_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(repr(pattern)[:5])):
        check(pattern)


def test_giving_up_depends_on_steps_and_not_on_the_machine() -> None:
    with pytest.raises(TooCostly, match=f"{MAX_STEPS} steps"):
        search(r"^(?:(a|aa)(?=[ab!]))+$", "a" * 60 + "!!")


def test_half_a_surrogate_pair_is_no_text_to_search() -> None:
    with pytest.raises(TooCostly, match="half a surrogate pair"):
        search("a", "\ud800")
