import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint
from weather import Domain, right, wrong

from benchmarks.until_decided import main as replay_saved
from evaluate.cli import main

pytest_plugins = ["weather_plugin"]


def answer(payload: dict[str, Any]) -> str:
    return (wrong if payload["model"] == "base" else right)(payload)


def test_saved_answers_are_judged_with_fewer_sessions_and_the_same_verdict(
    make_domain: Callable[..., Domain], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    domain = make_domain(sessions=60)
    with FakeEndpoint(answer, models=["base", "weather"]) as fake:
        models = ("--model", "base", "--model", "weather")
        assert main(["--endpoint", fake.url, "--config", str(domain.config), "--run-id", "whole", *models]) == 0
    assert main(["bless", "whole", "--as", "demo", "--model", "base"]) == 0
    before = sorted(Path("runs").iterdir())
    words = ["until_decided", "whole", "--baseline", "demo", "--model", "weather", "--orders", "2"]
    monkeypatch.setattr(sys, "argv", words)
    assert replay_saved() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "fixed": "pass", "until_decided": ["pass", "pass"], "planned": 60, "sessions": [30, 30], "share": 0.5,
    }  # fmt: skip
    assert sorted(Path("runs").iterdir()) == before
