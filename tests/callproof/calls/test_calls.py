import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from callproof.calls import MAX_DEPTH, MalformedCall, ToolCall, parse, parse_answer, parse_served, render, writable

CALL = '<tool_call>{"name": "book", "arguments": {"day": "Friday"}}</tool_call>'
BOOK = ("book", {"day": "Friday"})


def with_arguments(arguments: str) -> str:
    return f'<tool_call>{{"name": "x", "arguments": {arguments}}}</tool_call>'


# What the model wrote -> for each attempt the call as (name, arguments), or the reason why it is none.
MATRIX: dict[str, tuple[str, list[Any]]] = {
    "one call": (CALL, [BOOK]),
    "the form of the chat template": ('<tool_call>\n{"name": "x", "arguments": {}}\n</tool_call>', [("x", {})]),
    "white space of every kind": ('<tool_call> \t\r\n{ "name" :\n"x" } \n </tool_call>', [("x", {})]),
    "no arguments": ('<tool_call>{"name": "x"}</tool_call>', [("x", {})]),
    "empty arguments": (with_arguments("{}"), [("x", {})]),
    "arguments before the name": ('<tool_call>{"arguments": {"a": 1}, "name": "x"}</tool_call>', [("x", {"a": 1})]),
    "further keys": ('<tool_call>{"id": "1", "name": "x"}</tool_call>', ["extra_key"]),
    "parameters for arguments": ('<tool_call>{"name": "x", "parameters": {"a": 1}}</tool_call>', ["extra_key"]),
    "flat arguments": ('<tool_call>{"name": "x", "a": 1}</tool_call>', ["extra_key"]),
    "an escape before a tag in a string": (
        with_arguments('{"t": "\\u00e9<tool_call>\\u00e9</tool_call>"}'),
        [("x", {"t": "é<tool_call>é</tool_call>"})],
    ),
    "tags in the strings of a refused call": (
        with_arguments('{"t": "<tool_call>{}</tool_call>", "t": 1}'),
        ["duplicate_key"],
    ),
    "tags in the strings before an error": (with_arguments('{"t": "<tool_call>{}</tool_call>",}'), ["invalid_json"]),
    "several blocks": (CALL + "\n" + CALL, [BOOK, BOOK]),
    "text before, between and after": (f"Sure. {CALL} And {CALL} done", [BOOK, BOOK]),
    "arguments as a JSON string": (with_arguments('"{\\"a\\": 1}"'), [("x", {"a": 1})]),
    "arguments encoded twice": (with_arguments('"\\"{}\\""'), ["bad_arguments"]),
    "arguments as an empty string": (with_arguments('""'), ["bad_arguments"]),
    "arguments as a list": (with_arguments("[]"), ["bad_arguments"]),
    "arguments null": (with_arguments("null"), ["bad_arguments"]),
    "unclosed at the end": (CALL.removesuffix("</tool_call>"), [BOOK]),
    "unclosed before another": (CALL.removesuffix("</tool_call>") + CALL, [BOOK, BOOK]),
    "unclosed with text after it": (CALL.removesuffix("</tool_call>") + " Done.", ["trailing_text"]),
    "end tag in a string": (with_arguments('{"t": "</tool_call>"}'), [("x", {"t": "</tool_call>"})]),
    "both tags in strings": (
        with_arguments('{"t": ["<tool_call>", "\\"</tool_call>", "<tool_call>{"]}') + CALL,
        [("x", {"t": ["<tool_call>", '"</tool_call>', "<tool_call>{"]}), BOOK],
    ),
    "think before": (f"<think>I should call {CALL}</think>{CALL}", [BOOK]),
    "think after white space": (f"\n <think>\n{CALL}\n</think>\n\nHello", []),
    "two thoughts": (f"<think>a</think> <think>{CALL}</think>{CALL}", [BOOK]),
    "think that never ends": (f"<think>{CALL}", []),
    "end tag alone": ("Hello</tool_call>", []),
    "no call": ("Hello, how can I help?", []),
    "nothing": ("", []),
    "empty block": ("<tool_call></tool_call>", ["not_an_object"]),
    "prose in a block": ("<tool_call>book Friday</tool_call>", ["not_an_object"]),
    "list in a block": ('<tool_call>[{"name": "x"}]</tool_call>', ["not_an_object"]),
    "string in a block": ('<tool_call>"x"</tool_call>', ["not_an_object"]),
    "opening tag alone": ("<tool_call>", ["not_an_object"]),
    "opening tags alone": ("<tool_call><tool_call>", ["not_an_object", "not_an_object"]),
    "half an object": ('<tool_call>{"name": "x", "argum', ["invalid_json"]),
    "brace too few": (with_arguments("{"), ["invalid_json"]),
    "brace too many": ('<tool_call>{"name": "x"}}</tool_call>', ["trailing_text"]),
    "two objects in a block": ('<tool_call>{"name": "x"}\n{"name": "y"}</tool_call>', ["trailing_text"]),
    "single quotes": ("<tool_call>{'name': 'x'}</tool_call>", ["invalid_json"]),
    "comma at the end": ('<tool_call>{"name": "x",}</tool_call>', ["invalid_json"]),
    "line break in a string": ('<tool_call>{"name": "x\n"}</tool_call>', ["invalid_json"]),
    "invalid escape": ('<tool_call>{"name": "\\x"}</tool_call>', ["invalid_json"]),
    "a bad block between good ones": (CALL + "<tool_call>{</tool_call>" + CALL, [BOOK, "invalid_json", BOOK]),
    "duplicate key": ('<tool_call>{"name": "x", "name": "y"}</tool_call>', ["duplicate_key"]),
    "duplicate argument": (with_arguments('{"a": 1, "a": 1}'), ["duplicate_key"]),
    "duplicate in a string": (with_arguments('"{\\"a\\": 1, \\"a\\": 1}"'), ["duplicate_key"]),
    "NaN": (with_arguments('{"a": NaN}'), ["not_finite"]),
    "Infinity": (with_arguments('{"a": [-Infinity]}'), ["not_finite"]),
    "a float beyond floats": (with_arguments('{"a": 1e999}'), ["not_finite"]),
    "an endless integer": (with_arguments('{"a": ' + "9" * 5000 + "}"), ["number_too_long"]),
    "an integer beyond 64 bits": (with_arguments('{"a": 12345678901234567890}'), [("x", {"a": 12345678901234567890})]),
    "no name": ('<tool_call>{"arguments": {}}</tool_call>', ["no_name"]),
    "empty name": ('<tool_call>{"name": ""}</tool_call>', ["no_name"]),
    "name of another type": ('<tool_call>{"name": 5}</tool_call>', ["no_name"]),
    "empty object": ("<tool_call>{}</tool_call>", ["no_name"]),
    "nested beyond Python": (with_arguments('{"a": ' + "[" * 5000 + "]" * 5000 + "}"), ["too_deep"]),
    "nested beyond the limit": (with_arguments('{"a": ' + "[" * 63 + "]" * 63 + "}"), ["too_deep"]),
    "lone surrogate": (with_arguments('{"a": "\\ud83d"}'), [("x", {"a": "\ufffd"})]),
    "surrogate pair": (with_arguments('{"a": "\\ud83d\\ude00"}'), [("x", {"a": "😀"})]),
    "keys that surrogates make equal": (with_arguments('{"\\ud800": 1, "\\ud801": 2}'), ["duplicate_key"]),
}


