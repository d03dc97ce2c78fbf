"""Time to first valid call."""

import json
import time
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.figures.first_call import first_call_s
from callproof.calls import ToolCall, parse
from callproof.catalog import Catalog, Tool
from callproof.endpoint import Reply
from callproof.scoring import Answer

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CATALOG = Catalog(tools=(Tool(name="weather", parameters=SCHEMA), Tool(name="now")))
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>'

PARTS = [CALL, '<tool_call>{"name": "now"}</tool_call>', "ä😀 ", '{"name"', "</tool_call>"]


def reply(*texts: str, finish_reason: str = "stop", error: str | None = None) -> Reply:
    """Event number k comes k seconds after sending; the role event is the first."""
    events = ("", *texts)
    times = tuple(float(number) for number in range(1, len(events) + 1))
    answer = Answer(text="" if error else "".join(events), finish_reason=finish_reason, error=error)
    return Reply(answer, 200, 0.0, times, times[-1], chunk_texts=events)


def test_it_is_the_event_that_completes_the_json_and_not_the_end_tag() -> None:
    seconds = first_call_s(reply("Sure. <tool_call>", '{"name": "now"', "}", "</tool_call>", "Bye."), CATALOG)
    assert seconds == 4.0


def test_the_call_is_read_in_the_models_own_format_with_the_types_of_its_schema() -> None:
    xml = "<tool_call>\n<function=weather>\n<parameter=city>\n3000\n</parameter>\n</function>"
    pieces = (*(xml[at : at + 10] for at in range(0, len(xml), 10)), "\n</tool_call>")
    seconds = first_call_s(reply(*pieces), CATALOG, "qwen3_xml")
    assert seconds == float(len(pieces))
    assert first_call_s(reply(*pieces), CATALOG) is None


def test_calls_of_unknown_tools_or_with_refused_arguments_do_not_count() -> None:
    unknown, refused = '<tool_call>{"name": "x"}</tool_call>', '<tool_call>{"name": "weather"}</tool_call>'
    assert first_call_s(reply(unknown, refused, CALL), CATALOG) == 4.0
    assert first_call_s(reply(unknown, refused), CATALOG) is None


def test_a_call_inside_thinking_does_not_count() -> None:
    assert first_call_s(reply("<think>", CALL, "</think>", CALL), CATALOG) == 5.0
    assert first_call_s(reply("<think>", CALL), CATALOG) is None


def test_a_call_that_later_text_undoes_does_not_count() -> None:
    assert first_call_s(reply('<tool_call>{"name": "now"}', " and more</tool_call>"), CATALOG) is None


def test_a_block_that_the_token_limit_cut_does_not_count() -> None:
    cut = '<tool_call>{"name": "now"}'
    assert first_call_s(reply(cut, finish_reason="length"), CATALOG) is None
    assert first_call_s(reply(cut), CATALOG) == 2.0


def test_an_answer_that_failed_or_was_not_streamed_has_none() -> None:
    assert first_call_s(reply(CALL, error="timed out"), CATALOG) is None
    whole = Reply(Answer(text=CALL), 200, 0.0, (), 1.0)
    assert first_call_s(whole, CATALOG) is None


@pytest.mark.parametrize("halves", [("\ud83d", "\ude00"), ("\ud83d\ude00", ""), ("\ud83d", "x")])
def test_halves_of_a_character_in_two_events_do_not_shift_the_place(halves: tuple[str, str]) -> None:
    assert first_call_s(reply(*halves, '<tool_call>{"name": "now"', "}", "</tool_call>"), CATALOG) == 5.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=5), st.data())
def test_it_agrees_with_reading_every_beginning_of_the_text(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    kept = [call for call in parse(text) if isinstance(call, ToolCall)][:1]
    begun = (size for size in range(len(text) + 1) if kept and [*parse(text[:size])][-1:] == kept)
    needed = next(begun, None)
    ends = [*accumulate(map(len, pieces))]
    expected = None if needed is None else 2.0 + next(number for number, end in enumerate(ends) if end >= needed)
    assert first_call_s(reply(*pieces), CATALOG) == expected


def test_ten_times_the_events_take_about_ten_times_as_long() -> None:
    def seconds(events: int) -> float:
        body = json.dumps({"name": "weather", "arguments": {"city": "x" * events}})
        long = reply(*f"<tool_call>{body}</tool_call>")
        began = time.perf_counter()
        assert first_call_s(long, CATALOG)
        return time.perf_counter() - began

    seconds(1000)
    assert min(seconds(400_000) for _ in range(3)) < 40 * min(seconds(40_000) for _ in range(3))
