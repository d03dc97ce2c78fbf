"""Samples of lm-eval: those that it wrote itself of a task with tool calls in the text, and others by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from runs_plugin import TOOLS, Command, read_lines, write_json, write_lines

from callproof.errors import UserError

pytest_plugins = ["runs_plugin"]

TIME = "2026-11-29T14-04-53.324777"
SAMPLES = f"out/tiny/samples_weather_calls_{TIME}.jsonl"


def call(city: str) -> str:
    return f'<tool_call>\n{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}\n</tool_call>'


def sample(number: int, asked: str, target: str, answer: str, exact: float) -> dict[str, Any]:
    """As lm-eval 0.4.13 writes it with `--log_samples`, without its hashes."""
    messages = json.dumps([{"role": "user", "content": asked}])
    return {
        "doc_id": number, "doc": {"question": asked, "tools": json.dumps(TOOLS), "target": target}, "target": target,
        "arguments": {"gen_args_0": {"arg_0": [messages], "arg_1": {"until": [], "max_gen_toks": 64}}},
        "resps": [[answer]], "filtered_resps": [answer], "filter": "none", "metrics": ["exact_match"],
        "exact_match": exact,
    }  # fmt: skip


REAL = [
    sample(0, "Weather in Paris?", call("Paris"), call("Paris"), 1.0),
    sample(1, "Weather in Rome?", call("Rome"), call("Milan"), 0.0),
    sample(2, "Hello!", "[]", "Hi!", 0.0),
]


def write(*rows: dict[str, Any], path: str = SAMPLES) -> str:
    write_json(f"out/tiny/results_{TIME}.json", {"results": {}, "model_name": "tiny", "model_source": "local"})
    return write_lines(path, *rows)


def test_a_folder_that_lm_eval_wrote_is_read_and_judged_again(evaluate: Command, score: Command) -> None:
    write(*REAL)
    said = evaluate("import", "runs", "out", "--out", "imported")
    assert (said.counts["form"], said.counts["turns"], said.counts["answers"]) == ("lm-eval", 3, {"tiny": 3})
    assert "left out" not in said.told
    found = score("imported")
    figures = found.counts["models"]["tiny"]
    assert (figures["turn_exact"], figures["hallucination_rate"]) == (pytest.approx(2 / 3), 0)
    assert found.counts["verdicts"]["tiny"] == {"same": 2, "right_there": 0, "right_here": 1}
    turns = read_lines("imported/turns.jsonl")
    assert [turn["turn_id"] for turn in turns] == [f"weather_calls/{number}" for number in range(3)]
    assert turns[0]["messages"] == [{"role": "user", "content": "Weather in Paris?"}]


def test_the_verdicts_of_both_stand_in_the_report_and_in_the_run(evaluate: Command, score: Command) -> None:
    write(*REAL)
    evaluate("import", "runs", "out", "--out", "imported")
    score("imported")
    told = "its tool's own verdict is the same in 2 of 3 answers; right here and wrong there: 1 (weather_calls/2)"
    metrics = json.loads(Path("runs/imported/metrics.json").read_text())
    assert metrics["verdicts"] == {"tiny": told}
    assert evaluate("report", "runs/imported").code == 0


def test_repetitions_filters_and_likelihoods_are_told_apart(evaluate: Command, score: Command) -> None:
    repeated = {**REAL[0], "resps": [[call("Paris"), call("Rome"), "Hm."]]}
    choice = {**REAL[1], "resps": [[[-1.5, True]], [[-2.5, False]]], "filtered_resps": [[-1.5, True]]}
    write(repeated, {**repeated, "filter": "strict"}, choice)
    said = evaluate("import", "runs", "out", "--out", "imported")
    assert (said.counts["turns"], said.counts["answers"], said.counts["left_out"]) == (1, {"tiny": 3}, 2)
    assert "1 records are left out: it is the same answer behind another filter (strict)" in said.told
    assert "1 records are left out: its answers are no text: likelihoods of choices show no call" in said.told
    assert score("imported").counts["models"]["tiny"]["turn_exact"] == pytest.approx(1 / 3)


def test_a_rendered_prompt_is_kept_as_one_message_and_said(evaluate: Command) -> None:
    rendered = {**REAL[0], "arguments": {"gen_args_0": {"arg_0": "Question: Weather in Paris?", "arg_1": {}}}}
    write(rendered, path="samples_other.jsonl")
    said = evaluate("import", "runs", "samples_other.jsonl", "--model", "mine", "--out", "imported")
    assert "1 records were asked as one text, which is kept as one message of the user" in said.told
    assert read_lines("imported/turns.jsonl")[0]["messages"][0]["content"] == "Question: Weather in Paris?"
    assert said.counts["answers"] == {"mine": 3 - 2}


def test_expected_calls_of_a_document_and_tools_of_a_file_are_taken(evaluate: Command) -> None:
    bare = {**REAL[1], "target": "Rome is sunny.", "doc": {"calls": [{"get_weather": {"city": ["Rome", "Roma"]}}]}}
    write(bare)
    with pytest.raises(
        UserError, match=r"no turns are left; the first skipped line is .*: calls are expected, and the"
    ):
        evaluate("import", "runs", "out", "--gold", "doc.calls", "--out", "imported")
    tools = write_json("tools.json", TOOLS)
    evaluate("import", "runs", "out", "--gold", "doc.calls", "--tools", tools, "--out", "imported")
    (gold,) = read_lines("imported/turns.jsonl")[0]["gold"]
    assert (gold["arguments"], gold["any_of"]) == ({"city": "Rome"}, {"city": ["Roma"]})


def test_expected_calls_that_say_two_things_are_left_out_and_counted(evaluate: Command) -> None:
    twice = '{"name": "get_weather", "arguments": {"city": "Paris", "city": "Rome"}}'
    write(REAL[0], sample(1, "Weather there?", twice, call("Rome"), 1.0))
    said = evaluate("import", "runs", "out", "--out", "imported")
    assert (said.counts["turns"], said.counts["left_out"]) == (1, 1)
    assert "1 records are left out: the calls that it expects cannot be read: " in said.told
