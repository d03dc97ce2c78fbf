"""What cannot work is refused in a second, before a model is loaded."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from adapter_files import Q_PROJ, lora, write_adapter

from callproof.config import load
from callproof.errors import UserError
from train.before.preflight import check_machine, check_settings
from train.loop.run import check_data

pytest_plugins = ["small_run_plugin"]
SmallRun = Callable[..., Path]


@pytest.mark.parametrize(
    ("section", "values", "problem"),
    [
        ("lora", {"init": "pissa"}, "'pissa', which changes the base weights"),
        ("lora", {"init": "eva"}, "'eva' needs a pass over the data"),
        ("lora", {"rank_pattern": {"q_proj": 1024}}, "rank 1024 is over 512"),
        ("lora", {"rank_pattern": {"q_proj": 0}}, "rank 0 is no positive integer"),
        ("lora", {"target_modules": ["q_proj", "lm_head"]}, "lm_head cannot be trained"),
        ("train", {"early_stopping_patience": 2}, "needs a metric"),
        ("train", {"metric_for_best_model": "eval_tool_f1"}, "needs evaluations"),
        (
            "train",
            {"metric_for_best_model": "eval_tool_f1", "eval_steps": 2, "save_steps": 3},
            "leave train.save_steps",
        ),
        ("train", {"push_to_hub": True}, "set train.hub_model_id"),
        ("model", {"lora_path": "outputs/absent"}, "there is no folder outputs/absent"),
    ],
)
def test_settings_that_cannot_work_are_named(
    small_run: SmallRun, section: str, values: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        check_data(load(small_run(**{section: values})))


def test_embeddings_are_refused_where_vllm_has_no_lora_for_them(small_run: SmallRun, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text('{"model_type": "qwen2"}')
    sections = {"model": {"base_model": str(tmp_path / "base")}, "lora": {"target_modules": ["embed_tokens"]}}
    with pytest.raises(UserError, match="'embed_tokens' on a base of type qwen2"):
        check_settings(load(small_run(**sections)))


@pytest.mark.parametrize("key", ["use_dora", "modules_to_save", "bias", "lora_bias"])
def test_what_vllm_refuses_has_no_key_and_the_reason_is_told(small_run: SmallRun, key: str) -> None:
    with pytest.raises(UserError, match=f"'lora.{key}': vLLM refuses an adapter that has it"):
        load(small_run(lora={key: True}))


def test_the_same_keys_may_say_that_nothing_is_asked_for(small_run: SmallRun) -> None:
    unused = {"bias": "none", "use_dora": False, "modules_to_save": None, "lora_bias": False, "task_type": "CAUSAL_LM"}
    assert load(small_run(lora=unused)).lora == load(small_run()).lora
    with pytest.raises(UserError, match=r"unknown key 'lora\.task_type'"):
        load(small_run(lora={"task_type": "SEQ_CLS"}))


def test_an_adapter_to_go_on_from_must_have_the_settings_of_the_section(small_run: SmallRun, tmp_path: Path) -> None:
    write_adapter(tmp_path / "old", lora(Q_PROJ, widths=(256, 256)), lora_alpha=32)
    own = {"r": 8, "target_modules": ["q_proj"]}
    with pytest.raises(UserError, match="its r is 8, but section lora makes it 16"):
        check_settings(load(small_run(model={"lora_path": str(tmp_path / "old")}, lora={**own, "r": 16})))
    for targets in ("all-linear", ["q_proj", "k_proj"]):
        changed = load(small_run(model={"lora_path": str(tmp_path / "old")}, lora={**own, "target_modules": targets}))
        with pytest.raises(UserError, match=r"it holds q_proj, but lora.target_modules means (down_proj.*|k_proj, q_)"):
            check_settings(changed)
    check_settings(load(small_run(model={"lora_path": str(tmp_path / "old")}, lora=own)))
    other = {"lora_path": str(tmp_path / "old"), "base_model": "owner/other"}
    with pytest.raises(UserError, match="trained on base 'models/tiny'"):
        check_settings(load(small_run(model=other, lora={"r": 8})))


@pytest.mark.parametrize("tracker", ["wandb", "tensorboard", "trackio"])
def test_a_tracker_that_is_not_installed_is_named_with_the_command_that_installs_it(
    small_run: SmallRun, tracker: str
) -> None:
    config = load(small_run(train={"report_to": tracker}))
    packages = ("tensorboard", "tensorboardX") if tracker == "tensorboard" else (tracker,)
    if any(find_spec(package) for package in packages):
        check_machine(config)
        return
    with pytest.raises(UserError, match=f"pip install {tracker}"):
        check_machine(config)


def test_nf4_is_refused_without_what_it_needs(small_run: SmallRun) -> None:
    import torch

    config = load(small_run(model={"quantization": "nf4"}))
    if torch.cuda.is_available() and find_spec("bitsandbytes"):
        check_machine(config)
        return
    with pytest.raises(UserError, match=r"needs a CUDA device|bitsandbytes is not installed"):
        check_machine(config)


def test_an_upload_needs_a_token(small_run: SmallRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    config = load(small_run(train={"push_to_hub": True, "hub_model_id": "me/x"}))
    with pytest.raises(UserError, match="there is no token"):
        check_machine(config)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    check_machine(config)
