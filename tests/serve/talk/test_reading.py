"""What is shown of an answer while it forms can only grow, and ends as what the parser says of the whole."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callproof.calls import ToolCall, render
from callproof.calls.formats import FORMATS
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
    *[
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
    ],
    *[
        "[",
        "]",
        "[search(",
        "book(",
        "n=1",
        ")",
        "```json",
        "```",
        "\n",
        "Action: book",
        "\nAction Input:",
        '{"id": 1}',
    ],
    *["[TOOL_CALLS]", "[{", ";", "<function=", "functools[", "<|im_end|>", "see [this](x)", "bo", "<functioncall>"],
]


@pytest.mark.parametrize("prefilled", [False, True])
@pytest.mark.parametrize("name", ["hermes", "qwen3_xml", "mistral", "llama3_json", "pythonic", "xlam", "openai"])
@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=10))
def test_no_mixture_of_tags_and_json_is_taken_back(pieces: list[str], name: str, prefilled: bool) -> None:
    text = "".join(pieces)
    readings = [read_forming(text[:end], CATALOG, name, prefilled) for end in range(len(text) + 1)]
    for before, after in pairwise([*readings, read_whole(text, CATALOG, None, name, prefilled)]):
        assert grows(before, after), (before, after)


FOUND = [
    ("muse_glimmer", '<atem:invoke name="book">'),
    ("muse_glimmer", "So to=book<|message|><atem:function_calls>"),
    ("openai", "<|channel|>commentary to=functions.book"),
    ("openai", '{"name":\x1c"book"'),
    ("openai", " to=functions.book<|message|>{}<|call|><|start|>assistant to=functions.book<|message|>{}<|call|>"),
    ("llama3_json", '{"name": "book", "parameters": {"n": 1}} {'),
    ("deepseek_v32", '<｜DSML｜invoke name="book">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>'),
]
"""What benchmarks/campaign.py found."""


@pytest.mark.parametrize(("name", "text"), FOUND)
def test_what_turns_out_to_be_an_attempt_was_never_shown_as_text(name: str, text: str) -> None:
    readings = [read_forming(text[:end], CATALOG, name) for end in range(len(text) + 1)]
    for before, after in pairwise([*readings, read_whole(text, CATALOG, None, name)]):
        assert grows(before, after), (before, after)


SHOWN_AS = {
    "bare JSON": ('Now {"name": "book", "arguments": {}}', False, ("", "Now")),
    "a Python call": ("Now\n[book(n=1)]", False, ("", "Now")),
    "no call": ('See {"name": "Bern"} and [this](link).', False, ("", 'See {"name": "Bern"} and [this](link).')),
    "a stray end of thinking": ("let me see</think>Yes.", False, ("", "let me see\n\nYes.")),
    "thinking that the template opened": ("let me see</think>Yes.", True, ("let me see", "Yes.")),
    "thinking without an end": ("let me see", True, ("let me see", "")),
}


@pytest.mark.parametrize("case", SHOWN_AS)
def test_text_is_shown_once_it_is_sure_what_it_is(case: str) -> None:
    text, prefilled, shown = SHOWN_AS[case]
    readings = [read_forming(text[:end], CATALOG, "hermes", prefilled) for end in range(len(text) + 1)]
    whole = read_whole(text, CATALOG, "stop", "hermes", prefilled)
    assert (whole.thinking, whole.text) == shown
    assert all(grows(before, after) for before, after in pairwise([*readings, whole]))
    assert max(len(reading.text + reading.thinking) for reading in readings) > 0


def test_a_call_forms_first_by_its_name_and_then_by_its_arguments() -> None:
    text = "Yes. " + block(name="search", arguments={"n": 12})
    formed = [reading for end in range(len(text)) if (reading := read_forming(text[:end], CATALOG).forming)]
    assert formed[0].name is None
    names = [reading.name for reading in formed]
    assert names == sorted(names, key=lambda name: name is not None)
    assert list(dict.fromkeys(names)) == [None, "search"]
    assert {'{"n": 1', '{"n": 12'} < {reading.arguments for reading in formed}
    assert max((reading.arguments for reading in formed), key=len) == '{"n": 12'


@pytest.mark.parametrize("name", sorted({form.name for form in FORMATS.values()}))
def test_calls_of_every_format_form_and_are_judged(name: str) -> None:
    calls = [ToolCall(name="search", arguments={"n": 12}), ToolCall(name="search", arguments={"n": 3})]
    text = render(calls, name)
    readings = [read_forming(text[:end], CATALOG, name) for end in range(len(text) + 1)]
    whole = read_whole(text, CATALOG, "stop", name)
    assert [(call.name, call.verdict) for call in whole.calls] == [("search", "valid")] * 2
    assert json.loads(whole.calls[0].text) == {"n": 12}
    for reading in readings:
        assert reading.calls == whole.calls[: len(reading.calls)]
    named = {reading.forming.name for reading in readings if reading.forming}
    assert named <= {None, "search"}


def test_thinking_and_a_half_tag_of_another_format_are_no_text() -> None:
    text = '[THINK]let me see[/THINK]Yes.[TOOL_CALLS]search[ARGS]{"n": 12}'
    formed = [read_forming(text[:end], CATALOG, "mistral") for end in range(len(text) + 1)]
    assert {reading.text for reading in formed} == {"", "Y", "Ye", "Yes", "Yes."}
    assert read_whole(text, CATALOG, "stop", "mistral").thinking == "let me see"
    assert {reading.forming.arguments for reading in formed if reading.forming} > {'[ARGS]{"n": 12'}


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
