import json
import time
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from callproof.calls import ToolCall, render
from callproof.errors import UserError
from callproof.scoring import LABELS, Answer, Outcome, judge
from callproof.scoring.counts import Counts, contradiction
from callproof.scoring.outcomes import MAX_REASONS
from callproof.turns import GoldCall, Turn, catalog_of

BOOK: dict[str, Any] = {
    "type": "object",
    "properties": {"day": {"type": "string", "format": "date"}, "seats": {"type": "integer", "default": 1}, "note": {}},
    "required": ["day"],
    "additionalProperties": False,
}
TOOLS: tuple[dict[str, Any], ...] = (
    {"type": "function", "function": {"name": "book", "description": "Book.", "parameters": BOOK}},
    {"type": "function", "function": {"name": "now"}},
)
GOLD = GoldCall(name="book", arguments={"day": "2026-03-06"})
NOW = GoldCall(name="now")


def turn(*gold: GoldCall, **more: Any) -> Turn:
    message = {"role": "user", "content": "Friday?"}
    given: dict[str, Any] = {"turn_id": "s/1", "session_id": "s", "position": 1, "messages": (message,), "tools": TOOLS}
    return Turn(gold=gold, **{**given, **more})


def judged(asked: Turn, text: str, finish_reason: str = "stop", **more: Any) -> Outcome:
    return judge(asked, Answer(text=text, finish_reason=finish_reason, **more), "m", catalog_of(asked))


def block(inside: str) -> str:
    return f"<tool_call>{inside}</tool_call>"


def call(name: str, **arguments: Any) -> str:
    return render([ToolCall(name=name, arguments=arguments)])


BOOKED = call("book", day="2026-03-06")
FOREIGN = '[TOOL_CALLS] [{"name": "book", "arguments": {"day": "2026-03-06"}}]'

# gold, text, finish reason -> all labels, the primary one first
MATRIX: dict[str, tuple[tuple[GoldCall, ...], str, str, list[str]]] = {
    "the gold call": ((GOLD,), BOOKED, "stop", ["ok"]),
    "the default written out": ((GOLD,), call("book", day="2026-03-06", seats=1), "stop", ["ok"]),
    "text beside the call": ((GOLD,), f"Sure. {BOOKED}", "stop", ["ok"]),
    "no call, rightly": ((), "Hello!", "stop", ["ok"]),
    "a call only while thinking": ((), f"<think>{BOOKED}</think>Hello", "stop", ["ok", "thought_call"]),
    "nothing at all": ((), "", "stop", ["empty"]),
    "white space alone": ((), " \n", "stop", ["empty"]),
    "nothing where a call belongs": ((GOLD,), "", "stop", ["missed_call", "empty"]),
    "nothing but thinking": ((), "<think>hm</think>\n", "stop", ["empty"]),
    "nothing but a call while thinking": (
        (GOLD,),
        f"<think>{BOOKED}</think>",
        "stop",
        ["missed_call", "empty", "thought_call"],
    ),
    "nothing before the limit": ((), "", "length", ["truncated"]),
    "nothing before the limit, call expected": ((GOLD,), "", "length", ["truncated", "missed_call"]),
    "nothing, by the content filter": ((), "", "content_filter", ["empty", "content_filter"]),
    "text, by the content filter": ((), "Hello", "content_filter", ["ok", "content_filter"]),
    "the server gives up": ((), "Hel", "abort", ["infra_error"]),
    "the server fails after the call": ((GOLD,), BOOKED, "error", ["infra_error"]),
    "another notation": ((GOLD,), FOREIGN, "stop", ["parse_error"]),
    "another notation where no call belongs": ((), FOREIGN, "stop", ["hallucinated_call"]),
    "another notation beside the right call": ((GOLD,), BOOKED + FOREIGN, "stop", ["parse_error"]),
    "prose cut by the limit": ((), "Hello and", "length", ["ok"]),
    "parallel calls in another order": ((GOLD, NOW), call("now") + BOOKED, "stop", ["ok"]),
    "two equal calls": ((NOW, NOW), call("now") + call("now"), "stop", ["ok"]),
    "cut call": ((GOLD,), BOOKED[:20], "length", ["truncated"]),
    "cut call where none belongs": ((), BOOKED[:20], "length", ["truncated", "hallucinated_call"]),
    "thinking without end": ((GOLD,), f"<think>{BOOKED}", "length", ["truncated", "missed_call", "thought_call"]),
    "thinking without end, no call": ((), "<think>hm", "stop", ["truncated"]),
    "cut second call": ((GOLD,), BOOKED + "<tool_call>", "length", ["truncated"]),
    "malformed": ((GOLD,), block("{"), "stop", ["parse_error"]),
    "malformed where none belongs": ((), block("{"), "stop", ["parse_error", "hallucinated_call"]),
    "malformed beside the right one": ((GOLD,), BOOKED + block("{"), "stop", ["parse_error"]),
    "malformed in place of one of two": ((GOLD, NOW), BOOKED + block("{"), "stop", ["parse_error"]),
    "malformed, and one missing": ((GOLD, NOW), block("{"), "stop", ["parse_error", "missed_call"]),
    "unknown tool": ((GOLD,), call("reserve"), "stop", ["unknown_tool", "wrong_tool"]),
    "unknown tool where none belongs": ((), call("reserve"), "stop", ["unknown_tool", "hallucinated_call"]),
    "invalid arguments": ((GOLD,), call("book", day="Friday"), "stop", ["schema_invalid", "wrong_args"]),
    "missing argument": ((GOLD,), call("book"), "stop", ["schema_invalid", "wrong_args"]),
    "a call where none belongs": ((), call("now"), "stop", ["hallucinated_call"]),
    "no call where one belongs": ((GOLD,), "Which day?", "stop", ["missed_call"]),
    "one of two": ((GOLD, NOW), call("now"), "stop", ["missed_call"]),
    "another tool": ((GOLD,), call("now"), "stop", ["wrong_tool"]),
    "another tool beside a missing one": ((GOLD, GOLD), call("now"), "stop", ["missed_call", "wrong_tool"]),
    "one too many": ((GOLD,), BOOKED + call("now"), "stop", ["extra_call"]),
    "the same twice": ((GOLD,), BOOKED + BOOKED, "stop", ["extra_call"]),
    "another tool and one more": ((GOLD,), call("now") + call("now"), "stop", ["wrong_tool", "extra_call"]),
    "wrong arguments": ((GOLD,), call("book", day="2026-03-07"), "stop", ["wrong_args"]),
    "wrong arguments of one of two": (
        (GOLD, NOW),
        call("now") + call("book", day="2026-03-07"),
        "stop",
        ["wrong_args"],
    ),
}


