"""`evaluate --until-decided` through the command line, against a real HTTP server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fake_endpoint import FakeEndpoint, Script
from oracles import outcomes_of
from weather import Domain, Refused, right, wrong

from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

ROOT = Path(__file__).parents[3]
SESSIONS = 240
LOOKS = [30, 60, 90, 120, 150, 180, 210]
MODELS = ("weather", "twin", "bad")
Play = Callable[..., int]


def answer(payload: dict[str, Any]) -> str:
    return (wrong if payload["model"] == "bad" else right)(payload)


@pytest.fixture
def large(make_domain: Callable[..., Domain]) -> Domain:
    return make_domain(sessions=SESSIONS)


@pytest.fixture
def fake():
    with FakeEndpoint(answer, models=MODELS) as endpoint:
        yield endpoint


def played(fake: FakeEndpoint, domain: Domain, run_id: str, model: str, *words: object) -> int:
    """Exit code of a replay."""
    options = ("--endpoint", fake.url, "--config", domain.config, "--run-id", run_id, "--model", model, *words)
    return main([str(word) for word in options])


def decided(fake: FakeEndpoint, domain: Domain, run_id: str, model: str, *words: object, against: str = "base") -> int:
    return played(fake, domain, run_id, model, "--until-decided", "--baseline", against, *words)


def gate_of(domain: Domain, run_id: str) -> dict[str, Any]:
    return json.loads((domain.runs / run_id / "gate.json").read_text())


def order(seed: int) -> list[str]:
    """The sessions by the digest of seed and id."""
    names = [f"weather-{number:03}" for number in range(SESSIONS)]
    return sorted(names, key=lambda name: sha256(f"{seed}/{name}".encode()).hexdigest())


def test_equal_answers_pass_after_90_of_240_sessions_in_the_order_of_the_seed(fake: FakeEndpoint, large: Domain):
    # Without a turn that differs a limit is t^2 / k off: t at 99.75 % is 2.915 with 59 degrees of freedom and 2.878
    # with 89, so that 60 sessions give 14.2 points and 90 give 9.2, below the margin of 10.
    assert played(fake, large, "base", "weather") == 0
    fake.requests.clear()
    assert decided(fake, large, "twin", "twin", "--order-seed", 5) == 0
    assert len(fake.requests) == 180
    result = gate_of(large, "twin")
    assert result["verdict"] == "pass"
    assert result["stopping"] == {
        "seed": 5, "level": 0.9975, "planned_sessions": 240, "planned_turns": 480, "sessions": 90, "turns": 180,
        "looks": LOOKS, "look": 3, "more_sessions": None,
    }  # fmt: skip
    exact = next(check for check in result["checks"] if check["metric"] == "turn_exact")
    assert exact["lower"] == pytest.approx(-(2.878**2) / 90, abs=2e-4)
    asked = {outcome.session_id for outcome in outcomes_of(Run(large.runs / "twin"))}
    assert asked == set(order(5)[:90])
    made = Run(large.runs / "twin").info().until.made
    assert [(look.sessions, look.turns, look.verdict) for look in made] == [
        (30, 60, None), (60, 120, None), (90, 180, "pass"),
    ]  # fmt: skip


def test_a_clear_regression_and_a_clear_gain_stop_at_the_first_look(fake: FakeEndpoint, large: Domain):
    assert played(fake, large, "base", "weather") == 0
    assert played(fake, large, "worst", "bad") == 0
    assert decided(fake, large, "bad", "bad") == 1
    result = gate_of(large, "bad")
    assert (result["verdict"], result["stopping"]["sessions"]) == ("regression", 30)
    assert decided(fake, large, "better", "twin", against="worst") == 0
    result = gate_of(large, "better")
    assert (result["verdict"], result["stopping"]["sessions"]) == ("pass", 30)


def test_where_no_look_is_sure_the_fixed_gates_verdict_stands_and_more_sessions_are_told(
    fake: FakeEndpoint, domain: Domain, capsys
):
    tight = "gate.margins={turn_exact: 0.02}"
    assert played(fake, domain, "base", "weather", tight) == 0
    assert decided(fake, domain, "twin", "twin", tight) == 4
    told = capsys.readouterr().out
    # 138 sessions without a turn that differs pass a margin of 2 points, and 40 are here
    assert "Asked to the end: 40 of 40 sessions (80 of 80 turns)" in told
    assert "none of 7 looks was sure. About 98 more sessions like these would settle it." in told
    assert Run(domain.runs / "twin").info().finished
    sequential = gate_of(domain, "twin")
    assert sequential["stopping"]["more_sessions"] == 98
    assert sequential["stopping"]["look"] is None
    assert main(["gate", "base", "twin"]) == 4
    assert {**sequential, "stopping": None} == gate_of(domain, "twin")


def test_a_part_is_told_everywhere_and_is_no_whole_run_anywhere(
    fake: FakeEndpoint, large: Domain, capsys, refused: Refused
):
    assert played(fake, large, "base", "weather") == 0
    assert decided(fake, large, "part", "twin", "--summary", "gate.md", "--junit", "gate.xml") == 0
    state = "stopped after 90 of 240 sessions, once the verdict was sure"
    sentence = "Stopped early: sure at look 3 of 7, after 90 of 240 sessions (180 of 480 turns)"
    assert sentence in Path("gate.md").read_text()
    assert "one-sided 99.75 % limits" in Path("gate.md").read_text()
    suite = ElementTree.parse("gate.xml").getroot()
    (case,) = [case for case in suite if case.get("name") == "sessions asked"]
    assert (case.findtext("system-out") or "").startswith(sentence)
    assert sentence in capsys.readouterr().out
    part = large.runs / "part"
    assert any(state in warning for warning in json.loads((part / "metrics.json").read_text())["warnings"])
    assert state in (part / "report.html").read_text()
    assert main(["runs"]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]
    assert [row["state"] for row in rows if row["run"] == "part"] == [state]
    assert main(["diff", "base", "part"]) == 0
    assert state in capsys.readouterr().out
    assert main(["gate", "base", "part"]) == 3
    assert main(["gate", "part", "base"]) == 3
    assert state in refused("bless", "part")
    assert state in refused("noise", "base", "part")


def test_the_rest_can_be_asked_and_then_it_is_a_whole_run(fake: FakeEndpoint, large: Domain):
    assert played(fake, large, "base", "weather") == 0
    assert decided(fake, large, "part", "twin") == 0
    fake.requests.clear()
    assert played(fake, large, "part", "twin", "--resume") == 0
    assert len(fake.requests) == 300
    assert main(["gate", "base", "part"]) == 0
    assert main(["bless", "part", "--as", "best"]) == 0


def test_no_pass_rests_on_floors_or_metrics_that_the_part_cannot_show(fake: FakeEndpoint, large: Domain):
    late = order(5)[200]
    floors = "gate.slice_floors={tag=late: {turn_exact: 0.5}}"
    lines = [json.loads(line) for line in large.sessions.read_text().splitlines()]
    tagged = [line | ({"tags": ["late"]} if line["session_id"] == late else {}) for line in lines]
    large.sessions.write_text("".join(json.dumps(line) + "\n" for line in tagged))
    assert played(fake, large, "base", "weather", floors) == 0
    assert decided(fake, large, "twin", "twin", floors, "--order-seed", 5) == 0
    assert gate_of(large, "twin")["stopping"]["sessions"] == 210


def test_answers_that_never_came_leave_the_verdict_to_the_end(large: Domain):
    with FakeEndpoint(answer, models=MODELS) as fake:
        assert played(fake, large, "base", "weather") == 0
    lost = [Script(status=500)] * 6
    with FakeEndpoint(answer, models=MODELS, faults=lost) as fake:
        assert decided(fake, large, "twin", "twin", "--order-seed", 5) == 3
    assert gate_of(large, "twin")["verdict"] == "invalid"


def slow(payload: dict[str, Any]) -> Script:
    return Script(answer(payload), first_delay_s=0.02)


def test_a_run_that_is_killed_stops_where_one_left_in_peace_stops(fake: FakeEndpoint, large: Domain):
    assert played(fake, large, "base", "weather") == 0
    assert decided(fake, large, "peace", "twin", "--order-seed", 7) == 0
    options = ("--config", large.config, "--model", "twin", "--run-id", "killed", "--until-decided")
    words = [str(word) for word in (*options, "--baseline", "base", "--concurrency", "4")]
    with FakeEndpoint(slow, models=MODELS) as slower:
        command = [sys.executable, "-m", "evaluate", "--endpoint", slower.url, *words, "--order-seed", "7"]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
            while len(slower.requests) < 75 and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        begun = Run(large.runs / "killed").info()
        assert begun.until is not None
        assert begun.until.stop is None
        assert main(["--endpoint", slower.url, *words, "--resume"]) == 0
        assert len(slower.requests) <= 180 + 4
    kept = ("verdict", "stopping", "checks", "slices")
    killed, peace = gate_of(large, "killed"), gate_of(large, "peace")
    assert {name: killed[name] for name in kept} == {name: peace[name] for name in kept}
    assert Run(large.runs / "killed").info().until.made == Run(large.runs / "peace").info().until.made


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--until-decided",), "give --baseline"),
        (("--until-decided", "--baseline", "base", "--model", "bad"), "one model"),
        (("--until-decided", "--baseline", "base", "--limit-sessions", "9"), "cannot be compared"),
        (("--junit", "gate.xml"), "--until-decided"),
        (("--order-seed", "3"), "--until-decided"),
        (("--until-decided", "--baseline", "base", "--run-id", "base", "--resume"), "begun without --until-decided"),
    ],
)
def test_what_cannot_be_decided_is_refused_before_a_question(
    fake: FakeEndpoint, domain: Domain, refused: Refused, words: tuple[str, ...], told: str
):
    assert played(fake, domain, "base", "weather") == 0
    fake.requests.clear()
    line = refused("--endpoint", fake.url, "--config", domain.config, "--run-id", "r", "--model", "weather", *words)
    assert told in line
    assert fake.requests == []


def test_a_part_is_no_baseline(fake: FakeEndpoint, large: Domain, refused: Refused):
    assert played(fake, large, "base", "weather") == 0
    assert decided(fake, large, "part", "twin") == 0
    options = ("--endpoint", fake.url, "--config", large.config, "--run-id", "r", "--model", "bad")
    line = refused(*options, "--until-decided", "--baseline", "part")
    assert "stopped after 90 of 240 sessions" in line


def test_another_baseline_or_order_cannot_finish_a_run(fake: FakeEndpoint, large: Domain, refused: Refused):
    assert played(fake, large, "base", "weather") == 0
    assert played(fake, large, "other", "weather") == 0
    assert decided(fake, large, "part", "twin", "--order-seed", 5) == 0
    options = ("--endpoint", fake.url, "--config", large.config, "--run-id", "part", "--model", "twin", "--resume")
    for words in (("--baseline", "other"), ("--baseline", "base", "--order-seed", "6")):
        assert "another --baseline or --order-seed" in refused(*options, "--until-decided", *words)
