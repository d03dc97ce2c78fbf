"""Adapters that vLLM 0.32 refuses, or loads and gets wrong in silence; each verdict was compared with a real server."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapter_files import PREFIX, lora, safetensors, write_adapter
from programs import ROOT

from callproof.config import check_adapter_folder, linear_modules
from callproof.errors import UserError

LAYERS, WIDTH, VOCABULARY = 2, 16, 30
BASE = {f"model.layers.{n}.self_attn.{m}": (WIDTH, WIDTH) for n in range(LAYERS) for m in ("q_proj", "v_proj")}
QUERIES = tuple(module for module in BASE if module.endswith("q_proj"))
LAYER_0 = f"{PREFIX}{QUERIES[0]}"

Tensors = dict[str, np.ndarray]


def healthy() -> Tensors:
    return lora(*QUERIES, widths=(WIDTH, WIDTH))


def renamed(change: Callable[[str], str]) -> Tensors:
    return {change(name): tensor for name, tensor in healthy().items()}


def with_value(value: float, kind: str = "<f4") -> Tensors:
    tensors = {name: tensor.astype(kind) for name, tensor in healthy().items()}
    tensors[f"{LAYER_0}.lora_B.weight"][-1, -1] = value
    return tensors


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    shapes = {**BASE, "model.embed_tokens": (VOCABULARY, WIDTH)}
    weights = {f"{name}.weight": np.ones(shape, "<f4") for name, shape in shapes.items()}
    (folder / "model.safetensors").write_bytes(safetensors(weights))
    return folder


def verdict(base: Path, tensors: Mapping[str, np.ndarray], **settings: Any) -> tuple[str, ...]:
    folder = write_adapter(base.parent / "adapter", tensors, **{"base_model_name_or_path": str(base), **settings})
    return check_adapter_folder(folder, str(base)).notes


REFUSED: dict[str, tuple[Tensors, dict[str, Any], str]] = {
    "a prefix of a vision model": (
        renamed(lambda name: name.replace("model.layers", "model.language_model.layers")),
        {},
        "which calls it 'model.layers.0.self_attn.q_proj': the prefix is another model's",
    ),
    "more layers": (healthy() | lora("model.layers.2.self_attn.q_proj", widths=(16, 16)), {}, "which has 2 layers"),
    "a wider base": (lora(*QUERIES, widths=(32, 32)), {}, "is 32 x 32 in the adapter and 16 x 16 in the base"),
    "a larger rank than said": (lora(*QUERIES, rank=9, widths=(16, 16)), {}, "has rank 9, but .* says 8"),
    "a rank that a pattern denies": (healthy(), {"rank_pattern": {"q_proj": 64}}, "has rank 8, but .* says 64"),
    "a module that the base lacks": (healthy() | lora("model.layers.0.mlp.router"), {}, "has no place in the base"),
    "experts": (healthy() | lora("model.layers.0.mlp.experts"), {}, "it has no experts"),
    "the name of an adapter": (
        renamed(lambda name: name.replace(".weight", ".default.weight")),
        {},
        r"lora_A.default.weight' is no LoRA matrix: an adapter's name stands in it",
    ),
    "whole weights": (healthy() | {f"{PREFIX}lm_head.weight": np.ones((30, 16), "<f4")}, {}, "a whole weight"),
    "base layers": (healthy() | {f"{LAYER_0}.base_layer.weight": np.ones((16, 16), "<f4")}, {}, "a whole weight"),
    "A alone": (lora(QUERIES[1], widths=(16, 16)) | {f"{LAYER_0}.lora_A.weight": np.ones((8, 16), "<f4")}, {}, "no B"),
    "NaN": (with_value(float("nan")), {}, "lora_B.weight' holds NaN or infinity"),
    "infinity in half precision": (with_value(float("-inf"), "<f2"), {}, "holds NaN or infinity"),
    "integers": (with_value(1, "<i4"), {}, "is of type I32"),
    "vectors": (healthy() | {f"{LAYER_0}.lora_A.weight": np.ones(16, "<f4")}, {}, "has 1 dimensions, not 2"),
    "a target without weights": (healthy(), {"target_modules": ["q_proj", "v_proj"]}, "holds nothing for 'v_proj'"),
    "no matrix": ({}, {}, "is no whole safetensors file"),
    "a value beyond half precision": (with_value(70_000), {}, "lora_B.weight' holds 7e\\+04, beyond 65504: half prec"),
    "doubles beyond single precision": (with_value(1e39, "<f8"), {}, "holds 1e\\+39, beyond 65504"),
    "an alpha that is no number": (healthy(), {"lora_alpha": float("nan")}, "alpha nan is no number"),
    "an endless alpha": (healthy(), {"lora_alpha": float("inf")}, "alpha inf is beyond 65504"),
    "no number in a pattern": (healthy(), {"alpha_pattern": {"q_proj": float("nan")}}, "alpha nan is no number"),
    "magnitudes without use_dora": (
        healthy() | {f"{LAYER_0}.lora_magnitude_vector": np.ones((16, 1), "<f4")},
        {},
        "lora_magnitude_vector' is no LoRA matrix",
    ),
    "biases of B without lora_bias": (
        healthy() | {f"{LAYER_0}.lora_B.bias": np.ones((16, 1), "<f4")},
        {},
        "lora_B.bias' is no LoRA matrix",
    ),
    "A and B transposed": (
        {name: np.ascontiguousarray(tensor.T) for name, tensor in healthy().items()},
        {},
        "has rank 16, but .* says 8",
    ),
    "empty matrices": (
        {name: tensor[:0] if "lora_A" in name else tensor[:, :0] for name, tensor in healthy().items()},
        {},
        "has rank 0, but .* says 8",
    ),
    "alpha as text": (healthy(), {"lora_alpha": "16"}, "alpha '16' is no number"),
    "alpha as text in a pattern": (healthy(), {"alpha_pattern": {"q_proj": "8"}}, "alpha '8' is no number"),
    "a pattern that is none": (healthy(), {"rank_pattern": {"(": 8}}, "is no pattern"),
    "targets as a number": (healthy(), {"target_modules": 3}, "neither text nor a list"),
    "rows of another vocabulary": (
        healthy()
        | {
            f"{PREFIX}model.embed_tokens.lora_embedding_A": np.ones((8, 29), "<f4"),
            f"{PREFIX}model.embed_tokens.lora_embedding_B": np.ones((16, 8), "<f4"),
        },
        {},
        "is 29 x 16 in the adapter and 30 x 16 in the base",
    ),
}


@pytest.mark.parametrize(("tensors", "settings", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_vllm_refuses_or_gets_wrong_is_refused(
    tensors: Tensors, settings: dict[str, Any], problem: str, base: Path
) -> None:
    with pytest.raises(UserError, match=problem) as refusal:
        verdict(base, tensors, **settings)
    assert "\n" not in str(refusal.value)


SERVED: dict[str, tuple[Tensors, dict[str, Any]]] = {
    "plain": (healthy(), {}),
    "without PEFT's prefix": (renamed(lambda name: name.removeprefix(PREFIX)), {}),
    "targets as a pattern": (healthy(), {"target_modules": r".*\.q_proj$"}),
    "all linear": (healthy(), {"target_modules": "all-linear"}),
    "alpha below zero": (healthy(), {"lora_alpha": -16}),
    "settings that nobody knows": (healthy(), {"zzz_setting": {"a": 1}}),
    "fan_in_fan_out": (healthy(), {"fan_in_fan_out": True}),
    "half precision beside single": (
        {name: tensor.astype("<f2" if "lora_A" in name else "<f4") for name, tensor in healthy().items()},
        {},
    ),
    "no targets": (healthy(), {"target_modules": None}),
    "a target that no base of this kind has": (healthy(), {"target_modules": ["q_proj", "qkv_proj"]}),
    "half precision": (with_value(1, "<f2"), {}),
    "the embedding": (
        healthy()
        | {
            f"{PREFIX}model.embed_tokens.lora_embedding_A": np.ones((8, 30), "<f4"),
            f"{PREFIX}model.embed_tokens.lora_embedding_B": np.ones((16, 8), "<f4"),
            f"{PREFIX}model.embed_tokens.base_layer.weight": np.ones((30, 16), "<f4"),
        },
        {"target_modules": ["q_proj", "embed_tokens"]},
    ),
}


@pytest.mark.parametrize(("tensors", "settings"), SERVED.values(), ids=SERVED)
def test_what_vllm_loads_as_it_was_trained_passes(tensors: Tensors, settings: dict[str, Any], base: Path) -> None:
    assert verdict(base, tensors, **settings) == ()


@pytest.mark.parametrize(
    "settings",
    [{"layers_to_transform": [1]}, {"layers_to_transform": 1}, {"exclude_modules": ["layers.0.self_attn.q_proj"]}],
    ids=str,
)
def test_what_is_served_though_the_settings_leave_it_out_is_said(base: Path, settings: dict[str, Any]) -> None:
    (note,) = verdict(base, healthy(), **settings)
    assert "leaves out model.layers.0.self_attn.q_proj (1 such modules): held and served all the same" in note


def bf16(tensor: np.ndarray) -> np.ndarray:
    return (tensor.view("<u4") >> 16).astype("<u2")


@pytest.mark.parametrize(("value", "fine"), [(6e4, True), (-0.0, True), (float("nan"), False), (float("inf"), False)])
def test_bfloat16_is_read(value: float, fine: bool, base: Path) -> None:
    tensors = {name: bf16(tensor) for name, tensor in with_value(value).items()}
    if fine:
        assert verdict(base, tensors) == ()
    else:
        with pytest.raises(UserError, match="holds NaN or infinity"):
            verdict(base, tensors)


def test_an_adapter_that_changes_nothing_is_told(base: Path) -> None:
    zeros = {name: tensor * (0 if "lora_B" in name else 1) for name, tensor in healthy().items()}
    (note,) = verdict(base, zeros)
    assert "changes nothing, all its B matrices are zero" in note


def test_an_alpha_of_zero_is_told(base: Path) -> None:
    (note,) = verdict(base, healthy(), lora_alpha=0)
    assert "changes nothing, lora_alpha is 0" in note


def test_layers_that_the_adapter_leaves_out_are_counted(base: Path) -> None:
    (note,) = verdict(base, lora(QUERIES[0], widths=(16, 16)))
    assert "holds nothing for model.layers.1.self_attn.q_proj (1 such modules)" in note


def test_a_base_that_is_not_here_is_told_and_not_guessed(base: Path) -> None:
    folder = write_adapter(base.parent / "adapter", lora(*QUERIES, widths=(99, 99)))
    (note,) = check_adapter_folder(folder, "owner/model").notes
    assert "not compared with the base" in note


def test_prefixes_of_a_vision_and_language_base_are_left_to_vllm(base: Path) -> None:
    (base / "config.json").write_text('{"model_type": "qwen3_vl", "text_config": {}}')
    tensors = renamed(lambda name: name.replace("model.layers", "model.language_model.layers"))
    assert verdict(base, tensors) == ()


def test_a_pickle_is_refused(base: Path) -> None:
    folder = write_adapter(base.parent / "adapter", healthy())
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(UserError, match="a pickle, which can run code"):
        check_adapter_folder(folder, str(base))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_a_torn_file_is_refused_in_one_line(base: Path, share: float) -> None:
    whole = safetensors(healthy())
    folder = write_adapter(base.parent / "adapter", whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"adapter_model.safetensors: is no whole safetensors file") as caught:
        check_adapter_folder(folder, str(base))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 1 << 40, (1 << 64) - 1])
def test_a_header_of_another_length_than_it_says_is_refused(base: Path, length: int) -> None:
    whole = length.to_bytes(8, "little") + safetensors(healthy())[8:]
    folder = write_adapter(base.parent / "adapter", whole)
    with pytest.raises(UserError, match=r"adapter_model.safetensors: is no whole safetensors file"):
        check_adapter_folder(folder, str(base))


def test_the_linear_modules_of_a_base_are_seven_a_layer_and_none_of_its_norms() -> None:
    found = linear_modules(str(ROOT / "models/tiny"))
    attention, mlp = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")
    layers = json.loads((ROOT / "models/tiny/config.json").read_text())["num_hidden_layers"]
    assert found == {
        f"model.layers.{number}.{part}.{name}"
        for number in range(layers)
        for part, names in (("self_attn", attention), ("mlp", mlp))
        for name in names
    }
