"""What is shown of an answer while it forms can only grow, and ends as what the parser says of the whole."""

import json
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callproof.calls import parse_answer
from callproof.catalog import Catalog
from serve.talk.reading import Reading, read_forming, read_whole

CATALOG = Catalog.from_wire(
    [
        {"type": "function", "function": {"name": "search", "parameters": {"properties": {"n": {"type": "integer"}}}}},
        {"type": "function", "function": {"name": "book"}},
    ]
)


def block(**call: object) -> str:
    return f"<tool_call>\n{json.dumps(call)}\n</tool_call>"


ANSWERS = {
    "text": "Hello there, < how <to",
    "thinking": "<think>let me\nsee</think>\nHello.",
    "a call": "One moment.\n" + block(name="search", arguments={"n": 1}) + "\nThere.",
    "two calls": block(name="search", arguments={"n": 1}) + "\n" + block(name="book", arguments={}),
    "a tag in a string": block(name="book", arguments={"x": "a <tool_call> b </tool_call> c"}) + " end",
    "thinking with a call in it": "<think>" + block(name="search") + "</think>" + block(name="book"),
    "a malformed call": "So: <tool_call>{'name': 1}</tool_call> and " + block(name="book"),
    "a call in a malformed call": '<tool_call>{"x": "' + block(name="book") + "</tool_call> after",
    "unclosed": 'Well <tool_call>{"name": "book"}',
    "nothing": "",
}


def grows(before: Reading, after: Reading) -> bool:
    return (
        after.text.startswith(before.text)
        and after.thinking.startswith(before.thinking)
        and after.calls[: len(before.calls)] == before.calls
    )


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_what_was_shown_of_an_answer_is_never_taken_back(text: str) -> None:
    readings = [*(read_forming(text[:end], CATALOG) for end in range(len(text) + 1)), read_whole(text, CATALOG)]
    for before, after in pairwise(readings):
        assert grows(before, after), (before, after)


PIECES = [
    "<tool_call>",
    "</tool_call>",
    "<think>",
    "</think>",
    '{"name": "book"',
    ', "arguments": {}',
    "}",
    '"',
    " a ",
    "<",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_no_mixture_of_tags_and_json_is_taken_back(pieces: list[str]) -> None:
    before, closed, _ = "".join(pieces).partition("</think>")
    assume(not closed or "<think>" in before)  # else the template opened it: what stood there as text is thinking
    assume(parse_answer("".join(pieces)).foreign is None)  # bare JSON is an attempt, but only once it is whole
    texts = ["".join(pieces[:count]) for count in range(len(pieces) + 1)]
    readings = [*(read_forming(text, CATALOG) for text in texts), read_whole(texts[-1], CATALOG)]
    for before, after in pairwise(readings):
        assert grows(before, after), (before, after)


def test_a_call_forms_first_by_its_name_and_then_by_its_arguments() -> None:
    text = "Yes. " + block(name="search", arguments={"n": 12})
    formed = [reading for end in range(len(text)) if (reading := read_forming(text[:end], CATALOG).forming)]
    assert formed[0].name is None
    names = [reading.name for reading in formed]
    assert names == sorted(names, key=lambda name: name is not None)
    assert list(dict.fromkeys(names)) == [None, "search"]
    assert {'{"n": 1', '{"n": 12'} < {reading.arguments for reading in formed}
    assert max((reading.arguments for reading in formed), key=len) == '{"n": 12'


VERDICTS = {
    "valid": (block(name="search", arguments={"n": 1}), "valid", ""),
    "schema": (block(name="search", arguments={"n": "1"}), "invalid", "n: '1' is not of type 'integer'"),
    "unknown": (block(name="serach"), "unknown tool", "the nearest is 'search'"),
    "malformed": ("<tool_call>search(1)</tool_call>", "malformed", "not an object"),
    "cut": ('<tool_call>{"name": "search", "argu', "malformed", "truncated"),
}


@pytest.mark.parametrize(("text", "verdict", "problem"), VERDICTS.values(), ids=VERDICTS)
def test_every_call_has_a_verdict_and_its_reason(text: str, verdict: str, problem: str) -> None:
    (call,) = read_whole(text, CATALOG, "length" if problem == "truncated" else "stop").calls
    assert call.verdict == verdict
    assert problem in "; ".join(call.problems)
    assert (call.text == text) == (verdict == "malformed")