@pytest.mark.parametrize("case", MATRIX)
def test_an_answer_gets_every_label_and_the_first_is_its_outcome(case: str) -> None:
    gold, text, finish_reason, labels = MATRIX[case]
    outcome = judged(turn(*gold), text, finish_reason)
    assert list(outcome.labels) == labels
    assert outcome.outcome == labels[0]


@pytest.mark.parametrize("case", MATRIX)
def test_whatever_is_not_ok_says_why(case: str) -> None:
    gold, text, finish_reason, labels = MATRIX[case]
    outcome = judged(turn(*gold), text, finish_reason)
    assert bool(outcome.reasons) == (labels != ["ok"])
    assert outcome.counts.exact == (outcome.outcome == "ok")


def test_labels_are_in_the_order_of_the_contract() -> None:
    expected = "infra_error truncated parse_error unknown_tool schema_invalid hallucinated_call missed_call wrong_tool"
    assert (*expected.split(), "extra_call", "wrong_args", "empty", "ok") == LABELS


def test_reasons_name_tool_argument_and_values() -> None:
    text = call("book", day="2026-03-07", seats=True) + call("now", zone="CET")
    assert judged(turn(GOLD), text).reasons == (
        "book: refused by its schema: seats: True is not of type 'integer'",
        'unexpected: "now" {"zone": "CET"}',
        'book: day: expected "2026-03-06", got "2026-03-07"',
        "book: seats: expected 1, got true",
    )


def test_reasons_are_few_and_short_whatever_the_model_writes() -> None:
    outcome = judged(turn(GOLD), block("{" + "x" * 10_000) * 1000 + call("y" * 10_000))
    assert len(outcome.reasons) == MAX_REASONS
    assert max(map(len, outcome.reasons)) < 500


@pytest.mark.parametrize("gold", [(), (GOLD,), (GOLD, NOW)])
def test_a_turn_without_answer_counts_and_is_neither_exact_nor_an_abstention(gold: tuple[GoldCall, ...]) -> None:
    outcome = judged(turn(*gold), "", error="connection reset")
    assert outcome.labels == ("infra_error",)
    assert outcome.reasons == ("no answer: connection reset",)
    counts = outcome.counts
    assert (counts.turn, counts.infra, counts.exact, counts.gold_calls) == (1, 1, 0, len(gold))
    assert (counts.answered_call_turn, counts.answered_no_call_turn, counts.attempts) == (0, 0, 0)
    assert counts.call_turn + counts.no_call_turn == 1


