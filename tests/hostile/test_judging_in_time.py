"""An answer that would take a minute to judge holds up neither bench, nor training, nor chat, nor `train infer`."""

import json
import time
from typing import Any

import pytest
from weather import call

from bench.figures import judged
from bench.load import Job, Level
from callproof.calls import ToolCall
from callproof.catalog import Catalog
from callproof.endpoint import Reply
from callproof.reward import CallReward
from callproof.scoring import Answer, in_time, judge
from callproof.turns import Turn, catalog_of
from serve.talk.reading import read_forming, read_whole
from train.answers.infer import judged as inferred

LEVELS = 14
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/0"}},
    "$defs": {
        **{str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(LEVELS)},
        str(LEVELS): {"type": "string"},
    },
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}]
WICKED = call("get_weather", city=["y" * 100] * 2000)
"""2^14 refusals, each in a message that spells the argument out."""
TURN = Turn.model_validate(
    {
        "turn_id": "a",
        "session_id": "s",
        "position": 1,
        "messages": [{"role": "user", "content": "?"}],
        "tools": TOOLS,
        "gold": [{"name": "get_weather", "arguments": {"city": "Bern"}}],
    }
)
SAID = "not checked against its schema: judging takes too long"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Budgets of a fifth of a second; all that a test does takes less than ten of them."""
    monkeypatch.setattr("callproof.scoring.answer.BUDGET_S", 0.2)
    monkeypatch.setattr("callproof.catalog.catalog.VALIDITY_S", 0.2)
    began = time.process_time()
    yield
    assert time.process_time() - began < 2


def test_what_takes_too_long_is_unjudged_and_the_rest_is_judged() -> None:
    wicked, right = (
        in_time(lambda answer, catalog: judge(TURN, answer, "m", catalog), Answer(text=text), catalog_of(TURN))
        for text in (WICKED, call("get_weather", city="Bern"))
    )
    assert (wicked.outcome, wicked.counts.unjudged, right.outcome, right.counts.unjudged) == ("wrong_args", 1, "ok", 0)
    assert SAID in wicked.reasons[0]


def test_a_bench_ends() -> None:
    job = Job(turn=TURN, model="m", payload={}, channel="raw", format="hermes")
    reply = Reply(Answer(text=WICKED), 200, 0.0, chunk_times=(), finished=1.0)
    level = Level(1, 1, 0.0, 1.0, [(job, reply)])
    assert [outcome.counts.unjudged for outcome in judged(level)] == [1]


def test_a_reward_of_training_ends() -> None:
    assert CallReward().of(TURN, Answer(text=WICKED)).total < 1


def test_chat_shows_the_call_as_unchecked_however_often_it_is_read() -> None:
    catalog = Catalog.from_wire(TOOLS)
    readings = [*(read_forming(f"{WICKED} {'x' * n}", catalog) for n in range(50)), read_whole(WICKED, catalog)]
    assert {reading.calls[0].verdict for reading in readings} == {"unchecked"}
    assert {reading.calls[0].problems for reading in readings} == {("judging takes too long",)}
    assert catalog.validity_in_time(ToolCall(name="get_weather", arguments={"city": "Bern"})).unjudged is None


def test_infer_says_that_the_call_was_not_checked() -> None:
    told = inferred(WICKED, "stop", "hermes", Catalog.from_wire(TOOLS))
    assert json.dumps(told["problems"]) == '["get_weather: not checked: judging takes too long"]'
