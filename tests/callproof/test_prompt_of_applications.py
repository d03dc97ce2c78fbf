"""`callproof.prompt`: an application sends what training showed, to the letter."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from programs import ROOT

from callproof.config import RunConfig, load
from callproof.errors import UserError
from callproof.prompt import messages, request
from callproof.sessions import Session
from callproof.turns import asked_sessions, session_time

CONFIGS = [ROOT / "configs" / f"{name}.yaml" for name in ("car_sales", "insurance")]
FORMS = [[], ["prompt.catalog=text"], ["prompt.catalog=none"], ["prompt.date_line=false"]]


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def in_openai_form(session: Session, end: int) -> list[dict]:
    """A session's first messages as an application holds them, with ids of its own; written out here by hand."""
    told, ids = [], []
    for number, message in enumerate(session.messages[:end]):
        entry: dict = {"role": message.role, "content": message.content}
        if message.role == "tool":
            entry["tool_call_id"] = ids.pop(0)
        elif message.tool_calls:
            ids = [f"{number}-{place}-of-the-app" for place in range(len(message.tool_calls))]
            entry["tool_calls"] = [
                {"id": name, "type": "function",
                 "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
                for name, call in zip(ids, message.tool_calls, strict=True)
            ]  # fmt: skip
        told.append(entry)
    return told


@pytest.mark.parametrize("overrides", FORMS, ids=lambda words: ",".join(words) or "as shipped")
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_turn_is_asked_as_evaluation_and_training_ask_it(path: Path, overrides: list[str]) -> None:
    config = load(path, [*overrides, "eval.max_sessions=5"])
    zone = ZoneInfo(config.prompt.timezone)
    for asked in asked_sessions(config, limit=config.eval.max_sessions):
        name = asked.session.session_id
        at = asked.session.at or session_time(name, config.prompt.timezone).astimezone(zone)
        for turn in asked.turns:
            history = in_openai_form(asked.session, turn.position)
            assert messages(config, history, at=at, session_id=name) == list(turn.messages)
            body = request(config, history, at=at, session_id=name)
            assert body.get("tools") == (list(turn.tools) if turn.tools else None)


def test_a_request_has_model_sampling_and_the_variables_of_the_template() -> None:
    data = {"domain": "datasets/car_sales"}
    config = RunConfig.model_validate(
        {"name": "a", "data": data, "prompt": {"template_kwargs": {"enable_thinking": False}}}
    )
    body = request(config, [{"role": "user", "content": "Any van?"}])
    assert set(body) == {"model", "messages", "max_tokens", "temperature", "tools", "tool_choice", "extra_body"}
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("a", 256, 0.0)
    assert body["extra_body"] == {"chat_template_kwargs": {"enable_thinking": False}}
    assert request(config, [{"role": "user", "content": "x"}], model="a@0123")["model"] == "a@0123"


def test_a_system_prompt_in_the_conversation_stands_as_it_is() -> None:
    history = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Any van?"}]
    assert messages(CONFIGS[0], history) == history


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([], "expected a message of the user, got none"),
        ([{"role": "user"}], "messages.0.content: expected text"),
        ([{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}], "a tool result without a call"),
    ],
)
def test_a_conversation_that_cannot_be_asked_is_one_line(history: list[dict], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        messages(CONFIGS[0], history)
    with pytest.raises(UserError, match="ISO 8601"):
        messages(CONFIGS[0], [{"role": "user", "content": "x"}], at="yesterday")
