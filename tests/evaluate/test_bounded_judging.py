"""Answers that take for ever to judge, through the command line."""

import gc
import json
import time
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint
from oracles import outcomes_of
from weather import TOOLS, Domain, call, right

from callproof.catalog import assign
from callproof.errors import UserError
from evaluate.cli import main
from evaluate.replay.replay import _Session  # pyright: ignore[reportPrivateUsage]
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

LEVELS = 14
EXPLODING = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/0"}},
    "$defs": {
        **{str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(LEVELS)},
        str(LEVELS): {"type": "string"},
    },
}
"""A string is valid at once; anything else is refused in 2^14 places, each time in a message that spells it out."""


def wicked(payload: dict[str, Any]) -> str:
    """Right, but for City1, where the judge of the schema would take a minute."""
    text = payload["messages"][-1]["content"]
    return call("get_weather", city=["y" * 100] * 2000) if text == "Weather in City1" else right(payload)


@pytest.fixture
def exploding(make_domain, monkeypatch: pytest.MonkeyPatch) -> Domain:
    """A domain whose tool explodes, judged with half a second for each answer."""
    domain = make_domain(sessions=3)
    function = {**TOOLS[0]["function"], "parameters": EXPLODING}
    (domain.root / "tools.json").write_text(json.dumps([{**TOOLS[0], "function": function}, TOOLS[1]]))
    monkeypatch.setattr("evaluate.replay.judging.BUDGET_S", 0.5)
    monkeypatch.setattr("evaluate.saved.score.BUDGET_S", 0.5)
    return domain


def judged(run: Run) -> dict[str, tuple[str, int]]:
    return {outcome.turn_id: (outcome.outcome, outcome.counts.unjudged) for outcome in outcomes_of(run)}


EXPECTED = {
    **{f"weather-{number:03}/{index}": ("ok", 0) for number in (0, 1, 2) for index in (1, 5)},
    "weather-001/1": ("wrong_args", 1),
}


def test_an_answer_that_explodes_in_its_schema_is_unjudged_and_the_others_are_judged(exploding):
    with FakeEndpoint(wicked) as fake:
        assert (
            main(["--endpoint", fake.url, "--config", str(exploding.config), "--model", "tiny", "--run-id", "r"]) == 0
        )
    run = Run(exploding.runs / "r")
    assert judged(run) == EXPECTED
    reasons = [outcome.reasons[0] for outcome in outcomes_of(run) if outcome.counts.unjudged]
    assert reasons == ["get_weather: not checked against its schema: judging takes too long"]
    metrics = json.loads(run.metrics_path.read_text())["models"]["tiny"]["metrics"]
    assert metrics["unjudged_rate"]["value"] == pytest.approx(1 / 3)

    words = ["--turns", str(run.turns_path), "--answers", str(run.outcomes_path), "--out", "scored"]
    assert main(["score", *words]) == 0
    assert judged(Run(exploding.root.parents[1] / "scored")) == EXPECTED


def score(domain: Domain, parameters: dict[str, Any], arguments: dict[str, Any]) -> int:
    """Score no answer to one turn with this gold."""
    turn: dict[str, Any] = {
        "turn_id": "a", "session_id": "s", "position": 1, "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}],
        "gold": [{"name": "f", "arguments": arguments}],
    }  # fmt: skip
    (domain.root / "turns.jsonl").write_text(json.dumps(turn) + "\n")
    (domain.root / "answers.jsonl").write_text(json.dumps({"turn_id": "a", "text": "no"}) + "\n")
    words = ["--turns", f"{domain.root}/turns.jsonl", "--answers", f"{domain.root}/answers.jsonl"]
    return main(["score", *words, "--out", "scored"])


def test_gold_that_explodes_in_its_schema_is_said_to_be_unchecked(exploding, capsys):
    assert score(exploding, EXPLODING, {"city": ["y" * 100] * 2000}) == 0
    assert "turns.jsonl:1: a: not checked: judging takes too long" in capsys.readouterr().err


def doubling(levels: int) -> dict[str, Any]:
    steps = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/0", "$defs": {**steps, str(levels): {"type": "object"}}}


def of_x(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        (of_x({"pattern": "(?:){100000000}"}), "cannot be searched in bounded time"),
        (of_x({"pattern": "|".join(["a"] * 100_000)}), "has 199999 characters, more than 20000"),
        (of_x({"anyOf": [{"type": "string"}] * 100_000}), "more than 20000 objects and lists"),
        (of_x({"enum": [[1]] * 30_000}), "more than 20000 objects and lists"),
        (doubling(16), "one value is held against more than 100000 schemas"),
        (doubling(300), "one value is held against more than 100000 schemas"),
        ({"if": {"$ref": "#"}}, "a reference leads back to itself"),
        ({"dependentSchemas": {"x": {"$ref": "#"}}}, "a reference leads back to itself"),
    ],
)
def test_a_schema_that_explodes_is_refused_at_once_and_its_tool_named(exploding, capsys, parameters, problem):
    assert score(exploding, parameters, {"x": 1}) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "no usable JSON Schema" in line]
    assert len(lines) == 1
    assert "a: f: not checked: parameters is no usable JSON Schema" in lines[0]
    assert problem in lines[0]


def test_a_schema_nested_too_deep_is_refused_in_one_line(exploding):
    with pytest.raises(UserError, match=r"turn 'a': tools: .*depth exceeded"):
        score(exploding, of_x(deep(300)), {"x": 1})


def test_finished_sessions_leave_nothing_in_memory(make_domain):
    domain, alive = make_domain(sessions=60, eval={"retries": 0, "concurrency": 2}), []

    def counting(payload: dict[str, Any]) -> str:
        if len(alive) % 20 == 0:
            alive.append(sum(type(thing) is _Session for thing in gc.get_objects()))
        else:
            alive.append(0)
        return right(payload)

    with FakeEndpoint(counting) as fake:
        assert main(["--endpoint", fake.url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r"]) == 0
    assert 1 <= max(alive) <= 3


def test_two_hundred_equal_calls_are_paired_at_once():
    began = time.process_time()
    assert assign([[5] * 200 for _ in range(200)]) == [(number, number) for number in range(200)]
    assert time.process_time() - began < 2
