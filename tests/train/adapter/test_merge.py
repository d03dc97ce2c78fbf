"""A merged model says what its base with the adapter on says; what does not is never put in place."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run_verb

from callproof.errors import UserError
from train.cli import main

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

BASE = ROOT / "models/tiny"


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the embedded base whose matrices are random, large enough to change every answer."""
    folder = tmp_path_factory.mktemp("run") / "adapter"
    torch.manual_seed(7)
    base = transformers.AutoModelForCausalLM.from_pretrained(str(BASE), dtype=torch.float32)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    model = peft.get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def merged(adapter: Path) -> tuple[Path, dict[str, Any]]:
    """The adapter merged by the command, and the command's last line."""
    out = adapter.parent / "merged"
    done = run_verb("train", "merge", "--adapter", adapter, "--out", out)
    return out, json.loads(done.stdout.splitlines()[-1])


def refusal(*words: object) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", ["train", "merge", *map(str, words)])
        with pytest.raises(UserError) as error:
            main()
    return str(error.value)


def with_settings(adapter: Path, folder: Path, **settings: Any) -> Path:
    """A copy of the adapter whose adapter_config.json says otherwise."""
    folder.mkdir()
    for file in adapter.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **settings}))
    return folder


def test_rounding_explains_the_difference_of_a_merge(merged: tuple[Path, dict[str, Any]]) -> None:
    _, line = merged
    assert line["explained"]
    assert line["difference"]["kl"] < line["rounding"]["kl"]
    assert line["difference"]["equal_argmax"] > 0.9


def test_the_merged_model_alone_speaks_as_base_and_adapter(merged: tuple[Path, Any], adapter: Path) -> None:
    ids = torch.arange(20, 120)[None]
    load = transformers.AutoModelForCausalLM.from_pretrained
    base = load(str(BASE), dtype=torch.float32)
    with torch.no_grad():
        before = base(ids).logits
        both = peft.PeftModel.from_pretrained(base, str(adapter))(ids).logits
        alone = load(str(merged[0]), dtype=torch.float32)(ids).logits
    assert (alone - both).abs().mean() < 0.05 * (both - before).abs().mean()


def test_the_folder_is_whole_and_in_bfloat16(merged: tuple[Path, Any], adapter: Path) -> None:
    out, _ = merged
    names = {file.name for file in out.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "merge.json"} <= names
    model = transformers.AutoModelForCausalLM.from_pretrained(str(out))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    template = transformers.AutoTokenizer.from_pretrained(str(out)).chat_template
    assert template == (BASE / "chat_template.jinja").read_text()
    assert json.loads((out / "merge.json").read_text())["adapter"] == str(adapter)
    assert {each.name for each in out.parent.iterdir()} <= {"adapter", "merged"}, "nothing half-written is left"


def test_a_merge_that_misses_one_matrix_is_found_out(merged: tuple[Path, Any], adapter: Path, tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(str(merged[0]))
    base = transformers.AutoModelForCausalLM.from_pretrained(str(BASE))
    name = "model.layers.2.mlp.up_proj.weight"
    model.get_parameter(name).data.copy_(base.get_parameter(name))
    model.save_pretrained(str(tmp_path / "spoilt"))
    check = ("train", "merge", "--adapter", adapter, "--out", tmp_path / "spoilt", "--check")
    done = run_verb(*check, code=1)
    line = json.loads(done.stdout.splitlines()[-1])
    assert not line["explained"]
    assert line["difference"]["kl"] > line["rounding"]["kl"]
    assert "by more than rounding to bfloat16 explains" in done.stderr


def test_a_folder_that_is_there_is_kept(merged: tuple[Path, Any], adapter: Path, tmp_path: Path) -> None:
    assert "replace it with --force" in refusal("--adapter", adapter, "--out", merged[0])
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "is no merged model" in refusal("--adapter", adapter, "--out", tmp_path, "--force")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_merge_into_its_own_base_is_refused(adapter: Path) -> None:
    assert "is the base itself" in refusal("--adapter", adapter, "--base", BASE, "--out", BASE, "--force")


def test_an_adapter_of_a_base_of_another_shape_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = transformers.Qwen3Config(
        vocab_size=3072, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, head_dim=32
    )
    transformers.Qwen3ForCausalLM(other).save_pretrained(str(tmp_path / "other"))
    transformers.AutoTokenizer.from_pretrained(str(BASE)).save_pretrained(str(tmp_path / "other"))
    out = tmp_path / "merged"
    error = refusal("--adapter", adapter, "--base", tmp_path / "other", "--out", out)
    assert "does not fit the base" in error
    assert not out.exists()
    assert not out.with_name(".merged.new").exists()


def test_an_adapter_with_more_layers_than_the_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(str(BASE))
    config.num_hidden_layers, config.layer_types = 3, config.layer_types[:3]
    transformers.Qwen3ForCausalLM(config).save_pretrained(str(tmp_path / "shorter"))
    transformers.AutoTokenizer.from_pretrained(str(BASE)).save_pretrained(str(tmp_path / "shorter"))
    error = refusal("--adapter", adapter, "--base", tmp_path / "shorter", "--out", tmp_path / "merged")
    assert "layers.3" in error
    assert "has no place in the base" in error


def test_a_quantised_copy_of_the_base_is_refused(adapter: Path, tmp_path: Path) -> None:
    quantised = tmp_path / "tiny-4bit"
    quantised.mkdir()
    for file in BASE.iterdir():
        (quantised / file.name).write_bytes(file.read_bytes())
    config = json.loads((quantised / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (quantised / "config.json").write_text(json.dumps(config))
    error = refusal("--adapter", adapter, "--base", quantised, "--out", tmp_path / "merged")
    assert "is a quantised copy" in error


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({"base_model_name_or_path": "models/absent"}, "base model folder not found"),
        ({"r": 4}, "does not fit the base"),
        ({"r": "many"}, "does not fit the base"),
    ],
)
def test_a_broken_adapter_config_is_named(adapter: Path, tmp_path: Path, settings: Any, problem: str) -> None:
    assert problem in refusal("--adapter", with_settings(adapter, tmp_path / "adapter", **settings))


def test_weights_that_are_cut_off_are_named(adapter: Path, tmp_path: Path) -> None:
    broken = with_settings(adapter, tmp_path / "adapter")
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert "does not fit the base" in refusal("--adapter", broken)
    weights.unlink()
    assert "holds no adapter_model.safetensors" in refusal("--adapter", broken)


def test_a_template_that_changed_since_the_training_is_refused(adapter: Path, tmp_path: Path) -> None:
    changed = with_settings(adapter, tmp_path / "adapter")
    manifest = {"config": {"model": {}}, "sha256": {"chat_template": "0" * 64}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert "was trained with another chat template" in refusal("--adapter", changed)


def test_no_adapter_is_named(tmp_path: Path) -> None:
    assert "there is no adapter" in refusal("--adapter", tmp_path / "absent")
    assert "give --adapter or --config" in refusal()