def test_counts_of_calls_and_arguments() -> None:
    text = f"{call('book', day='2026-03-06', seats=2)} {call('book', day=5)} {call('reserve')} {block('{')} Done"
    outcome = judged(turn(GOLD, NOW), text)
    expected = dict.fromkeys(Counts.model_fields, 0) | {
        "turn": 1,
        "call_turn": 1,
        "answered_call_turn": 1,
        "attempted": 1,
        "attempted_call_turn": 1,
        "text_beside": 1,
        "attempts": 4,
        "parsed": 3,
        "known": 2,
        "schema_valid": 1,
        "gold_calls": 2,
        "predicted_calls": 3,
        "name_matches": 1,
        "gold_args": 1,
        "predicted_args": 2,
        "matched_args": 1,
    }
    assert outcome.counts.model_dump() == expected
    assert {tool: (c.gold_calls, c.predicted_calls, c.name_matches) for tool, c in outcome.per_tool.items()} == {
        "book": (1, 2, 1),
        "now": (1, 0, 0),
    }


def test_strict_order_is_the_turns_own_choice() -> None:
    text = call("now") + BOOKED
    assert judged(turn(GOLD, NOW), text).outcome == "ok"
    assert judged(turn(GOLD, NOW, order="strict"), text).outcome == "wrong_tool"
    assert judged(turn(NOW, GOLD, order="strict"), text).outcome == "ok"


def test_a_relaxed_match_is_ok_and_counted_apart() -> None:
    parameters = {"properties": {"who": {"type": "string", "x-match": {"case": False}}}}
    tools = ({"type": "function", "function": {"name": "greet", "parameters": parameters}},)
    asked = turn(GoldCall(name="greet", arguments={"who": "Zoé"}), tools=tools)
    relaxed, strict = judged(asked, call("greet", who="ZOÉ")), judged(asked, call("greet", who="Zoé"))
    assert (relaxed.outcome, relaxed.counts.exact_matches, relaxed.counts.relaxed_matches) == ("ok", 1, 1)
    assert strict.counts.relaxed_matches == 0


def test_the_served_channel_scores_what_a_client_gets() -> None:
    served = ({"id": "1", "type": "function", "function": {"name": "book", "arguments": '{"day": "2026-03-06"}'}},)
    answer = Answer(text="", finish_reason="tool_calls", tool_calls=served)
    asked = turn(GOLD)
    assert judge(asked, answer, "m", catalog_of(asked), "served").outcome == "ok"
    unparsed = Answer(text=BOOKED, tool_calls=())
    assert judge(asked, unparsed, "m", catalog_of(asked), "served").labels == ("parse_error",)
    assert judge(turn(), unparsed, "m", catalog_of(asked), "served").labels == ("parse_error", "hallucinated_call")


def test_tool_calls_that_come_though_raw_text_was_asked_for_are_scored_and_told() -> None:
    function = {"name": "book", "arguments": '{"day": "2026-03-06"}'}
    answer = Answer(text="Let me see.", tool_calls=({"id": "1", "type": "function", "function": function},))
    outcome = judge(turn(GOLD), answer, "m", catalog_of(turn()), "raw")
    assert (outcome.outcome, outcome.notation, outcome.counts.text_beside) == ("ok", "tool_calls", 1)
    assert judge(turn(), answer, "m", catalog_of(turn()), "raw").outcome == "hallucinated_call"


@pytest.mark.parametrize(
    ("text", "notation"),
    [
        (BOOKED, "hermes"),
        ("<tool_call>{", "hermes"),
        (FOREIGN, "mistral"),
        (BOOKED + FOREIGN, "mistral"),
        ('```json\n{"name": "book", "arguments": {}}\n```', "json"),
        ("Which day?", None),
        (f"<think>{BOOKED}</think>Which day?", None),
    ],
)
def test_an_outcome_says_how_its_attempts_are_written(text: str, notation: str | None) -> None:
    assert judged(turn(GOLD), text).notation == notation


