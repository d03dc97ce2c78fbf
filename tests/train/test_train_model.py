"""One line of Python trains: from a file, from values, from a configuration, with keys on top."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from callproof.config import RunConfig, load
from callproof.errors import UserError
from train import train_model
from train.loop import run as loop

pytest_plugins = ["small_run_plugin"]


@pytest.mark.parametrize("kind", ["path", "text", "values", "config"])
def test_every_kind_of_configuration_is_taken(small_run: Callable[..., Path], kind: str, monkeypatch) -> None:
    runs: list[tuple[RunConfig, bool]] = []
    monkeypatch.setattr(loop, "run", lambda config, resume: runs.append((config, resume)) or {})
    path = small_run()
    kinds: dict[str, Any] = {"path": path, "text": str(path), "values": yaml.safe_load(path.read_text())}
    kinds["config"] = load(path)
    train_model(kinds[kind])
    train_model(kinds[kind], resume=True, lora={"r": 4}, train__seed=7, **{"train.max_steps": 1})
    (plain, _), (changed, resume) = runs
    assert (plain, resume) == (load(path), True)
    assert (changed.lora.r, changed.lora.alpha, changed.train.seed, changed.train.max_steps) == (4, 32, 7, 1)
    assert changed.train.learning_rate == plain.train.learning_rate


def test_a_dictionary_trains_for_real(small_run: Callable[..., Path]) -> None:
    values = yaml.safe_load(small_run().read_text())
    manifest = train_model(values, train__max_steps=1)
    assert manifest["steps"] == 1
    assert (Path(values["train"]["output_dir"]) / "adapter" / "adapter_model.safetensors").is_file()


def test_wrong_values_are_one_line(small_run: Callable[..., Path]) -> None:
    values = yaml.safe_load(small_run().read_text())
    with pytest.raises(UserError, match=r"argument: unknown key 'lora\.rank'; valid keys: r, alpha"):
        train_model(values, lora={"rank": 4})
    with pytest.raises(UserError, match="argument: 2 unknown keys: 'model_name'"):
        train_model({**values, "model_name": "x", "lora_rank": 8})
