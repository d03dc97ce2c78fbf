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
from evaluate.cli import main
from evaluate.replay.replay import _Session  # pyright: ignore[reportPrivateUsage]
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

LEVELS = 17
EXPLODING = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/0"}},
    "$defs": {
        **{str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(LEVELS)},
        str(LEVELS): {"type": "string"},
    },
}
"""A string is valid at once; anything else is refused in 2^17 places, each time in a message that spells it out."""


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


def test_gold_that_explodes_in_its_schema_is_said_to_be_unchecked(exploding, capsys):
    turn: dict[str, Any] = {
        "turn_id": "a", "session_id": "s", "position": 1, "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": EXPLODING}}],
        "gold": [{"name": "f", "arguments": {"city": ["y" * 100] * 2000}}],
    }  # fmt: skip
    (exploding.root / "turns.jsonl").write_text(json.dumps(turn) + "\n")
    (exploding.root / "answers.jsonl").write_text(json.dumps({"turn_id": "a", "text": "no"}) + "\n")
    words = ["--turns", f"{exploding.root}/turns.jsonl", "--answers", f"{exploding.root}/answers.jsonl"]
    assert main(["score", *words, "--out", "scored"]) == 0
    assert "turns.jsonl:1: a: not checked: judging takes too long" in capsys.readouterr().err


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
