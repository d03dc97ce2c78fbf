"""Every notation: what it renders it reads back, what is not written as it writes is refused, never repaired."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callproof.calls import MalformedCall, ToolCall, calls_with_ends, parse, parse_answer, render
from callproof.calls.formats import FORMATS, tools_of

NAMES = sorted({form.name for form in FORMATS.values()})
HARD = {
    "quoted": 'O\'Brien said "no"',
    "lines": "a\nb\n\tc",
    "marks": "<b>] } ) <x",
    "unicode": "Zürich 日本 😀",
    "digits": "3",
    "word": "true",
    "nothing": "null",
    "date": "2026-01-05",
    "empty": "",
    "count": 3,
    "price": 1.5,
    "yes": True,
    "none": None,
    "nested": {"a": [1, "x", False, None, {"b": {}}], "c": "3"},
    "object": {},
    "list": ["1", 1],
}
F, G = ToolCall(name="find", arguments=HARD), ToolCall(name="list_all", arguments={})


def schemas(calls: list[ToolCall]) -> dict[str, Any]:
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of(calls)}


def seen(answer: list[ToolCall | MalformedCall]) -> list[Any]:
    return [(call.name, call.arguments) if isinstance(call, ToolCall) else call.reason for call in answer]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("calls", [[F], [G], [F, G], [G, F, F]], ids=["hard", "empty", "two", "three"])
def test_what_a_format_renders_it_reads_back_exactly(name: str, calls: list[ToolCall]) -> None:
    text = render(calls, name)
    answer = parse_answer(text, "stop", name, schemas(calls))
    assert list(answer.calls) == calls
    assert (answer.text, answer.untyped, answer.foreign, answer.truncated) == ("", 0, None, False)
    assert [call for call, _ in calls_with_ends(text, "stop", name, schemas(calls))] == calls


@pytest.mark.parametrize("name", NAMES)
def test_a_call_ends_with_the_last_character_that_makes_it_whole(name: str) -> None:
    text = render([F, G], name)
    first, second = calls_with_ends(text, "stop", name, schemas([F, G]))
    assert (first[0], second[0]) == (F, G)
    assert text.index("2026-01-05") < first[1] <= text.rindex("list_all") < second[1] <= len(text)
    assert F not in parse(text[: first[1] - 1], name, schemas([F, G]))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["3", "true", "null", "None", "it's", '"', "\n", "\\n", "]", "<", "{", "x, y=1", " a "])
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"\A[a-z]{1,5}\Z"), inner, max_size=3),
    max_leaves=6,
)
keys = st.from_regex(r"\A[a-z][a-z_0-9]{0,7}\Z")
made = st.lists(
    st.builds(ToolCall, name=st.sampled_from(["f", "get_it"]), arguments=st.dictionaries(keys, values, max_size=3)),
    min_size=1,
    max_size=1,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(calls=made)
def test_any_call_survives_the_round(name: str, calls: list[ToolCall]) -> None:
    assert parse(render(calls, name), name, schemas(calls)) == calls


X = {"find": {"type": "object", "properties": {"n": {"type": "integer"}, "t": {"type": "string"}}}}
QWEN = "<tool_call>\n<function=find>\n<parameter=n>\n{}\n</parameter>\n</function>\n</tool_call>"
GLM = "<tool_call>find\n<arg_key>n</arg_key>\n<arg_value>{}</arg_value>\n</tool_call>"
KIMI = "<|tool_call_begin|>functions.find:0<|tool_call_argument_begin|>{}<|tool_call_end|>"
HARMONY = "to=functions.find<|channel|>commentary json<|message|>{}"
V3 = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>find\n```json\n{}\n```<｜tool▁call▁end｜>"
V31 = "<｜tool▁call▁begin｜>find<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
V32 = (
    '<｜DSML｜function_calls>\n<｜DSML｜invoke name="find">\n'
    '<｜DSML｜parameter name="n" string="{}">{}</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
)
MINIMAX = '<minimax:tool_call>\n<invoke name="find">\n{}</invoke>\n</minimax:tool_call>'
LFM = "<|tool_call_start|>[{}]<|tool_call_end|>"
GEMMA = "<|tool_call>call:find{}<tool_call|>"

# Format, text -> for each attempt the call, or the reason why it is none.
MATRIX: dict[str, tuple[str, str, list[Any]]] = {
    "qwen: a number": ("qwen3_xml", QWEN.format("3"), [("find", {"n": 3})]),
    "qwen: no number": ("qwen3_xml", QWEN.format("three"), [("find", {"n": "three"})]),
    "qwen: without the block": ("qwen3_xml", QWEN[12:].format("3"), [("find", {"n": 3})]),
    "qwen: an open parameter": ("qwen3_xml", QWEN.format("3").replace("</parameter>", ""), ["bad_syntax"]),
    "qwen: an open function": ("qwen3_xml", QWEN.format("3").replace("</function>", ""), ["bad_syntax"]),
    "qwen: an open block": ("qwen3_xml", QWEN.format("3").removesuffix("</tool_call>"), [("find", {"n": 3})]),
    "qwen: text in a block": (
        "qwen3_xml",
        QWEN.format("3").replace("</function>", "</function> so"),
        ["trailing_text"],
    ),
    "qwen: text in a function": ("qwen3_xml", QWEN.format("3").replace("<param", "so <param"), ["trailing_text"]),
    "qwen: a parameter twice": (
        "qwen3_xml",
        QWEN.format("3\n</parameter>\n<parameter=n>\n4"),
        ["duplicate_key"],
    ),
    "qwen: an empty block": ("qwen3_xml", "<tool_call></tool_call> bye", ["bad_syntax"]),
    "qwen: a bad block before a good one": (
        "qwen3_xml",
        "<tool_call>\n<function=find>\n<parameter=n>\n1\n" + QWEN.format("3"),
        ["bad_syntax", ("find", {"n": 3})],
    ),
    "qwen: tags in a value": ("qwen3_xml", QWEN.format("<tool_call> <b>"), [("find", {"n": "<tool_call> <b>"})]),
    "glm: a number": ("glm45", GLM.format("3"), [("find", {"n": 3})]),
    "glm: an open value": ("glm45", GLM.format("3").replace("</arg_value>", ""), ["bad_syntax"]),
    "glm: text in a block": ("glm45", GLM.format("3").replace("<arg_key>", "so <arg_key>"), ["bad_syntax"]),
    "glm: no arguments": ("glm45", "<tool_call>find\n</tool_call>", [("find", {})]),
    "minimax: nothing closes": ("minimax_m2", MINIMAX.format("").split("</invoke>")[0], ["bad_syntax"]),
    "minimax: a bare name": ("minimax_m2", "<minimax:tool_call>find</minimax:tool_call>", ["bad_syntax"]),
    "v32: JSON": ("deepseek_v32", V32.format("false", "[1]"), [("find", {"n": [1]})]),
    "v32: text": ("deepseek_v32", V32.format("true", "3"), [("find", {"n": "3"})]),
    "v32: no JSON": ("deepseek_v32", V32.format("false", "[1"), ["invalid_json"]),
    "v32: twice in an object": ("deepseek_v32", V32.format("false", '{"a":1,"a":1}'), ["duplicate_key"]),
    "kimi: NaN": ("kimi_k2", KIMI.format('{"n": NaN}'), ["not_finite"]),
    "kimi: a list": ("kimi_k2", KIMI.format("[]"), ["bad_arguments"]),
    "kimi: two objects": ("kimi_k2", KIMI.format("{}{}"), ["trailing_text"]),
    "kimi: no number": ("kimi_k2", KIMI.format("{}").replace(":0", ""), ["bad_syntax"]),
    "harmony: no closing tag": ("openai", HARMONY.format('{"n": 3}'), [("find", {"n": 3})]),
    "harmony: leaked without its tags": ("openai", 'assistantcommentary to=functions.find json{"n":3}', ["bad_syntax"]),
    "harmony: half an object": ("openai", HARMONY.format('{"n": '), ["invalid_json"]),
    "v3: no fence": ("deepseek_v3", V3.format("{}").replace("```json\n", ""), ["bad_syntax"]),
    "v3: an open fence": ("deepseek_v3", V3.format("{}").replace("\n```<", "<"), ["trailing_text"]),
    "v31: of v3": ("deepseek_v31", V3.format("{}"), ["foreign_format"]),
    "v31: text behind": ("deepseek_v31", V31.format("{} so"), ["trailing_text"]),
    "mistral: new": ("mistral", '[TOOL_CALLS]find[ARGS]{"n": 3}', [("find", {"n": 3})]),
    "mistral: two, new": (
        "mistral",
        '[TOOL_CALLS]find[ARGS]{"n": 3}[TOOL_CALLS]find[CALL_ID]a1[ARGS]{}',
        [("find", {"n": 3}), ("find", {})],
    ),
    "mistral: an object": ("mistral", '[TOOL_CALLS]{"name": "find"}', ["bad_syntax"]),
    "mistral: an empty list": ("mistral", "[TOOL_CALLS] []", ["invalid_json"]),
    "mistral: an id": ("mistral", '[TOOL_CALLS] [{"name": "find", "id": "call00000"}]', [("find", {})]),
    "mistral: no id": ("mistral", '[TOOL_CALLS] [{"name": "find", "id": {"n": 3}}]', ["extra_key"]),
    "mistral: a key too many": ("mistral", '[TOOL_CALLS] [{"name": "find", "n": 3}]', ["extra_key"]),
    "mistral: text behind": ("mistral", '[TOOL_CALLS] [{"name": "find", "arguments": {}}] So.', [("find", {})]),
    "llama: parameters": ("llama3_json", '{"name": "find", "parameters": {"n": 3}}', [("find", {"n": 3})]),
    "llama: with its tag": ("llama3_json", '<|python_tag|>{"name": "find", "parameters": {}}', [("find", {})]),
    "llama: two": (
        "llama3_json",
        '{"name": "find", "parameters": {}}; {"name": "find", "parameters": {"n": 1}}',
        [("find", {}), ("find", {"n": 1})],
    ),
    "llama: both keys": ("llama3_json", '{"name": "find", "parameters": {}, "arguments": {}}', ["extra_key"]),
    "llama: a type": ("llama3_json", '{"type": "function", "name": "find", "parameters": {}}', [("find", {})]),
    "llama: no name": ("llama3_json", '{"n": 3}', ["no_name"]),
    "llama: text before": ("llama3_json", 'Sure: {"name": "find", "parameters": {}}', ["foreign_format"]),
    "llama: a built-in tool": ("llama3_json", '<|python_tag|>web.call(query="x")', ["not_an_object"]),
    "llama: in a fence": ("llama3_json", '```json\n{"name": "find", "parameters": {}}\n```', ["foreign_format"]),
    "python: a list": ("pythonic", "[find(n=3), find(t='a')]", [("find", {"n": 3}), ("find", {"t": "a"})]),
    "python: with text": ("pythonic", "Well [see (this)].", []),
    "python: a position": ("pythonic", "[find(3)]", ["bad_arguments"]),
    "python: a name for a value": ("pythonic", "[find(n=three)]", ["bad_syntax"]),
    "python: twice": ("pythonic", "[find(n=1, n=2)]", ["duplicate_key"]),
    "python: infinite": ("pythonic", "[find(n=1e999)]", ["not_finite"]),
    "python: nan": ("pythonic", "[find(n=nan)]", ["not_finite"]),
    "python: a sum": ("pythonic", "[find(n=1+2)]", ["bad_syntax"]),
    "python: half": ("pythonic", "[find(n=1", ["bad_syntax"]),
    "python: an open string": ("pythonic", "[find(t='a)]", ["bad_syntax"]),
    "python: escapes": ("pythonic", r"[find(t='\'\x41\u00e9\n\d')]", [("find", {"t": "'Aé\n\\d"})]),
    "python: too deep": ("pythonic", "[find(n=" + "[" * 80 + "]" * 80 + ")]", ["too_deep"]),
    "llama 4: with its tags": ("llama4_pythonic", "<|python_start|>[find(n=3)]<|python_end|>", [("find", {"n": 3})]),
    "lfm: an apostrophe unescaped": (
        "lfm2",
        LFM.format("find(t='O'Brien', n=3)"),
        [("find", {"t": "O'Brien", "n": 3})],
    ),
    "lfm: a line break unescaped": ("lfm2", LFM.format("find(t='a\nb')"), [("find", {"t": "a\nb"})]),
    "lfm: text behind": ("lfm2", LFM.format("find()] so ["), ["trailing_text"]),
    "lfm: no list": ("lfm2", "<|tool_call_start|>find()<|tool_call_end|>", ["bad_syntax"]),
    "olmo: lines": (
        "olmo3",
        "<function_calls>find(n=1)\nfind(n=2)</function_calls>",
        [("find", {"n": 1}), ("find", {"n": 2})],
    ),
    "gemma: text": ("gemma4", GEMMA.format('{t:<|"|>a,b}<|"|>,n:3}'), [("find", {"t": "a,b}", "n": 3})]),
    "gemma: bare text": ("gemma4", GEMMA.format("{t:hello}"), ["bad_syntax"]),
    "gemma: twice": ("gemma4", GEMMA.format("{n:1,n:2}"), ["duplicate_key"]),
    "gemma: half": ("gemma4", GEMMA.format("{n:1"), ["bad_syntax"]),
    "gemma: NaN": ("gemma4", GEMMA.format("{n:NaN}"), ["not_finite"]),
    "gemma: an open string": ("gemma4", '<|tool_call>call:find{t:<|"|>a}<tool_call|>', ["bad_syntax"]),
    "granite 20b": ("granite-20b-fc", '<function_call> {"name": "find", "arguments": {}}', [("find", {})]),
    "phi": ("phi4_mini_json", 'functools[{"name": "find", "arguments": {"t": "]"}}]', [("find", {"t": "]"})]),
    "hunyuan: an object": ("hunyuan_a13b", '<tool_calls>{"name": "find"}</tool_calls>', ["bad_syntax"]),
    "xlam: under tool_calls": (
        "xlam",
        '\n{"tool_calls": [{"name": "find", "arguments": {"n": 3}}]}',
        [("find", {"n": 3})],
    ),
}


@pytest.mark.parametrize("case", MATRIX)
def test_each_attempt_is_read_as_its_format_writes(case: str) -> None:
    name, text, expected = MATRIX[case]
    assert seen(parse(text, name, X)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_an_attempt_cut_by_the_token_limit_is_truncated_or_was_complete(name: str) -> None:
    text = render([F], name)
    ((_, end),) = calls_with_ends(text, "stop", name, schemas([F]))
    for cut in range(end - 1, end - 30, -3):
        answer = parse_answer(text[:cut], "length", name, schemas([F]))
        assert F not in answer.calls
        assert answer.truncated
        assert answer.attempts == 1


TYPES = {"properties": {"s": {"type": "string"}, "i": {"type": "integer"}, "b": {"type": "boolean"}, "a": {}}}
UNIONS = {
    "properties": {
        "i": {"type": ["string", "integer"]},
        "b": {"anyOf": [{"$ref": "#/$defs/flag"}, {"type": "null"}]},
        "s": {"enum": ["1", 2]},
    },
    "$defs": {"flag": {"type": "boolean"}},
}


@pytest.mark.parametrize(
    ("schema", "key", "text", "value", "untyped"),
    [
        (TYPES, "s", "3", "3", 0),
        (TYPES, "s", "null", "null", 0),
        (TYPES, "i", "3", 3, 0),
        (TYPES, "i", "3.5", 3.5, 0),
        (TYPES, "b", "True", True, 0),
        (TYPES, "b", "1", "1", 0),
        (TYPES, "a", "3", "3", 1),
        (TYPES, "unknown", "3", "3", 1),
        (None, "i", "3", "3", 1),
        (UNIONS, "i", "3", "3", 1),
        (UNIONS, "i", "three", "three", 0),
        (UNIONS, "b", "false", False, 0),
        (UNIONS, "b", "null", None, 0),
        (UNIONS, "s", "1", "1", 0),
        (UNIONS, "s", "2", 2, 0),
    ],
)
def test_a_value_written_as_text_has_the_type_that_the_schema_says(
    schema: dict[str, Any] | None, key: str, text: str, value: Any, untyped: int
) -> None:
    written = render([ToolCall(name="f", arguments={key: text})], "glm45")
    answer = parse_answer(written, None, "glm45", {"f": schema} if schema else None)
    (call,) = answer.calls
    assert isinstance(call, ToolCall)
    assert call.arguments == {key: value}
    assert type(call.arguments[key]) is type(value)
    assert answer.untyped == untyped


SAME = [  # what the second writes is what the first writes, too
    {"pythonic", "llama4_pythonic"},
]
TOOLS = schemas([F, G])


@pytest.mark.parametrize("scored", NAMES)
@pytest.mark.parametrize("written", NAMES)
def test_a_call_in_another_notation_is_a_foreign_attempt_and_never_silence(written: str, scored: str) -> None:
    if written == scored or {written, scored} in SAME:
        return
    for tools in (TOOLS, None):
        answer = parse_answer(render([F], written), "stop", scored, tools)
        assert [call.reason for call in answer.calls if isinstance(call, MalformedCall)] == ["foreign_format"]
        assert answer.attempts == 1
        assert answer.foreign is not None


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ('{"name": "find", "arguments": {}}\n</tool_call>', "json"),
        ('Sure.\n```json\n{"arguments": {}, "name": "find"}\n```', "json"),
        ('[{"name": "find", "parameters": {"n": 1}}]', "json"),
        ('{"name": "find", "arguments": {"n": 1', "json"),
        ('<functioncall> {"name": "find", "arguments": \'{}\'}', "functioncall"),
        ("<TOOLCALL>[]</TOOLCALL>", "toolcall"),
        ("Thought: so.\nAction: find\nAction Input: {}", "react"),
        ("find(n=3)", "pythonic"),
        ("Sure! [find(n=3)]", "pythonic"),
        ("Sure!\n```python\nfind(n=3)\n```", "pythonic"),
        ("<function=find>{}</function>", "qwen3_xml"),
    ],
)
def test_known_ways_to_miss_the_format_are_attempts(text: str, foreign: str) -> None:
    answer = parse_answer(text, "stop", "hermes", TOOLS)
    assert seen(list(answer.calls)) == ["foreign_format"]
    assert answer.foreign == foreign


def test_the_end_of_the_turn_is_no_text() -> None:
    assert parse_answer("Hello.<|im_end|>\n").text == "Hello."
    assert parse_answer(render([F], "llama3_json") + "<|eom_id|>", "stop", "llama3_json").text == ""


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Ada", "age": 3}',
        '```json\n{"x": 1}\n```',
        "find it (soon)",
        "[link](to) and [x]",
        "a {b} c",
        "f(x) = 3",
    ],
)
@pytest.mark.parametrize("name", ["hermes", "mistral", "pythonic", "qwen3_xml"])
def test_ordinary_text_is_no_attempt(text: str, name: str) -> None:
    answer = parse_answer(text, "stop", name, TOOLS)
    assert (answer.attempts, answer.text, answer.foreign) == (0, text, None)


THOUGHTS = {
    "hermes": "<think>\n{}\n</think>\n\n",
    "qwen3_xml": "\n{}\n</think>\n\n",
    "mistral": "[THINK]{}[/THINK]",
    "seed_oss": "<seed:think>{}</seed:think>",
    "gemma4": "<|channel>thought\n{}<channel|>",
    "openai": "<|channel|>analysis<|message|>{}<|end|><|start|>assistant",
    "muse_glimmer": " to=self<|message|>{}<|eom|><|start|>assistant",
    "llama3_json": "<think>{}</think>",
}


@pytest.mark.parametrize("name", THOUGHTS)
def test_calls_in_thinking_do_not_count_but_are_kept_apart(name: str) -> None:
    text = THOUGHTS[name].format("I might: " + render([G], name)) + render([F], name)
    answer = parse_answer(text, "stop", name, TOOLS)
    assert list(answer.calls) == [F]
    assert answer.thinking.startswith("I might:")
    assert answer.text == ""
    if name != "llama3_json":  # bare JSON behind words is none of its own
        assert list(answer.thought_calls) == [G]


def test_a_closing_think_tag_inside_a_call_is_text() -> None:
    call = ToolCall(name="find", arguments={"t": "a</think>b"})
    assert parse(render([call])) == [call]


@pytest.mark.parametrize(
    ("text", "attempts"),
    [
        ('{"name": "find", "arguments": {}}', 1),
        ('{"name": "find", "parameters": "{}"}', 1),
        ('{"name": "Bern", "population": 130000}', 0),
        ('{"name": "find", "arguments": [1]}', 0),
        ('{"arguments": {}}', 0),
    ],
)
def test_without_tools_bare_json_is_an_attempt_if_it_has_the_keys_of_a_call(text: str, attempts: int) -> None:
    assert parse_answer(text, "stop").attempts == attempts
    assert parse_answer(text, "stop", tools={"other": {}}).attempts == 0


UNITS = {"{", '"', "[", "'", "<", "<parameter=", "<arg_key>", '{"name": "find", ', "[find(n='", "\n", " "}


def seconds(unit: str, size: int, name: str) -> float:
    text = unit * (size // len(unit))
    started = time.process_time()
    parse_answer(text, "length", name, TOOLS)
    return time.process_time() - started


@pytest.mark.parametrize("name", NAMES)
def test_five_megabytes_of_what_opens_anything_take_about_a_second(name: str) -> None:
    for opening in (*FORMATS[name].openings, "{", '"', "[", "<parameter="):
        assert seconds(opening, 5_000_000, name) < 2.5, opening


@pytest.mark.parametrize("name", NAMES)
def test_half_a_megabyte_of_anything_takes_a_tenth_of_that(name: str) -> None:
    for unit in sorted(UNITS | {FORMATS[name].openings[0] + "{", render([G], name)[:-4]}):
        assert seconds(unit, 500_000, name) < 1.5, unit


TAGS = {tag for form in FORMATS.values() for tag in form.openings + form.wrappers}
WORDS = {"find", "}", ")", "</parameter>", "</function>", "</tool_call>", "n=1", "null", "</think>"}
mixtures = st.lists(st.sampled_from(sorted(UNITS | TAGS | WORDS)), max_size=12).map("".join)


@given(mixtures, st.sampled_from(NAMES), st.sampled_from(["stop", "length"]))
@settings(max_examples=300, deadline=None)
def test_no_text_makes_any_reader_raise(text: str, name: str, finish_reason: str) -> None:
    answer = parse_answer(text, finish_reason, name, TOOLS)
    assert len(answer.calls) == answer.attempts
    assert type(answer).model_validate_json(answer.model_dump_json()) == answer
