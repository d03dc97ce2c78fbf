import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from weather import Domain, call, right, wrong

from callproof.errors import UserError
from evaluate.cli import main
from evaluate.runs import Run, read_outcomes

pytest_plugins = ["weather_plugin"]

ROOT = Path(__file__).parents[2]


def replay(domain: Domain, url: str, *words: str, models: tuple[str, ...] = ("tiny",), run_id: str = "r") -> int:
    named = [word for model in models for word in ("--model", model)]
    return main(["--endpoint", url, "--config", str(domain.config), *named, "--run-id", run_id, *words])


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def asked(fake: FakeEndpoint) -> list[str]:
    return [json.dumps([request["model"], request["messages"]]) for request in fake.requests]


def test_every_turn_is_asked_of_every_model_once_and_the_figures_are_those_of_the_answers(domain, capsys):
    with FakeEndpoint(lambda p: (right if p["model"] == "good" else wrong)(p), models=["tiny", "good"]) as fake:
        assert replay(domain, fake.url, models=("tiny", "good")) == 0
    assert len(asked(fake)) == len(set(asked(fake))) == 160
    found = last_line(capsys)["runs"][0]
    assert found["run"] == "runs/r"
    assert found["models"]["good"] == {
        "turn_exact": 1.0, "name_f1": 1.0, "arg_exact": 1.0, "hallucination_rate": 0.0, "n": 80,
    }  # fmt: skip
    assert found["models"]["tiny"]["turn_exact"] == 0.0
    assert found["models"]["tiny"]["hallucination_rate"] == 1.0
    metrics = json.loads((domain.runs / "r" / "metrics.json").read_text())
    assert metrics["models"]["tiny"]["outcomes"] == {"wrong_args": 40, "hallucinated_call": 40}
    assert metrics["differences"]["good"]["turn_exact"]["value"] == 1.0
    assert metrics["models"]["good"]["slices"]["tag=even"]["turn_exact"]["n"] == 40


def test_a_run_directory_tells_what_was_asked_of_whom_and_how(domain):
    with FakeEndpoint(right) as fake:
        replay(domain, fake.url.replace("http://", "http://me:secret@"), "--limit-sessions", "3")
    run = Run(domain.runs / "r")
    info = run.info()
    assert (info.name, info.models, info.turns, info.sessions) == ("weather", ("tiny",), 6, 3)
    assert info.server_version == "fake"
    assert info.identity.sampling == {"max_tokens": 256, "temperature": 0.0, "seed": 0}
    assert info.finished is not None
    assert info.config is not None
    assert info.config["data"]["domain"] == str(domain.root)
    assert [turn.turn_id for turn in run.turns()] == [outcome.turn_id for outcome in run.outcomes()]
    assert "secret" not in (run.path / "run.json").read_text()


def test_the_api_key_is_sent_and_never_written(domain, monkeypatch):
    monkeypatch.setenv("CALLPROOF_API_KEY", "k3y-of-the-test")
    with FakeEndpoint(right, api_key="k3y-of-the-test") as fake:
        assert replay(domain, fake.url, "--limit-sessions", "2") == 0
    for path in (domain.runs / "r").iterdir():
        assert b"k3y-of-the-test" not in path.read_bytes()


def test_turns_of_one_session_go_one_after_another_and_sessions_side_by_side(domain):
    def answer(payload: dict[str, Any]) -> Script:
        return Script(right(payload), first_delay_s=0.01)

    with FakeEndpoint(answer) as fake:
        replay(domain, fake.url, "--concurrency", "8")
    assert 1 < fake.most_in_flight <= 8
    order: dict[str, list[int]] = {}
    for request in fake.requests:
        order.setdefault(request["messages"][0]["content"], []).append(len(request["messages"]))
    assert all(lengths == sorted(lengths) for lengths in order.values())