def test_calls_are_read_in_the_format_that_is_scored() -> None:
    outcome = judge(turn(GOLD), Answer(text=FOREIGN), "m", catalog_of(turn()), format="mistral")
    assert (outcome.outcome, outcome.notation) == ("ok", "mistral")
    assert judge(turn(GOLD), Answer(text=BOOKED), "m", catalog_of(turn()), format="mistral").notation == "hermes"


def test_values_that_a_format_writes_as_text_have_the_types_of_the_catalog() -> None:
    text = "<tool_call>\n<function=book>\n<parameter=day>\n2026-03-06\n</parameter>\n<parameter=seats>\n1\n</parameter>"
    text += "\n</function>\n</tool_call>"
    outcome = judge(turn(GOLD), Answer(text=text), "m", catalog_of(turn()), format="qwen3_xml")
    assert outcome.calls == (ToolCall(name="book", arguments={"day": "2026-03-06", "seats": 1}),)
    assert outcome.outcome == "ok"


def test_thinking_and_refusal_that_come_apart_from_the_text_are_kept_and_remarked_on() -> None:
    answer = Answer(thinking=f"I could {BOOKED}", refusal="I cannot help.", finish_reason="stop")
    outcome = judge(turn(GOLD), answer, "m", catalog_of(turn()))
    assert outcome.labels == ("missed_call", "refusal", "thought_call")
    assert outcome.counts.empty == outcome.counts.attempts == 0
    assert outcome.reasons[1:] == ('refusal: "I cannot help."', 'inside thinking, so not counted: "book"')
    assert Outcome.model_validate_json(outcome.model_dump_json()).answer == answer


THINKING = "\nThe user wants"
# text, finish reason -> the outcome where a call is expected, and where none is
PREFILLED: dict[str, tuple[str, str, str, str]] = {
    "cut in thinking": (THINKING, "length", "truncated", "truncated"),
    "a call thought of, then cut": (f"{THINKING} {{}}", "length", "truncated", "truncated"),
    "cut in the text": (f"{THINKING}</think>Hel", "length", "missed_call", "ok"),
    "cut in a call": (f"{THINKING}</think>{BOOKED[:20]}", "length", "truncated", "truncated"),
    "no end of thinking": ("Hello!", "stop", "missed_call", "ok"),
    "no end of thinking before a call": (f"{THINKING}\n{BOOKED}", "stop", "ok", "hallucinated_call"),
    "a whole answer": (f"{THINKING}</think>{BOOKED}", "stop", "ok", "hallucinated_call"),
}


@pytest.mark.parametrize("channel", ["raw", "served"])
@pytest.mark.parametrize("case", PREFILLED)
def test_an_answer_that_is_cut_in_thinking_that_the_template_opened_is_truncated(
    case: str, channel: Literal["raw", "served"]
) -> None:
    text, finish_reason, *outcomes = PREFILLED[case]
    if channel == "served" and "tool_call" in text:
        return
    for gold, outcome in zip(((GOLD,), ()), outcomes, strict=True):
        asked = turn(*gold, prefilled_thinking=True)
        answer = Answer(text=text, finish_reason=finish_reason)
        assert judge(asked, answer, "m", catalog_of(asked), channel).outcome == outcome
        if case == "cut in thinking":
            apart = answer.model_copy(update={"thinking": "The user wants"})
            assert judge(asked, apart, "m", catalog_of(asked), channel).outcome != "truncated"
            assert judged(turn(*gold), text, finish_reason).outcome != "truncated"


def test_a_turn_says_that_its_prompt_ends_in_thinking_only_where_it_does() -> None:
    assert "prefilled_thinking" not in turn().model_dump(mode="json")
    kept = Turn.model_validate_json(turn(prefilled_thinking=True).model_dump_json())
    assert kept.prefilled_thinking


@pytest.mark.parametrize("gold", [(), (GOLD,)])
def test_an_answer_that_is_cut_while_the_server_sends_thinking_is_truncated(gold: tuple[GoldCall, ...]) -> None:
    answer = Answer(thinking="Okay, the user wants", finish_reason="length")
    assert judge(turn(*gold), answer, "m", catalog_of(turn())).outcome == "truncated"


def test_without_a_catalog_every_tool_is_unknown() -> None:
    assert judged(turn(tools=None), call("now")).outcome == "unknown_tool"


def test_an_outcome_is_read_back_as_it_was_written() -> None:
    text = (
        f"{BOOKED} {block('{')} <tool_call>"
        + '{"name": "book", "arguments": {"note": "\\ud800", "n": 123456789012345678901}}'
    )
    outcome = judged(turn(GOLD, tags=("a",)), text, usage={"completion_tokens": 9})
    line = outcome.model_dump_json()
    assert Outcome.model_validate_json(line) == outcome
    assert line.encode("utf-8").decode("utf-8") == line


