"""Chat completions as gateways and servers vary them: read as meant, or refused with the server's words."""

import json
from typing import Any

import pytest

from callproof.calls import Completion, NoCompletion, StreamedCompletion

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": "1"}'}}


def completion(finish_reason: str | None = "stop", **message: Any) -> Completion:
    return Completion.of_value({"choices": [{"index": 0, "finish_reason": finish_reason, "message": message}]})


def streamed(*deltas: dict[str, Any], finish_reason: str = "stop") -> StreamedCompletion:
    stream = StreamedCompletion()
    for delta in deltas:
        stream.add_value({"choices": [{"index": 0, "delta": delta}]})
    stream.add_value({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
    return stream


def piece(index: int | None, arguments: str, name: str | None = None, call_id: str | None = None) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]}


def functions(stream: StreamedCompletion) -> list[tuple[str, Any]]:
    calls = stream.completion().tool_calls or ()
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


@pytest.mark.parametrize(
    ("content", "text", "thinking"),
    [
        ([{"type": "text", "text": "Let me "}, {"type": "text", "text": "look."}], "Let me look.", ""),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hi"}],
            "Hi",
            "hm",
        ),
        ([{"type": "thinking", "thinking": "hm"}, "Hi"], "Hi", "hm"),
        ([{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "Hi"}], "Hi", "hm"),
        ([{"type": "text", "text": "Hi"}, {"type": "reference", "reference_ids": [1]}], "Hi", ""),
        ([], "", ""),
        (None, "", ""),
    ],
)
def test_content_may_be_a_list_of_parts(content: Any, text: str, thinking: str) -> None:
    answer = completion(content=content)
    assert (answer.text, answer.thinking) == (text, thinking)
    stream = streamed({"content": content}).completion()
    assert (stream.text, stream.thinking) == (text, thinking)


@pytest.mark.parametrize(
    "content", [[{"type": "image_url", "image_url": "x"}], [5], [{"type": "tool_use", "name": "f"}], 5]
)
def test_a_part_that_is_no_text_is_refused(content: Any) -> None:
    with pytest.raises(NoCompletion, match="content"):
        completion(content=content)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_thinking_beside_the_text_is_kept_apart(key: str) -> None:
    assert completion(content="Hi", **{key: "hm"}).thinking == "hm"
    assert streamed({key: "h"}, {key: "m"}, {"content": "Hi"}).completion().thinking == "hm"


def test_thinking_under_two_keys_is_taken_once() -> None:
    assert completion(content="Hi", reasoning_content="hm", reasoning="hm").thinking == "hm"


def test_a_refusal_is_kept() -> None:
    assert completion(refusal="No.").refusal == "No."
    assert streamed({"refusal": "N"}, {"refusal": "o."}).completion().refusal == "No."


def test_of_several_choices_the_one_of_index_0_is_taken() -> None:
    choices = [{"index": 1, "message": {"content": "no"}}, {"index": 0, "message": {"content": "yes"}}]
    assert Completion.of_value({"choices": choices}).text == "yes"
    stream = StreamedCompletion()
    for index, text in ((1, "no"), (0, "y"), (1, "no"), (0, "es")):
        stream.add_value({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]})
    assert stream.completion().text == "yes"


def test_the_older_function_call_is_a_tool_call() -> None:
    answer = completion("function_call", function_call={"name": "f", "arguments": "{}"})
    assert answer.tool_calls == ({"type": "function", "function": {"name": "f", "arguments": "{}"}},)
    deltas = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    assert functions(streamed(*deltas)) == [("f", "{}")]
    assert completion(tool_calls=[CALL], function_call=None).tool_calls == (CALL,)


