"""Fixtures: a domain of its own for each test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from weather import SESSIONS, Domain, Refused, write_domain

from callproof.errors import exit_with
from evaluate.cli import main


@pytest.fixture
def make_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Domain]:
    """name, number of sessions, further configuration -> a domain in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(name: str = "weather", sessions: int = SESSIONS, **more: Any) -> Domain:
        return write_domain(tmp_path, name, sessions, **more)

    return make


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Words of a command that must exit with 2 -> its one line on stderr."""

    def run(*words: object) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exited:
            exit_with(lambda: main([str(word) for word in words]))
        assert exited.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        return lines[0]

    return run


@pytest.fixture
def domain(make_domain: Callable[..., Domain]) -> Domain:
    return make_domain()
