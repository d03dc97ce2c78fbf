"""A domain so small that real trainings on it take seconds."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{name.capitalize()} a {thing}.",
            "parameters": {"type": "object", "properties": {thing: {"type": "string"}}, "required": [thing]},
        },
    }
    for name, thing in (("find", "car"), ("book", "room"))
]
WORDS = ("red", "blue", "green", "fast", "small", "old", "new", "warm", "quiet", "cheap")


def session(number: int, rng: random.Random) -> dict[str, Any]:
    """One turn with a call, now and then a second turn without one; of different lengths."""
    name, thing = rng.choice((("find", "car"), ("book", "room")))
    value = " ".join(rng.choices(WORDS, k=rng.randint(1, 4)))
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": f"Please {name} a {value} {thing}."},
        {"role": "assistant", "tool_calls": [{"name": name, "arguments": {thing: value}}]},
        {"role": "tool", "name": name, "content": "{}"},
        {"role": "assistant", "content": "Done."},
    ]
    if number % 3 == 0:
        messages += [{"role": "user", "content": "Thanks."}, {"role": "assistant", "content": "You are welcome."}]
    return {"session_id": f"s{number}", "messages": messages}


def small_run_in(folder: Path) -> Callable[..., Path]:
    """Writes the configuration of a small run on models/tiny; sections override, `output` names its folder."""
    rng = random.Random(0)
    domain = folder / "small"
    (domain / "sessions").mkdir(parents=True)
    (domain / "system_prompt.md").write_text("You help.\n")
    (domain / "tools.json").write_text(json.dumps(TOOLS))
    for split, count in (("train", 10), ("eval", 3)):
        lines = [json.dumps(session(number, rng)) for number in range(count)]
        (domain / "sessions" / f"{split}.jsonl").write_text("\n".join(lines) + "\n")

    def write(output: str = "out", **sections: dict[str, Any]) -> Path:
        train = {
            "output_dir": str(folder / output),
            "max_steps": 4,
            "per_device_train_batch_size": 2,
            "learning_rate": 5e-3,
            "logging_steps": 3,
            "bf16": False,
        }
        values = {"name": "small", "data": {"domain": str(domain)}, "eval": {"max_tokens": 24}, **sections}
        values["train"] = train | sections.get("train", {})
        path = folder / f"{output}.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture
def small_run(tmp_path: Path) -> Callable[..., Path]:
    """See `small_run_in`."""
    return small_run_in(tmp_path)