def test_calls_of_one_index_are_told_apart_by_their_ids() -> None:
    stream = streamed(piece(0, '{"x": ', "f", "a"), piece(0, "1}"), piece(0, '{"x": ', "g", "b"), piece(0, "2}"))
    assert functions(stream) == [("f", '{"x": 1}'), ("g", '{"x": 2}')]
    interleaved = streamed(
        piece(0, "", "f", "a"), piece(0, "", "g", "b"), piece(0, "1", None, "a"), piece(0, "2", None, "b")
    )
    assert functions(interleaved) == [("f", "1"), ("g", "2")]


def test_pieces_of_one_call_may_repeat_its_id_or_leave_out_its_index() -> None:
    assert functions(streamed(piece(0, "{", "f", "a"), piece(0, "}", None, "a"))) == [("f", "{}")]
    assert functions(streamed(piece(None, "{", "f", "a"), piece(None, "}"))) == [("f", "{}")]
    assert functions(streamed(piece(1, "1", "g", "b"), piece(0, "0", "f", "a"))) == [("f", "0"), ("g", "1")]


def test_streamed_arguments_may_be_an_object_and_nothing_else_is_lost() -> None:
    assert functions(streamed({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"x": 1}}}]})) == [
        ("f", {"x": 1})
    ]
    with pytest.raises(NoCompletion, match="its arguments is list"):
        streamed({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": [1]}}]})


def test_events_that_give_only_the_role_or_the_finish_reason_are_no_pieces() -> None:
    stream = streamed(
        {"role": "assistant", "content": ""}, {"reasoning": "hm"}, {"content": "Hi"}, piece(0, "", "f", "a")
    )
    assert (stream.pieces, len(stream.texts)) == (3, 5)


@pytest.mark.parametrize(
    ("body", "words", "again"),
    [
        ({"error": {"message": "out of memory", "code": 500}}, "out of memory", True),
        ({"error": {"message": "too long", "code": 400}}, "too long", False),
        ({"error": {"message": "slow down", "code": "429"}}, "slow down", True),
        ({"error": "overloaded"}, "overloaded", True),
        ({"object": "error", "message": "no such model", "code": 404}, "no such model", False),
        ({"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "upstream"}}]}, "upstream", True),
        ({"choices": [{"finish_reason": "abort", "message": {"content": "Hel"}}]}, "'abort'", True),
        ({"choices": [], "detail": "no worker"}, "no worker", False),
    ],
)
def test_a_failure_in_a_body_of_status_200_keeps_the_words_of_the_server(body: Any, words: str, again: bool) -> None:
    with pytest.raises(NoCompletion, match=words) as error:
        Completion.of_value(body)
    assert error.value.again == again


def test_a_stream_that_ends_in_an_abort_is_no_answer() -> None:
    with pytest.raises(NoCompletion, match="abort") as error:
        streamed({"content": "Hel"}, finish_reason="abort")
    assert error.value.again


def test_an_error_that_is_null_is_none() -> None:
    assert (
        Completion.of_body(json.dumps({"error": None, "choices": [{"message": {"content": "x"}}]}).encode()).text == "x"
    )


@pytest.mark.parametrize(
    ("ending", "tokens"),
    [
        ({"finish_reason": "stop"}, (5, 6)),
        ({"finish_reason": "stop", "stop_reason": 7}, (5, 6)),
        ({"finish_reason": "stop", "stop_reason": "END"}, (5, 6, 7)),
        ({"finish_reason": "length"}, (5, 6, 7)),
        ({"finish_reason": "stop", "token_ids": "567"}, None),
    ],
)
def test_the_token_that_ends_an_answer_is_none_of_its_tokens(ending: dict[str, Any], tokens: Any) -> None:
    whole = {"message": {"content": "x"}, "token_ids": [5, 6, 7], **ending}
    assert Completion.of_value({"choices": [whole]}).tokens == tokens
    streamed = StreamedCompletion()
    if tokens is not None:
        streamed.add_value({"choices": [{"index": 0, "delta": {"content": "x"}, "token_ids": [5, 6]}]})
    last = {"index": 0, "delta": {}, "token_ids": [7], **ending}
    streamed.add_value({"choices": [last]})
    assert streamed.completion().tokens == tokens
