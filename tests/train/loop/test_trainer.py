"""What goes into a step, and what comes out of a training: packing, an adapter to go on from, several processes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run_verb

from callproof.config import check_adapter_folder, load, problems
from train.before.servability import vllm_verdicts
from train.loop.evaluation import Evaluator
from train.loop.trainer import make_trainer, mean_loss
from train.rows.data import encode_sessions, load_encoder

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]


def first_batch(path: Path) -> tuple[Any, dict[str, Any]]:
    """A trainer of a configuration, and its first batch."""
    config = load(path)
    encoder = load_encoder(config.model)
    rows = encode_sessions("train", config, encoder).rows
    trainer = make_trainer(config, encoder, rows)
    return trainer, next(iter(trainer.get_train_dataloader()))


def test_packed_rows_have_the_loss_of_unpacked_ones(small_run: SmallRun) -> None:
    losses = {}
    for packing in (False, True):
        trainer, batch = first_batch(small_run(train={"packing": packing, "per_device_train_batch_size": 10}))
        rows, labels = batch["input_ids"].shape[0], int((batch["labels"] != -100).sum())
        assert rows == (1 if packing else 10)
        losses[packing] = (labels, trainer.compute_loss(trainer.model.eval(), batch).item())
    assert losses[True][0] == losses[False][0]
    assert losses[True][1] == pytest.approx(losses[False][1], abs=1e-4)


@pytest.mark.parametrize("weights", [{}, {"decision": 3.0, "text": 0.1}])
def test_a_step_is_the_mean_over_all_tokens_of_the_accumulated_batches(small_run: SmallRun, weights: dict) -> None:
    trainer, batch = first_batch(small_run(train={"loss_weights": weights}))
    model, count = trainer.model.eval(), int((batch["labels"][:, 1:] != -100).sum())
    alone = trainer.compute_loss(model, batch).item()
    assert trainer.compute_loss(model, batch, num_items_in_batch=count).item() == pytest.approx(alone, rel=1e-5)
    assert trainer.compute_loss(model, batch, num_items_in_batch=2 * count).item() == pytest.approx(alone / 2, rel=1e-5)


def test_training_goes_on_from_the_weights_of_another_adapter(small_run: SmallRun) -> None:
    from peft import get_peft_model_state_dict
    from safetensors.torch import load_file

    lora = {"r": 8, "rank_pattern": {"q_proj": 4}, "use_rslora": True, "init": "orthogonal"}
    first = small_run("first", lora=lora, train={"max_steps": 1})
    run_verb("train", "--config", first)
    saved = load_file(load(first).adapter_dir / "adapter_model.safetensors")
    trainer, _ = first_batch(small_run("second", lora=lora, model={"lora_path": str(load(first).adapter_dir)}))
    begun = get_peft_model_state_dict(trainer.model)
    assert set(begun) == set(saved)
    assert all(begun[name].equal(saved[name]) for name in saved)
    assert all(p.requires_grad == ("lora_" in name) for name, p in trainer.model.named_parameters())


def test_an_adapter_on_the_embedding_is_trained_and_passes_the_check_after_training(small_run: SmallRun) -> None:
    path = small_run(lora={"target_modules": ["q_proj", "embed_tokens"]}, train={"max_steps": 1})
    run_verb("train", "--config", path)
    config = load(path)
    assert check_adapter_folder(config.adapter_dir, config.model.base_model).notes == ()


def test_two_processes_train_and_evaluate_as_one_and_one_of_them_speaks(small_run: SmallRun) -> None:
    path = small_run(train={"max_steps": 2, "per_device_train_batch_size": 1, "eval_steps": 2})
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "train"]
    command += ["--config", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("\n") == 1
    config = load(path)
    manifest = json.loads((config.output_dir / "manifest.json").read_text())
    assert json.loads(done.stdout)["steps"] == manifest["steps"] == 2
    assert done.stderr.count("'supervised_tokens'") == 1
    [evaluation] = manifest["evaluations"]
    assert evaluation["eval_loss"] == pytest.approx(manifest["eval_loss"], abs=1e-6)
    state = json.loads((config.output_dir / "checkpoints" / "run.json").read_text())
    assert (state["processes"], state["finished"]) == (2, True)
    trainer, _ = first_batch(small_run("alone", model={"lora_path": str(config.adapter_dir)}))
    encoder = load_encoder(config.model)
    rows = encode_sessions("eval", config, encoder).rows
    assert Evaluator(encoder, rows, [], 1, 8).loss(trainer) == pytest.approx(manifest["eval_loss"], abs=1e-5)


def test_the_mean_loss_weighs_what_was_logged_by_its_steps() -> None:
    history = [{"loss": 4.0, "step": 3}, {"eval_loss": 9.0, "step": 3}, {"loss": 1.0, "step": 4}, {"train_loss": 7.0}]
    assert mean_loss(history) == pytest.approx(13 / 4)


PLAIN = {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "peft_type": "LORA"}
ODD: tuple[dict[str, Any], ...] = (
    {}, {"r": 512}, {"r": 513}, {"rank_pattern": {"q_proj": 600}}, {"rank_pattern": {"q_proj": 4}},
    {"use_rslora": True}, {"bias": "all"}, {"use_dora": True}, {"lora_bias": True}, {"modules_to_save": ["lm_head"]},
    {"modules_to_save": ["score"]}, {"init_lora_weights": "pissa_niter_4"}, {"init_lora_weights": "orthogonal"},
    {"init_lora_weights": "Gaussian"}, {"layer_replication": [[0, 2]]}, {"alora_invocation_tokens": [1]},
    {"use_qalora": True}, {"layers_to_transform": [0]}, {"init_lora_weights": False},
)  # fmt: skip


def test_our_rules_are_those_of_the_installed_vllm(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="the server's own rules need the server")
    folders = []
    for number, odd in enumerate(ODD):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        (folders[-1] / "adapter_config.json").write_text(json.dumps({**PLAIN, **odd}))
    theirs = [verdict == "accepted" for verdict in vllm_verdicts(folders, 512)]
    assert theirs == [not problems({**PLAIN, **odd}) for odd in ODD]
