"""Examples in context: `eval.examples` training sessions come before each conversation, and a run says so."""

import json
from typing import Any

from fake_endpoint import FakeEndpoint
from weather import Domain, Refused, right, session

from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

CHAT = {"session_id": "chat", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi!"}]}


def learnable(domain: Domain, count: int = 3) -> None:
    sessions = [CHAT, *({**session(number), "session_id": f"train-{number}"} for number in range(900, 900 + count))]
    lines = "".join(json.dumps(value) + "\n" for value in sessions)
    (domain.sessions.parent / "train.jsonl").write_text(lines)


def replay(domain: Domain, url: str, name: str, *words: str) -> list[str]:
    where = ["--endpoint", url, "--config", str(domain.config), "--model", "tiny", "--run-id", name]
    return [*where, "--limit-sessions", "2", *words]


def spoken(request: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], str(message.get("content"))) for message in request["messages"]]


def test_examples_stand_between_the_system_prompt_and_the_conversation(domain: Domain, capsys) -> None:
    learnable(domain)
    with FakeEndpoint(right) as fake:
        assert main(replay(domain, fake.url, "shown", "eval.examples=2")) == 0
        shown = list(fake.requests)
        assert main(replay(domain, fake.url, "plain")) == 0
        plain = fake.requests[len(shown) :]
    assert "each after 2 example sessions" in capsys.readouterr().err
    asked = {tuple(spoken(request)[13:]): spoken(request) for request in shown if len(request["messages"]) > 13}
    assert len(asked) == 4
    for request in plain:
        if tuple(spoken(request)[1:]) in asked:
            whole = asked[tuple(spoken(request)[1:])]
            assert whole[0] == spoken(request)[0]
            assert [text for role, text in whole[1:13] if role == "user"] == [
                "Weather in City900", "Thanks!", "Weather in City901", "Thanks!",
            ]  # fmt: skip
    assert {tuple(spoken(request)[1:]) for request in plain} >= set(asked)


def test_runs_with_and_without_examples_are_compared_by_diff_and_refused_by_the_gate(domain: Domain, capsys) -> None:
    learnable(domain)
    with FakeEndpoint(right) as fake:
        assert main(replay(domain, fake.url, "shown", "eval.examples=2")) == 0
        assert main(replay(domain, fake.url, "plain")) == 0
    with_examples, without = (Run(domain.runs / name).info().identity for name in ("shown", "plain"))
    assert with_examples.turns == without.turns
    assert [found.split()[0] for found in with_examples.differences(without)] == ["sampling:"]
    capsys.readouterr()
    assert main(["gate", "runs/plain", "runs/shown"]) == 3
    assert "sampling" in capsys.readouterr().out
    assert main(["diff", "runs/plain", "runs/shown"]) == 0
    assert "examples" in capsys.readouterr().out


def test_too_few_sessions_to_show_are_refused(domain: Domain, refused: Refused) -> None:
    learnable(domain, count=1)
    line = refused(*replay(domain, "http://127.0.0.1:1", "r", "eval.examples=2"))
    assert "eval.examples: expected 2 sessions that call a tool" in line
    assert "holds 1; lower it" in line
