"""Without what only Linux and macOS have: no fcntl, no signals in event loops, no signal masks, no process groups."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint, Script
from programs import ROOT
from weather import Domain, right

from callproof.errors import UserError
from serve.start import vllm_command

pytest_plugins = ["weather_plugin"]

LACKING = """
import asyncio, multiprocessing, os, signal, sys
def refuse(*_): raise NotImplementedError
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
asyncio.SelectorEventLoop.add_signal_handler = asyncio.SelectorEventLoop.remove_signal_handler = refuse
for name in ("pthread_sigmask", "SIGHUP"):
    delattr(signal, name)
for name in ("killpg", "setsid", "fork"):
    delattr(os, name)
multiprocessing.get_all_start_methods = lambda: ["spawn"]
from callproof.__main__ import run
run()
"""


def lacking(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LACKING, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_replay_and_its_report_need_nothing_of_it(domain: Domain, tmp_path: Path) -> None:
    with FakeEndpoint(lambda payload: Script(right(payload))) as fake:
        words = ("evaluate", "--config", str(domain.config), "--endpoint", fake.url, "--model", "tiny")
        done = lacking(*words, "--out", str(tmp_path), "--run-id", "r")
    assert (done.returncode, "internal error" in done.stderr) == (0, False), done.stderr
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["models"]["tiny"]["metrics"]["turn_exact"]["value"] == 1
    again = lacking("evaluate", "gate", str(tmp_path / "r"), str(tmp_path / "r"))
    assert again.returncode in (0, 3, 4), again.stderr  # too few sessions for a verdict


def test_what_cannot_run_there_says_so() -> None:
    done = lacking("train", "service", "--base-path", "x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("error: service: runs on Linux and macOS (Python has no fcntl here)")


def test_without_vllm_on_another_system_no_installation_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_command, "installed_wheel", lambda: None)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(
        UserError, match=r"^vllm: runs on Linux, and this is .*; serve on Linux, in WSL or in a container"
    ):
        vllm_command.require_wheel()
