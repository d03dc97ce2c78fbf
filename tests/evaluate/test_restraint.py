"""What tuning costs in restraint stands in words in what `score` and `gate` print, and in the report's figures."""

import json
from pathlib import Path
from typing import Any

import pytest
from runs_plugin import TOOLS, Command, write_lines

pytest_plugins = ["runs_plugin"]

CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>'
GOLD = {"name": "get_weather", "arguments": {"city": "Rome"}}


def turn(number: int, calls: bool) -> dict[str, Any]:
    asked = [{"role": "user", "content": f"Question {number}"}]
    gold = [GOLD] if calls else []
    return {
        "turn_id": f"t{number}",
        "session_id": f"s{number}",
        "position": 1,
        "messages": asked,
        "tools": TOOLS,
        "gold": gold,
    }


def write_run(no_calls: int, called: int) -> None:
    """Ten turns with a call that both answer right, and others without, of which the adapter calls in some."""
    turns = [turn(number, True) for number in range(10)] + [turn(10 + number, False) for number in range(no_calls)]
    rows = []
    for number, asked in enumerate(turns):
        right = CALL if asked["gold"] else "Hello."
        rows.append({"turn_id": asked["turn_id"], "model": "tiny", "text": right})
        tuned = CALL if number >= 10 and number < 10 + called else right
        rows.append({"turn_id": asked["turn_id"], "model": "tuned", "text": tuned})
    write_lines("imported/turns.jsonl", *turns)
    write_lines("imported/answers.jsonl", *rows)


def test_the_cost_in_false_calls_is_told_against_the_base(evaluate: Command, score: Command) -> None:
    write_run(no_calls=40, called=3)
    score("imported")
    told = json.loads(Path("runs/imported/metrics.json").read_text())["restraint"]
    assert list(told) == ["tuned"]
    assert told["tuned"].startswith("calls in 7.5 % [")
    assert "] of 40 turns that expect no call, tiny in 0.0 % [" in told["tuned"]
    assert ": +7.5 points [" in told["tuned"]
    assert told["tuned"].endswith("], 3 of 40 turns in 40 sessions differ")
    sides = ["runs/imported", "runs/imported", "--baseline-model", "tiny", "--candidate-model", "tuned"]
    evaluate("gate", *sides, "--summary", "gate.md")
    line = next(line for line in Path("gate.md").read_text().splitlines() if line.startswith("Restraint"))
    assert "the candidate calls in 7.5 % of 40 turns that expect no call, the baseline in 0.0 %: +7.5 points " in line
    assert "3 of 40 differ, 40 sessions" in line


@pytest.mark.parametrize("model", ["report", "gate"])
def test_without_such_turns_that_is_said(evaluate: Command, score: Command, model: str) -> None:
    write_run(no_calls=0, called=0)
    score("imported")
    if model == "report":
        told = json.loads(Path("runs/imported/metrics.json").read_text())["restraint"]
        assert told == {"tuned": "no turn that was answered expects no call, so that nothing is known of its restraint"}
    else:
        sides = ["runs/imported", "runs/imported", "--baseline-model", "tiny", "--candidate-model", "tuned"]
        evaluate("gate", *sides, "--summary", "gate.md")
        assert "Restraint: no turn here expects no call, so that nothing is known of it." in Path("gate.md").read_text()