def _seen(call: ToolCall | MalformedCall) -> Any:
    return (call.name, call.arguments) if isinstance(call, ToolCall) else call.reason


@pytest.mark.parametrize("case", MATRIX)
def test_each_attempt_is_read_as_the_rules_say(case: str) -> None:
    text, expected = MATRIX[case]
    assert [_seen(call) for call in parse(text)] == expected
    assert parse_answer(text).attempts == len(expected)


@pytest.mark.parametrize("case", MATRIX)
def test_malformed_calls_keep_their_raw_text(case: str) -> None:
    text, _ = MATRIX[case]
    for call in parse(text):
        if isinstance(call, MalformedCall):
            assert call.text.startswith("<tool_call>")
            assert call.text in text


def test_text_beside_calls_is_kept_without_thinking() -> None:
    assert parse_answer(f"<think>hm</think> Sure. {CALL} Done. ").text == "Sure.  Done."


@pytest.mark.parametrize("cut", ['{"name": "x"}', '{"name": "x", "arg', "", '{"name": "x"} and'])
def test_an_open_block_cut_by_the_token_limit_is_never_repaired(cut: str) -> None:
    answer = parse_answer(f"{CALL} <tool_call>{cut}", "length")
    assert answer.truncated
    assert [_seen(call) for call in answer.calls] == [BOOK, "truncated"]
    assert answer.attempts == 2
    assert answer.unclosed == 0
    assert isinstance(last := answer.calls[-1], MalformedCall)
    assert last.text == f"<tool_call>{cut}"


