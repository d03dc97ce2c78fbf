"""The model card and the upload: with huggingface_hub's own client, against a small hub over real HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from adapter_files import Q_PROJ, lora, write_adapter
from conftest import ROOT
from huggingface_hub import ModelCard
from small_hub import Hub
from small_hub import hub as hub

from callproof.config import RunConfig, load
from callproof.errors import UserError
from callproof.records import write_json
from train.adapter.manifest import make_manifest
from train.adapter.push import publish

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]
FIGURES = {
    "steps": 4,
    "best_step": 2,
    "perplexity": 1.5,
    "evaluations": [{"step": 2, "eval_turn_exact": 0.75, "eval_loss": 0.4}, {"step": 4, "eval_turn_exact": 0.25}],
}


def finished(config: RunConfig) -> None:
    """An adapter and a manifest as training leaves them, without training."""
    tensors = lora(Q_PROJ, rank=config.lora.r, widths=(256, 256))
    write_adapter(config.adapter_dir, tensors, **config.lora.peft_settings)
    manifest = make_manifest(config, (ROOT / "models/tiny/chat_template.jinja").read_text(), None, {}, FIGURES)
    counts = {"sessions": 10, "supervised_tokens": 99}
    write_json(config.output_dir / "manifest.json", manifest | {"data": {"train": counts, "eval": counts}})


@pytest.fixture
def trained(small_run: SmallRun) -> Path:
    path = small_run(train={"hub_model_id": "me/small-lora", "hub_private_repo": True})
    finished(load(path))
    return path


def test_the_card_carries_the_figures_of_the_best_step_and_how_to_serve(trained: Path) -> None:
    config = load(trained)
    done = publish(config, dry=True)
    assert done["commit"] is None
    assert set(done["files"]) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    card = ModelCard.load(config.adapter_dir / "README.md")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results or []}
    assert results == {"perplexity": 1.5, "turn_exact": 0.75, "loss": 0.4}
    assert card.data.to_dict()["model-index"][0]["name"] == "small-lora"
    assert "--max-lora-rank 16" in card.text
    assert "--tool-call-parser hermes" in card.text


def test_a_run_of_evaluate_gives_the_card_its_figures(trained: Path, tmp_path: Path) -> None:
    config = load(trained)
    metrics = {"turn_exact": {"value": 0.9}, "parse_rate": {"value": None}}
    write_json(tmp_path / "run" / "metrics.json", {"models": {"small": {"metrics": metrics}}})
    publish(config, tmp_path / "run", dry=True)
    card = ModelCard.load(config.adapter_dir / "README.md")
    assert {each.metric_type: each.metric_value for each in card.data.eval_results or []} == {"turn_exact": 0.9}
    write_json(tmp_path / "run" / "metrics.json", {"models": {"other": {"metrics": {}}}})
    with pytest.raises(UserError, match="has no model 'small'; models there: other"):
        publish(config, tmp_path / "run", dry=True)


def push(config: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "train", "push", "--config", str(config)]
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": "hf_x", "HF_HUB_OFFLINE": "0"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)


def test_the_hub_gets_the_whole_folder_into_a_private_repository(trained: Path, hub: tuple[str, type[Hub]]) -> None:
    done = push(trained, hub[0])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["commit"] == f"{hub[0]}/me/small-lora/commit/1"
    folder = load(trained).adapter_dir
    assert hub[1].files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert (hub[1].made["organization"], hub[1].made["name"]) == ("me", "small-lora")
    assert hub[1].made["visibility"] == "private"


def test_a_refusal_of_the_hub_is_one_line_and_the_adapter_stays(trained: Path, hub: tuple[str, type[Hub]]) -> None:
    hub[1].refuse = True
    done = push(trained, hub[0])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "me/small-lora: upload failed" in done.stderr
    assert (load(trained).adapter_dir / "adapter_model.safetensors").is_file()


def test_there_must_be_an_adapter_to_push(small_run: SmallRun) -> None:
    with pytest.raises(UserError, match=r"manifest\.json: cannot be read"):
        publish(load(small_run(train={"hub_model_id": "me/x"})), dry=True)
