"""Fixture: replayed runs to hold against each other, of models that answer as `oracles.ANSWERS` says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint
from oracles import ANSWERS
from weather import Domain

from evaluate.cli import main


@pytest.fixture
def run(domain: Domain) -> Callable[..., Path]:
    """Run id, models and further words -> the folder of a replayed run."""

    def replay(run_id: str, *models: str, words: tuple[str, ...] = ()) -> Path:
        with FakeEndpoint(lambda payload: ANSWERS[payload["model"]](payload), models=list(ANSWERS)) as fake:
            named = [word for model in models for word in ("--model", model)]
            command = ["--endpoint", fake.url, "--config", str(domain.config), "--run-id", run_id, *named, *words]
            assert main(command) == 0
        return domain.runs / run_id

    return replay