@pytest.mark.parametrize(
    "text", [CALL, f"{CALL} and then", "prose that is cut", CALL.removesuffix("</tool_call>") + CALL]
)
def test_the_token_limit_outside_a_block_truncates_no_call(text: str) -> None:
    answer = parse_answer(text, "length")
    assert not answer.truncated
    assert all(isinstance(call, ToolCall) for call in answer.calls)


@pytest.mark.parametrize("finish_reason", ["length", "stop", None])
def test_thinking_that_never_ends_is_truncated_and_attempts_nothing(finish_reason: str | None) -> None:
    answer = parse_answer(f"<think>{CALL}", finish_reason)
    assert (answer.truncated, answer.attempts, answer.calls, answer.text) == (True, 0, (), "")


def test_accepted_oddities_are_counted() -> None:
    text = '<tool_call>{"name": "x", "arguments": "{}"}<tool_call>{"name": "y"}'
    answer = parse_answer(text, "stop")
    assert (answer.unclosed, answer.decoded_strings) == (2, 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
hard_text = st.lists(
    st.sampled_from(
        [
            "<tool_call>",
            "</tool_call>",
            "<think>",
            "</think>",
            CALL,
            "\ud800",
            "\\ud800",
            "NaN",
            '"name"',
            '"arguments"',
            '"x"',
            *'{}"[]\\:, \n1é',
        ]
    ),
    max_size=40,
).map("".join)
calls = st.lists(
    st.builds(ToolCall, name=st.text(min_size=1), arguments=st.dictionaries(st.text(), json_values, max_size=4)),
    max_size=4,
)


@given(calls)
def test_what_is_rendered_is_read_back(made: list[ToolCall]) -> None:
    assert parse(render(made)) == made


@given(calls)
def test_what_is_accepted_survives_another_round(made: list[ToolCall]) -> None:
    read = [call for call in parse(f"Hello {render(made)} bye") if isinstance(call, ToolCall)]
    assert parse(render(read)) == read


@given(hard_text | st.text(), st.sampled_from([None, "stop", "length"]))
def test_no_text_makes_the_parser_raise_or_write_what_utf8_cannot_hold(text: str, finish_reason: str | None) -> None:
    answer = parse_answer(text, finish_reason)
    assert len(answer.calls) == answer.attempts
    assert type(answer).model_validate_json(answer.model_dump_json()) == answer


N = 5_000_000
HOSTILE = {
    "opening tags": "<tool_call>" * (N // 11),
    "braces": "{" * N,
    "braces in a block": "<tool_call>" + "{" * N,
    "braces in blocks": "<tool_call>{" * (N // 24),
    "keys": "<tool_call>" + '{"a":' * (N // 5),
    "quotes": '<tool_call>{"name":' + '"' * N,
    "quotes in blocks": '<tool_call>"' * (N // 12),
    "backslashes": '<tool_call>{"name":"' + "\\" * N,
    "brackets": '<tool_call>{"a":' + "[" * N,
    "brackets in blocks": ('<tool_call>{"a":' + "[" * 3000) * (N // 3016),
    "end tags in a string": '<tool_call>{"name":"' + "</tool_call>" * (N // 12) + '"}</tool_call>',
    "end tags in strings": '<tool_call>{"name":["' + '</tool_call>","' * (N // 15) + '"]}</tool_call>',
    "digits": '<tool_call>{"name":"a","arguments":{"a":' + "1" * N + "}}</tool_call>",
    "line breaks before bad blocks": "\n" * N + "<tool_call>{" * 10_000,
    "thoughts": "<think></think>" * (N // 15),
    "blank": ("<tool_call>" + " " * 1000) * (N // 1011),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_five_megabytes_of_anything_take_less_than_a_second(case: str) -> None:
    started = time.process_time()
    parse_answer(HOSTILE[case], "length")
    assert time.process_time() - started < 3.0  # a second, on a machine three times slower


@pytest.mark.parametrize(
    "unit", ['<tool_call>{"', '<tool_call>["<tool_call>{",', '<tool_call>{"a":"', '<tool_call>{"</tool_call>']
)
def test_twice_the_text_takes_about_twice_the_time(unit: str) -> None:
    def seconds(count: int) -> float:
        started = time.process_time()
        parse_answer(unit * count)
        return time.process_time() - started

    assert min(seconds(40_000) for _ in range(2)) < 4 * max(min(seconds(20_000) for _ in range(2)), 0.02)


def test_the_servers_own_calls_are_read_as_a_client_gets_them() -> None:
    served: list[dict[str, Any]] = [
        {"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"day": "Friday"}'}},
        {"id": "2", "type": "function", "function": {"name": "list", "arguments": ""}},
        {"id": "3", "type": "function", "function": {"name": "list", "arguments": "{"}},
        {"id": "4"},
    ]
    answer = parse_served(served, "text")
    assert [_seen(call) for call in answer.calls] == [BOOK, ("list", {}), "bad_arguments", "no_name"]
    assert (answer.attempts, answer.decoded_strings, answer.text) == (4, 0, "text")


def test_a_block_that_the_server_left_in_the_text_is_a_failed_attempt() -> None:
    answer = parse_served([], f"Hm {CALL}")
    assert [_seen(call) for call in answer.calls] == ["left_in_text"]
    assert answer.attempts == 1


def test_served_arguments_cut_by_the_token_limit_are_truncated() -> None:
    answer = parse_served([{"function": {"name": "x", "arguments": '{"a": '}}], "", "length")
    assert answer.truncated
    assert [_seen(call) for call in answer.calls] == ["truncated"]


@given(st.lists(st.dictionaries(st.sampled_from(["function", "id"]), json_values)), st.text())
def test_no_served_calls_make_the_parser_raise(served: list[dict[str, Any]], text: str) -> None:
    assert len(parse_served(served, text).calls) >= len(served)


@pytest.mark.parametrize("arguments", ["{", "[]", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 10_000])
def test_recorded_arguments_follow_the_same_rules(arguments: str) -> None:
    with pytest.raises(ValidationError):
        ToolCall.model_validate({"function": {"name": "x", "arguments": arguments}})


def test_recorded_arguments_nested_too_deep_are_an_error_not_a_crash() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH + 1):
        deep = {"a": deep}
    with pytest.raises(ValidationError, match="nested deeper"):
        ToolCall(name="x", arguments=deep)


def test_surrogates_that_form_a_pair_are_joined() -> None:
    assert writable("\ud83d\ude00 \ud83d") == "😀 \ufffd"
