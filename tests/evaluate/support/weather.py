"""A small domain, and oracles that answer its turns."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SESSIONS = 40
MARGINS = dict.fromkeys(("turn_exact", "name_f1", "hallucination_rate"), 0.1)
"""That 40 sessions can pass: without a discordant turn the limits of their differences are 7.1 points off."""
Refused = Callable[..., str]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    },
    {"type": "function", "function": {"name": "list_cities", "description": "All cities."}},
]


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def right(payload: dict[str, Any]) -> str:
    """The gold answer to a turn of the domain."""
    words = payload["messages"][-1]["content"].split()
    return call("get_weather", city=words[-1]) if words[0] == "Weather" else "You are welcome."


def wrong(_: dict[str, Any]) -> str:
    """A call with other arguments, and a call where none is due."""
    return call("get_weather", city="Nowhere")


def session(number: int) -> dict[str, Any]:
    weather = {"name": "get_weather", "arguments": {"city": f"City{number}"}}
    return {
        "session_id": f"weather-{number:03}",
        "tags": ["even" if number % 2 == 0 else "odd"],
        "messages": [
            {"role": "user", "content": f"Weather in City{number}"},
            {"role": "assistant", "tool_calls": [weather]},
            {"role": "tool", "name": "get_weather", "content": '{"sky": "blue"}'},
            {"role": "assistant", "content": "The sky is blue."},
            {"role": "user", "content": "Thanks!"},
            {"role": "assistant", "content": "You are welcome."},
        ],
    }


@dataclass(frozen=True)
class Domain:
    """Files of a domain with two turns a session: one with a call, one without."""

    root: Path
    config: Path
    sessions: Path
    runs: Path


def write_domain(folder: Path, name: str = "weather", sessions: int = SESSIONS, **more: Any) -> Domain:
    """Write a domain of some sessions into a folder; `more` are sections of its configuration."""
    root = folder / "domains" / name
    path = root / "sessions" / "eval.jsonl"
    path.parent.mkdir(parents=True)
    (root / "system_prompt.md").write_text("You tell the weather.\n\n## Rules\n- Be brief.\n- Be kind.\n")
    (root / "tools.json").write_text(json.dumps(TOOLS))
    path.write_text("".join(json.dumps(session(number)) + "\n" for number in range(sessions)))
    config = folder / f"{name}.yaml"
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
    return Domain(root, config, path, folder / "runs")