def test_resume_after_a_torn_line_asks_only_what_is_missing(domain, capsys):
    with FakeEndpoint(right, models=["tiny", "good"]) as fake:
        replay(domain, fake.url, models=("tiny", "good"))
        whole = last_line(capsys)["runs"][0]["models"]
        path = domain.runs / "r" / "outcomes.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:100]) + lines[100][:50])
        before = asked(fake)
        fake.requests.clear()
        assert replay(domain, fake.url, "--resume", models=("tiny", "good")) == 0
    assert len(asked(fake)) == 60
    assert set(asked(fake)) < set(before)
    assert last_line(capsys)["runs"][0]["models"] == whole
    keys = [(outcome.model, outcome.turn_id) for outcome in read_outcomes(path)]
    assert len(keys) == len(set(keys)) == 160


def test_unanswered_turns_count_as_wrong_make_the_run_invalid_and_are_asked_again(domain, capsys):
    with FakeEndpoint(right, faults=[Script(drop=True)] * 8) as fake:
        assert replay(domain, fake.url) == 3
        found = last_line(capsys)["runs"][0]["models"]["tiny"]
        assert (found["turn_exact"], found["n"]) == (0.9, 80)
        fake.requests.clear()
        assert replay(domain, fake.url, "--resume") == 0
    assert len(fake.requests) == 8
    assert last_line(capsys)["runs"][0]["models"]["tiny"]["turn_exact"] == 1.0


def test_ctrl_c_leaves_a_run_that_resume_finishes_and_says_how(domain):
    words = ["--config", str(domain.config), "--model", "tiny", "--run-id", "r", "--concurrency", "4"]
    slow = Script("You are welcome.", first_delay_s=0.1)
    with FakeEndpoint(slow) as fake:
        command = [sys.executable, "-m", "evaluate", "--endpoint", fake.url, *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        while len(fake.requests) < 12:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        told = process.stderr.read()
        assert process.wait(20) == 130
        assert "Traceback" not in told
        assert "--run-id r --resume" in told
        landed = len(list(read_outcomes(domain.runs / "r" / "outcomes.jsonl")))
        assert 0 < landed < 80
        fake.requests.clear()
        assert replay(domain, fake.url, "--resume") == 0
    assert len(fake.requests) == 80 - landed


def test_a_second_process_is_kept_out_of_a_run_that_is_being_written(domain):
    with FakeEndpoint(right) as fake:
        replay(domain, fake.url)
        with Run(domain.runs / "r"), pytest.raises(UserError, match="another process"):
            replay(domain, fake.url, "--resume")


def test_several_configurations_make_a_run_each(make_domain, capsys):
    one, other = make_domain("weather", sessions=4), make_domain("storms", sessions=3)
    with FakeEndpoint(right) as fake:
        words = ["--endpoint", fake.url, "--model", "tiny", "--run-id", "x"]
        assert main([*words, "--config", str(one.config), "--config", str(other.config)]) == 0
    runs = last_line(capsys)["runs"]
    assert [run["run"] for run in runs] == ["runs/x-weather", "runs/x-storms"]
    assert [run["models"]["tiny"]["n"] for run in runs] == [8, 6]


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>" * 2000,
        call("get_weather", city="\ud800"),
        '<tool_call>{"name": "get_weather", "arguments": {"city": "\\ud800", "n": 1e999}}</tool_call>',
        '<tool_call>{"name": "get_weather", "arguments": ' + '{"a":' * 500 + "1" + "}" * 501 + "</tool_call>",
        '<tool_call>{"name": "get_weather", "arguments": {"n": ' + "9" * 5000 + "}}</tool_call>",
        '<tool_call>{"name": "get_weather", "arguments": {"n": ' + "9" * 4000 + "}}</tool_call>",
        "\u2028\x00\x1b[31m</script>",
    ],
)
def test_whatever_a_model_writes_can_be_written_and_read_again(domain, text):
    with FakeEndpoint(text) as fake:
        assert replay(domain, fake.url, "--limit-sessions", "1") == 0
    assert len(list(read_outcomes(domain.runs / "r" / "outcomes.jsonl"))) == 2
