"""A small domain, and `bench` as a user calls it on an endpoint that serves it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_endpoint import Script
from programs import run_program

REPOSITORY = Path(__file__).resolve().parents[3]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def session(number: int) -> dict[str, Any]:
    city = f"City {number}"
    return {
        "session_id": f"s{number}",
        "messages": [
            {"role": "user", "content": f"Weather in {city}?"},
            {"role": "assistant", "tool_calls": [{"name": "weather", "arguments": {"city": city}}]},
        ],
    }


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    domain = tmp_path / "domain"
    (domain / "sessions").mkdir(parents=True)
    (domain / "tools.json").write_text(json.dumps(TOOLS))
    (domain / "system_prompt.md").write_text("You help.\n\n## Rules\n- Be brief.")
    lines = [json.dumps(session(number)) for number in range(10)]
    (domain / "sessions/eval.jsonl").write_text("\n".join(lines))
    for name in ("cars", "cover"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "data": {"domain": "domain"}}))
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "bench", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def bench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("bench", *words, cwd=folder)


def right_for_even_cities(payload: dict[str, Any]) -> Script:
    city = payload["messages"][-1]["content"].removeprefix("Weather in ").removesuffix("?")
    called_city = city if int(city.split()[1]) % 2 == 0 else city.lower()
    call = json.dumps({"name": "weather", "arguments": {"city": called_city}})
    return Script(f"<tool_call>\n{call}\n</tool_call>", first_delay_s=0.01)