def test_an_outcome_of_the_first_version_is_read_and_nothing_is_known_of_its_requests() -> None:
    row = judged(turn(GOLD), BOOKED, requests=3).model_dump(mode="json") | {"schema_version": 1}
    assert row["answer"].pop("requests") == 3
    assert Outcome.model_validate_json(json.dumps(row)).answer.requests is None
    with pytest.raises(ValidationError, match="schema_version"):
        Outcome.model_validate(row | {"schema_version": 4})


@given(st.text() | st.lists(st.sampled_from([BOOKED, "<tool_call>{", "</tool_call>", "x"])).map("".join), st.data())
def test_no_answer_has_counts_that_contradict_each_other(text: str, data: st.DataObject) -> None:
    gold = data.draw(st.lists(st.sampled_from([GOLD, NOW]), max_size=3))
    profile = data.draw(st.sampled_from(["strict", "bfcl"]))
    asked = turn(*gold) if gold else turn(any_call=data.draw(st.booleans()))
    error = data.draw(st.sampled_from([None, "gone"]))
    outcome = judge(asked, Answer(text=text, error=error), "m", catalog_of(asked), profile=profile)
    assert contradiction(outcome.counts, outcome.per_tool, len(gold), outcome.outcome) is None


@pytest.mark.parametrize("field", ["text", "finish_reason", "error"])
def test_lone_surrogates_in_an_answer_do_not_stop_it_from_being_written(field: str) -> None:
    answer = Answer.model_validate(
        {field: "a\ud800b", "usage": {"\udfff": ["\ud800"]}, "tool_calls": ({"a": "\ud800"},)}
    )
    assert getattr(answer, field) == "a\ufffdb"
    assert Answer.model_validate_json(answer.model_dump_json()) == answer


def test_server_calls_nested_without_end_do_not_stop_an_answer_from_being_written() -> None:
    deep: Any = {}
    for _ in range(500):
        deep = {"a": deep}
    asked = turn(GOLD)
    answer = Answer(tool_calls=(deep,))
    outcome = judge(asked, answer, "m", catalog_of(asked), "served")
    assert outcome.outcome == "parse_error"
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


hard_text = st.lists(
    st.sampled_from(
        [
            "<tool_call>",
            "</tool_call>",
            "<think>",
            "</think>",
            BOOKED,
            '{"name": "book", "arguments": {"day": 1}}',
            '"',
            "{",
            "\ud800",
        ]
    ),
    max_size=12,
).map("".join)


@given(hard_text | st.text(), st.sampled_from(["stop", "length"]), st.lists(st.sampled_from([GOLD, NOW]), max_size=3))
def test_every_text_has_one_outcome_that_can_be_written(text: str, finish_reason: str, gold: list[GoldCall]) -> None:
    outcome = judged(turn(*gold), text, finish_reason)
    faults = [label for label in outcome.labels if label in LABELS]
    assert sorted(faults, key=LABELS.index) == faults == list(outcome.labels[: len(faults)])
    assert ("ok" in faults) == (faults == ["ok"]) == bool(outcome.counts.exact)
    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome


def test_turns_with_the_same_tools_share_a_catalog_in_whatever_order() -> None:
    assert catalog_of(turn()) is catalog_of(turn(tools=tuple(reversed(TOOLS))))
    assert catalog_of(turn()) is not catalog_of(turn(tools=TOOLS[:1]))


@pytest.mark.parametrize("tools", [({"type": "function"},), ({"function": {"name": ""}},), (TOOLS[0], TOOLS[0])])
def test_tools_that_make_no_catalog_are_a_user_error_that_names_the_turn(tools: Any) -> None:
    with pytest.raises(UserError, match="turn 's/1'"):
        catalog_of(turn(tools=tools))


def test_an_unknown_field_of_an_answer_is_refused() -> None:
    with pytest.raises(ValidationError):
        Answer.model_validate({"txt": "x"})


def test_five_thousand_turns_are_judged_in_a_second_or_little_more() -> None:
    asked = turn(GOLD)
    answers = [Answer(text=BOOKED if number % 3 else "Which day?", finish_reason="stop") for number in range(2000)]
    started = time.process_time()
    for answer in answers:
        judge(asked, answer, "m", catalog_of(asked))
    assert time.process_time() - started < 1.0
