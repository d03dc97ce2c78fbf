"""The memory estimate against what PyTorch counts, and its verdicts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import run_verb

from callproof.config import load
from callproof.errors import UserError
from train.before.gpus import find_gpu
from train.before.memory import estimate, layer_bytes

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]


def saved_bytes(wide: bool) -> tuple[float, float]:
    """Bytes a token and layer that autograd keeps of a small Qwen3 with LoRA, and those of the formula."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Qwen3Config

    layers, tokens, rank = 4, 1024, 8
    config = Qwen3Config(
        hidden_size=128, intermediate_size=320, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
        num_hidden_layers=layers, vocab_size=64,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if wide else torch.bfloat16)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=rank, target_modules="all-linear")).train()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=torch.bfloat16, enabled=not wide):
        model.base_model.model.model(input_ids=torch.zeros(1, tokens, dtype=torch.long), use_cache=False)
    counted = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    return counted / tokens / layers, layer_bytes(config, 7 * rank, wide)


@pytest.mark.parametrize("wide", [True, False])
def test_activations_are_what_autograd_keeps(wide: bool) -> None:
    counted, estimated = saved_bytes(wide)
    assert estimated == pytest.approx(counted, rel=0.15)


def test_parameters_are_those_of_the_model(small_run: SmallRun) -> None:
    found = estimate(load(small_run(lora={"r": 8, "rank_pattern": {"q_proj": 4}})))
    shapes = {"q": (256, 256), "k": (256, 256), "v": (256, 256), "o": (256, 256), "gate": (256, 512), "up": (256, 512)}
    ranks = [4 if name == "q" else 8 for name in (*shapes, "down")]
    sizes = [sum(shape) for shape in (*shapes.values(), (512, 256))]
    assert found.base_parameters == 3_410_688
    assert found.lora_parameters == 4 * sum(rank * size for rank, size in zip(ranks, sizes, strict=True))
    assert found.fits is None


def test_checkpointing_smaller_batches_and_nf4_take_less(small_run: SmallRun) -> None:
    def total(section: str, **values: object) -> float:
        return estimate(load(small_run(**{section: values}))).total_gib

    plain = total("train")
    assert total("train", gradient_checkpointing=True) < plain
    assert total("train", per_device_train_batch_size=1) < plain
    assert total("model", quantization="nf4") < plain


def test_a_module_that_the_base_lacks_is_named(small_run: SmallRun) -> None:
    with pytest.raises(UserError, match=r"lora\.target_modules: no module of models/tiny is called 'qproj'"):
        estimate(load(small_run(lora={"target_modules": ["q_proj", "qproj"]})))


def test_a_gpu_is_a_number_of_gib_or_a_name() -> None:
    assert (find_gpu("24"), find_gpu("h100"), find_gpu("0.5")) == (24.0, 80.0, 0.5)
    for text in ("", "big", "-3", "nan", "inf", "0"):
        with pytest.raises(UserError, match="neither GiB nor a known GPU"):
            find_gpu(text)


def test_a_dry_run_trains_nothing_and_says_by_its_exit_code_whether_it_fits(small_run: SmallRun) -> None:
    path = small_run()
    small = run_verb("train", "--config", path, "--dry-run", "--gpu", "0.5", code=1)
    assert json.loads(small.stdout)["fits"] is False
    assert "does not fit" in small.stderr
    assert not load(path).output_dir.exists()
