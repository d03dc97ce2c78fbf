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


def score(domain: Domain, parameters: dict[str, Any], arguments: dict[str, Any], answer: str = "no") -> int:
    """Score an answer to one turn with this gold."""
    turn: dict[str, Any] = {
        "turn_id": "a", "session_id": "s", "position": 1, "messages": [{"role": "user", "content": "?"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}],
        "gold": [{"name": "f", "arguments": arguments}],
    }  # fmt: skip
    (domain.root / "turns.jsonl").write_text(json.dumps(turn) + "\n")
    (domain.root / "answers.jsonl").write_text(json.dumps({"turn_id": "a", "text": answer}) + "\n")
    words = ["--turns", f"{domain.root}/turns.jsonl", "--answers", f"{domain.root}/answers.jsonl"]
    return main(["score", *words, "--out", "scored"])


def test_gold_that_explodes_in_its_schema_is_said_to_be_unchecked(exploding, capsys):
    assert score(exploding, EXPLODING, {"city": ["y" * 100] * 2000}) == 0
    assert "turns.jsonl:1: a: not checked: judging takes too long" in capsys.readouterr().err


def test_gold_of_a_session_that_explodes_is_said_to_be_unchecked(exploding, capsys, monkeypatch):
    monkeypatch.setattr("callproof.turns.gold.LINT_S", 0.5)
    rows = [json.loads(line) for line in exploding.sessions.read_text().splitlines()]
    rows[1]["messages"][1]["tool_calls"][0]["arguments"]["city"] = ["y" * 100] * 2000
    exploding.sessions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with FakeEndpoint(right) as fake:
        words = ["--endpoint", fake.url, "--config", str(exploding.config), "--model", "tiny", "--run-id", "r"]
        assert main(words) == 0
    line = "eval.jsonl:2: message 1: call of 'get_weather' is not checked: judging takes too long"
    assert capsys.readouterr().err.count(line) == 1
    assert judged(Run(exploding.runs / "r"))["weather-001/1"] == ("wrong_args", 0)


def test_draft_7_with_the_definitions_of_a_later_draft_is_judged(exploding):
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"type": "string"}},
    }
    assert score(exploding, schema, {"x": "a"}) == 0
    with pytest.raises(UserError, match="1 is not of type 'string'"):
        score(exploding, schema, {"x": 1})


def of_x(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


def tree(levels: int) -> dict[str, Any]:
    return {"c": [tree(levels - 1)] * 2} if levels else {}


NODE = {"$dynamicAnchor": "n", "properties": {"c": {"items": {"$dynamicRef": "#n"}}}, "unevaluatedProperties": False}
STRINGS = {"properties": {"x": {"items": {"type": "string"}}}}


@pytest.mark.parametrize(
    ("parameters", "answer", "verdict"),
    [
        (of_x({"contains": {"anyOf": [{"type": "string"}] * 300}}), call("f", x=list(range(3000))), "unjudged"),
        (of_x({"contains": {"const": 1}, "maxContains": 5}), call("f", x=[1] * 20_000), "refused"),
        (of_x({"uniqueItems": True}), call("f", x=[{"a": [n]} for n in range(20_000)]), "schema_valid"),
        (of_x({"uniqueItems": True}), call("f", x=[*range(20_000), 7.0]), "refused"),
        (NODE, call("f", **tree(3)), "schema_valid"),
        (NODE, call("f", **tree(14)), "unjudged"),
        ({"dependentSchemas": dict.fromkeys("abc", STRINGS)}, call("f", a=1, x=list(range(150_000))), "refused"),
        (of_x({"multipleOf": 3}), '<tool_call>{"name": "f", "arguments": {"x": %s}}</tool_call>' % ("9" * 10**6), None),
    ],
)
def test_large_answers_of_every_kind_are_judged_or_said_to_be_unjudged(exploding, parameters, answer, verdict):
    assert score(exploding, parameters, {}, answer) == 0
    (outcome,) = outcomes_of(Run(exploding.root.parents[1] / "scored"))
    known, valid, unjudged = (getattr(outcome.counts, name) for name in ("known", "schema_valid", "unjudged"))
    assert (known, valid, unjudged) == (verdict is not None, verdict == "schema_valid", verdict == "unjudged")


def test_a_wide_object_is_reported_at_once(exploding):
    wide = {f"a{number}": 1 for number in range(20_000)}
    began = time.process_time()
    assert score(exploding, {"type": "object"}, {}, call("f", **wide)) == 0
    assert time.process_time() - began < 5


def doubling(levels: int) -> dict[str, Any]:
    steps = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/0", "$defs": {**steps, str(levels): {"type": "object"}}}


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
def test_a_schema_that_explodes_is_refused_at_once_and_its_tool_named(make_domain, capsys, parameters, problem):
    assert score(make_domain(sessions=1), parameters, {"x": 1}) == 0
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
