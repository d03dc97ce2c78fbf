"""Real processes that are interrupted or killed, and the runs that they leave."""

import contextlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from oracles import outcomes_of
from weather import Domain, right, wrong

from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

ROOT = Path(__file__).parents[3]
KILLS = 10
CONCURRENCY = 4


def slow(payload: dict[str, Any]) -> Script:
    """Right on even cities, after a moment."""
    text = payload["messages"][1]["content"]
    return Script((right if int(text.rpartition("City")[2]) % 2 == 0 else wrong)(payload), first_delay_s=0.05)


@contextlib.contextmanager
def started(domain: Domain, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "evaluate", "--config", str(domain.config), "--model", "tiny", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(fake: FakeEndpoint, requests: int, process: subprocess.Popen[str]) -> None:
    while len(fake.requests) < requests and process.poll() is None:
        time.sleep(0.005)


def ended(process: subprocess.Popen[str]) -> str:
    """What a process tells until its end."""
    return process.communicate(timeout=60)[1]


def go_on(told: str) -> list[str]:
    """The command that an interrupted process leaves, for this Python."""
    _, _, command = told.partition("to go on: ")
    assert command, told
    return [sys.executable, "-m", *shlex.split(command.splitlines()[0])]


def answers(run: Run) -> list[dict[str, Any]]:
    """The outcomes of a run, without what differs from run to run."""
    return [outcome.model_dump(exclude={"answer": {"latency_s"}}) for outcome in outcomes_of(run)]


def figures(run: Run) -> dict[str, Any]:
    return {**json.loads(run.metrics_path.read_text()), "run_id": None}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_answers_land_and_the_command_that_is_told_finishes_the_run(domain: Domain, number: int):
    words = ("--run-id", "r", "--concurrency", "4")
    with FakeEndpoint(slow) as fake:
        with started(domain, "--endpoint", fake.url.replace("http://", "http://me:s3cret@"), *words) as process:
            wait_for(fake, 12, process)
            process.send_signal(number)
            told = ended(process)
            assert process.returncode == 130, told
        assert "Traceback" not in told
        assert "s3cret" not in told
        run, before = Run(domain.runs / "r"), len(fake.requests)
        assert len(outcomes_of(run)) == before < 80
        assert run.info().finished is None
        subprocess.run(go_on(told), env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    asked = Counter(json.dumps(request["messages"]) for request in fake.requests)
    assert set(asked.values()) == {1}
    assert len(asked) == len(outcomes_of(run)) == 80
    assert run.info().finished is not None


def test_a_second_ctrl_c_drops_what_hangs(domain: Domain):
    words = ("--run-id", "r", "--timeout", "300")
    with FakeEndpoint(Script(hang=True)) as fake, started(domain, "--endpoint", fake.url, *words) as process:
        wait_for(fake, 4, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any("Ctrl-C again drops them" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        told = ended(process)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert outcomes_of(Run(domain.runs / "r")) == []


def test_a_run_out_of_time_is_no_run_to_trust_and_can_be_finished(domain: Domain):
    with FakeEndpoint(slow) as fake:
        words = ("--endpoint", fake.url, "--concurrency", "2")
        with started(domain, *words, "--run-timeout", "0.6") as process:
            told = ended(process)
        assert process.returncode == 3, told
        assert "out of time; to go on: callproof evaluate" in told
        [path] = domain.runs.iterdir()
        landed = len(outcomes_of(Run(path)))
        assert 0 < landed < 80
        with started(domain, *words, "--run-id", path.name, "--resume") as process:
            told = ended(process)
        assert process.returncode == 0, told
    assert len(outcomes_of(Run(path))) == 80


def test_a_run_killed_at_ten_random_moments_ends_as_one_that_was_left_in_peace(domain: Domain):
    moments = random.Random(7)
    with FakeEndpoint(slow) as fake:
        words = ("--endpoint", fake.url, "--repeats", "3", "--concurrency", str(CONCURRENCY))
        with started(domain, *words, "--run-id", "peace") as process:
            told = ended(process)
            assert process.returncode == 0, told
        fake.requests.clear()
        for number in range(KILLS):
            with started(domain, *words, "--run-id", "killed", "--resume") as process:
                wait_for(fake, len(fake.requests) + moments.randrange(2, 12), process)
                time.sleep(moments.uniform(0, 0.1) if number % 5 else 0)
                process.send_signal(signal.SIGKILL)
                ended(process)
            assert process.returncode == -signal.SIGKILL
        with started(domain, *words, "--run-id", "killed", "--resume") as process:
            told = ended(process)
            assert process.returncode == 0, told
    peace, killed = Run(domain.runs / "peace"), Run(domain.runs / "killed")
    assert len(answers(killed)) == 240
    assert answers(killed) == answers(peace)
    assert figures(killed) == figures(peace)
    assert killed.info().identity == peace.info().identity
    assert len(fake.requests) <= 240 + KILLS * CONCURRENCY


def test_a_process_killed_while_it_starts_leaves_nothing_in_the_way(domain: Domain):
    with FakeEndpoint(slow) as fake:
        words = ("--endpoint", fake.url, "--run-id", "r", "--limit-sessions", "2", "--resume")
        for seconds in (0.05, 0.5, 1.0, 1.5):
            with started(domain, *words) as process:
                time.sleep(seconds)
                process.kill()
        with started(domain, *words) as process:
            told = ended(process)
        assert process.returncode == 0, told
    assert len(outcomes_of(Run(domain.runs / "r"))) == 4
