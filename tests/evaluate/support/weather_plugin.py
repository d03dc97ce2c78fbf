"""Fixtures: a domain of its own for each test."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from weather import MARGINS, SESSIONS, TOOLS, Domain, Refused, session

from callproof.errors import exit_with
from evaluate.cli import main


@pytest.fixture
def make_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Domain]:
    """name, number of sessions, further configuration -> a domain in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(name: str = "weather", sessions: int = SESSIONS, **more: Any) -> Domain:
        root = tmp_path / "domains" / name
        path = root / "sessions" / "eval.jsonl"
        path.parent.mkdir(parents=True)
        (root / "system_prompt.md").write_text("You tell the weather.\n\n## Rules\n- Be brief.\n- Be kind.\n")
        (root / "tools.json").write_text(json.dumps(TOOLS))
        path.write_text("".join(json.dumps(session(number)) + "\n" for number in range(sessions)))
        config = tmp_path / f"{name}.yaml"
        settings = {
            "name": name,
            "data": {"domain": str(root)},
            "prompt": {"date_line": True, "shuffle_sections": True, "shuffle_tools": True},
            "serve": {"tool_call_parser": "hermes"},
            "eval": {"retries": 0, "timeout_s": 5},
            "gate": {"margins": MARGINS},
            **more,
        }
        config.write_text(yaml.safe_dump(settings))
        return Domain(root, config, path, tmp_path / "runs")

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
