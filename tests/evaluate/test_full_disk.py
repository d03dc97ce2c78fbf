"""A disk that is full while a run is written: one line that names the file, and the code of wrong use."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint
from programs import ROOT
from rows import answer, lines, turn
from weather import right

pytest_plugins = ["weather_plugin"]
ROOM = 700
"""Bytes that a file may have: less than turns.jsonl, more than a file that is opened."""


def within_room(*words: str) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))

    settings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "evaluate", *words]
    return subprocess.run(command, env=settings, capture_output=True, text=True, preexec_fn=limit)


def check(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "File too large" in done.stderr


def test_of_scored_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("turns.jsonl").write_text(lines(turn))
    Path("answers.jsonl").write_text(lines(answer))
    check(within_room("score", "--turns", "turns.jsonl", "--answers", "answers.jsonl", "--out", "out"))
    assert not list(tmp_path.glob("out/*.jsonl"))


def test_of_turns_that_are_asked(domain) -> None:
    with FakeEndpoint(right) as fake:
        check(within_room("--endpoint", fake.url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r"))
        assert not fake.requests
