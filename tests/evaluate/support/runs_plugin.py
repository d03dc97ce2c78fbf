"""Fixtures: a run of another tool through `import runs`, `score` and `gate`, as a person types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from evaluate.cli import main

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": CITY}}]


class Said(NamedTuple):
    """The exit code, the last line of stdout, and all lines of stderr."""

    code: int
    counts: dict[str, Any]
    told: str


Command = Callable[..., Said]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Words of `callproof evaluate`, run in the working directory -> what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(code, json.loads(captured.out.splitlines()[-1]), captured.err)

    return run


@pytest.fixture
def score(evaluate: Command) -> Command:
    """The folder of an import, and further words -> what `score` said; the run stands in `runs/<folder>`."""

    def run(folder: str, *words: object) -> Said:
        turns, answers = f"{folder}/turns.jsonl", f"{folder}/answers.jsonl"
        return evaluate("score", "--turns", turns, "--answers", answers, "--out", f"runs/{folder}", *words)

    return run


def read_lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def write_lines(path: str, *rows: dict[str, Any]) -> str:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def write_json(path: str, value: Any) -> str:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return path
