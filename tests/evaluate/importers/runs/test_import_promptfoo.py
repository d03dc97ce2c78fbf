"""Results of promptfoo: those of its own run against two models, and others by hand."""

from typing import Any

import pytest
from runs_plugin import TOOLS, Command, read_lines, write_json, write_lines

pytest_plugins = ["runs_plugin"]

NAMES = {"type": "tool-call-f1", "value": ["get_weather"]}
ROME = [{"name": "get_weather", "arguments": {"city": "Rome"}}]


def call(city: str) -> list[dict[str, Any]]:
    arguments = f'{{"city": "{city}"}}'
    return [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}]


def result(
    asked: str, output: Any, success: bool, check: Any, expected: Any = None, model: str = "tiny"
) -> dict[str, Any]:
    """As promptfoo 0.123.1 writes it with `-o out.json`, without usage, cost and times."""
    raw = f'[{{"role":"system","content":"Be brief."}},{{"role":"user","content":"{asked}"}}]'
    response = {"output": output, "finishReason": "tool_calls" if isinstance(output, list) else "stop"}
    return {
        "prompt": {"raw": raw, "label": "prompt.json", "config": {}}, "promptId": "2e3a", "promptIdx": 0, "testIdx": 0,
        "provider": {"id": f"openai:chat:{model}", "label": ""}, "response": response, "success": success,
        "testCase": {"vars": {"q": asked}, "assert": [check], "options": {}, "metadata": {"expected": expected}},
        "vars": {"q": asked}, "failureReason": 0 if success else 1,
    }  # fmt: skip


def failed(model: str) -> dict[str, Any]:
    row = result("Break it", None, False, {"type": "contains", "value": "Hi"}, [], model)
    error = 'API error: 400 Bad Request\n{"error":{"message":"broken"}}'
    return {**row, "response": {"error": error}, "error": error, "failureReason": 2}


def rows(model: str) -> list[dict[str, Any]]:
    script = {"type": "javascript", "value": "JSON.parse(output[0].function.arguments).city === 'Rome'"}
    return [
        result("Weather in Paris?", call("Paris"), True, NAMES, model=model),
        result("Weather in Rome?", call("Milan"), False, script, ROME, model),
        result("Hello!", "Hi!", True, {"type": "contains", "value": "Hi"}, [], model),
        failed(model),
    ]


def write(*results: dict[str, Any]) -> str:
    providers = [{"id": f"openai:chat:{name}", "config": {"tools": TOOLS}} for name in ("tiny", "other")]
    value = {
        "evalId": "eval-1",
        "results": {"version": 3, "results": list(results)},
        "config": {"providers": providers},
    }
    return write_json("out.json", value)


def test_results_that_promptfoo_wrote_are_read_and_judged_again(evaluate: Command, score: Command) -> None:
    path = write(*rows("tiny"), *rows("tiny"), *rows("other"))
    said = evaluate("import", "runs", path, "--gold", "testCase.metadata.expected", "--out", "imported")
    counts = said.counts
    assert (counts["form"], counts["turns"], counts["left_out"]) == ("promptfoo", 3, 3)
    assert counts["answers"] == {"openai:chat:tiny": 6, "openai:chat:other": 3}
    assert (counts["errors"], counts["verdicts"]) == (3, 6)
    found = score("imported").counts
    assert found["models"]["openai:chat:tiny"]["turn_exact"] == pytest.approx(1 / 3)
    assert found["verdicts"]["openai:chat:tiny"] == {"same": 4, "right_there": 0, "right_here": 0}
    assert [row["repeat"] for row in read_lines("imported/answers.jsonl")] == [0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_names_are_compared_without_their_arguments(evaluate: Command, score: Command) -> None:
    other = result("Weather in Oslo?", "It is cold.", False, NAMES)
    said = evaluate("import", "runs", write(*rows("tiny"), other), "--out", "imported")
    assert (said.counts["turns"], said.counts["left_out"], said.counts["bad_gold"]) == (2, 3, 0)
    assert "2 records expect calls by their names alone (tool-call-f1), so that arguments are not compared" in said.told
    assert score("imported").counts["models"]["openai:chat:tiny"]["turn_exact"] == 0.5
    outcomes = {row["outcome"] for row in read_lines("runs/imported/outcomes.jsonl")}
    assert outcomes == {"ok", "missed_call"}


@pytest.mark.parametrize(
    ("output", "text", "names"),
    [
        ({"role": "assistant", "content": "So:", "tool_calls": call("Rome")}, "So:", ["get_weather"]),
        ('Let me see.\n\n{"type":"tool_use","id":"t1","name":"get_weather","input":{"city":"Rome"}}', "Let me see.",
         ["get_weather"]),
        ('{"type":"function_call","name":"get_weather","arguments":"{\\"city\\":\\"Rome\\"}"}', "", ["get_weather"]),
        ('{"sky": "blue"}', '{"sky": "blue"}', []),
        ("One.\n\nTwo.", "One.\n\nTwo.", []),
    ],
)  # fmt: skip
def test_outputs_of_several_providers_are_read(evaluate: Command, output: Any, text: str, names: list[str]) -> None:
    equals = {"type": "equals", "value": ROME}
    evaluate("import", "runs", write(result("Weather in Rome?", output, True, equals)), "--out", "imported")
    answer = read_lines("imported/answers.jsonl")[0]["answer"]
    assert answer["text"] == text
    assert [one["function"]["name"] for one in answer.get("tool_calls", ())] == names


def test_lines_bring_no_tools_so_that_they_are_given(evaluate: Command) -> None:
    write_lines("out.jsonl", *rows("tiny"))
    tools = write_json("tools.json", {"tools": TOOLS})
    words = ["import", "runs", "out.jsonl", "--gold", "testCase.metadata.expected", "--out", "imported"]
    assert "give --tools" in evaluate(*words).told
    assert evaluate(*words, "--tools", tools).counts["turns"] == 3
    assert evaluate(*words, "--form", "promptfoo", "--tools", tools).counts["turns"] == 3


def test_an_output_that_is_neither_text_nor_calls_is_left_out(evaluate: Command) -> None:
    said = evaluate(
        "import", "runs", write(*rows("tiny"), result("Sky?", {"sky": "blue"}, True, NAMES)), "--out", "imported"
    )
    assert "1 records are left out: its output is neither text nor calls (the first: out.json:results.4)" in said.told
