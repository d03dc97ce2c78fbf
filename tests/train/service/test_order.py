"""What a request's configuration becomes: the old names in ours, and never anything but a refusal for what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callproof.config import RunConfig
from train.service.jobs import Jobs
from train.service.request.flat import FlatConfig
from train.service.request.order import ALLOWED, BadOrder, Order, read_order

README = {
    "model_name": "Qwen/Qwen2.5-0.5B",
    "lora_path": None,
    "lora_rank": 8,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "epochs": 3,
    "batch_size": 4,
    "learning_rate": 3e-4,
    "max_length": None,
    "model_save_path": "my_lora_model",
    "response_template": "<|im_start|>assistant\n",
    "lora_target_modules": "all-linear",
    "lora_modules_to_save": ["lm_head", "embed_token"],
    "tokenizer_padding_side": "left",
    "attn_implementation": "flash_attention_2",
}
"""The example of `kkit-lora-server`; all but the name of the adapter is the default."""


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    (tmp_path / "tiny").symlink_to(ROOT / "models" / "tiny")
    (tmp_path / "base").mkdir()
    for name in ("config.json", "chat_template.jinja"):
        (tmp_path / "base" / name).write_bytes((ROOT / "models" / "tiny" / name).read_bytes())
    adapter = {"r": 16, "lora_alpha": 8, "lora_dropout": 0.1, "target_modules": ["q_proj"], "use_rslora": True}
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "adapter_config.json").write_text(json.dumps(adapter))
    return Jobs(tmp_path)


def order(jobs: Jobs, value: Any) -> Order:
    return read_order(json.dumps(value).encode(), jobs, "20260101-000000-00000000", jobs.folder / "job" / "data.jsonl")


def test_the_defaults_are_those_of_the_old_server() -> None:
    assert FlatConfig().model_dump() == {**README, "model_save_path": None}


@pytest.mark.parametrize("section", ["train", "data"])
@pytest.mark.parametrize("value", [[None], [], "x", 3])
def test_a_section_that_is_no_object_is_refused_by_its_name(jobs: Jobs, section: str, value: Any) -> None:
    with pytest.raises(BadOrder, match=rf"config\.{section}"):
        order(jobs, {"name": "n", "model": {"base_model": "base"}, section: value})


def test_the_old_names_become_ours(jobs: Jobs) -> None:
    config = order(jobs, README).config
    assert config.name == "my_lora_model"
    assert config.model.base_model == "Qwen/Qwen2.5-0.5B"
    assert (config.lora.r, config.lora.alpha, config.lora.dropout) == (8, 32, 0.05)
    assert config.lora.target_modules == "all-linear"
    assert (config.train.num_train_epochs, config.train.per_device_train_batch_size) == (3, 4)
    assert config.train.learning_rate == 3e-4
    assert config.train.output_dir == jobs.folder / "job" / "run"
    assert config.data.source("train") == config.data.source("eval") == str(jobs.folder / "job" / "data.jsonl")
    assert not any(getattr(config.prompt, key) for key in ("date_line", "shuffle_sections", "shuffle_tools"))
    assert order(jobs, {}).config.name == "20260101-000000-00000000"


def test_every_other_value_arrives_as_well(jobs: Jobs) -> None:
    value = {
        "model_name": "base",
        "lora_path": "older",
        "epochs": 2,
        "batch_size": 1,
        "learning_rate": 1e-5,
        "max_length": 512,
        "lora_modules_to_save": [],
        "tokenizer_padding_side": None,
    }
    config = order(jobs, value).config
    assert config.model.base_model == str(jobs.base / "base")
    assert config.model.lora_path == jobs.base / "older"
    assert (config.lora.r, config.lora.alpha, config.lora.dropout, config.lora.use_rslora) == (16, 8, 0.1, True)
    assert config.lora.target_modules == ("q_proj",)
    assert (config.train.num_train_epochs, config.train.learning_rate) == (2, 1e-5)
    assert config.data.max_context_length == 512
    assert order(jobs, {"lora_target_modules": "q_proj"}).config.lora.target_modules == ("q_proj",)
    assert order(jobs, {"lora_target_modules": ["q_proj", "v_proj"]}).config.lora.target_modules == ("q_proj", "v_proj")


def test_without_a_length_rows_may_have_as_many_tokens_as_the_base_has_positions(jobs: Jobs) -> None:
    assert order(jobs, {"model_name": "base"}).config.data.max_context_length is None


def test_the_response_template_must_be_that_of_the_chat_template(jobs: Jobs) -> None:
    right = order(jobs, {"model_name": "base", "response_template": "<|im_start|>assistant\n"})
    assert not [note for note in right.notes if note.startswith("response_template")]
    with pytest.raises(BadOrder, match=r"response_template: the chat template begins an answer with .*assistant"):
        order(jobs, {"model_name": "base", "response_template": "### Response:"})
    [note] = [note for note in order(jobs, README).notes if note.startswith("response_template")]
    assert "not on this machine" in note


def test_a_base_is_not_followed_out_of_the_folder(jobs: Jobs) -> None:
    with pytest.raises(BadOrder, match="leads out of --base-path"):
        order(jobs, {"model_name": "tiny"})


def test_what_a_request_may_set_is_listed_key_by_key() -> None:
    for section, keys in ALLOWED.items():
        kind: Any = RunConfig.model_fields[section].annotation
        assert keys <= set(getattr(kind, "model_fields", ())), section


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["tiny", "base"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FLAT = st.dictionaries(st.sampled_from([*README, "other"]), JSON, max_size=6)
SECTIONS = {
    name: st.dictionaries(st.sampled_from([*getattr(field.annotation, "model_fields", ("x",)), "other"]), JSON) | JSON
    for name, field in RunConfig.model_fields.items()
}
WHOLE = st.fixed_dictionaries({"name": SECTIONS.pop("name")}, optional=SECTIONS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=FLAT | WHOLE | JSON)
def test_whatever_comes_is_an_order_or_a_refusal(jobs: Jobs, value: Any) -> None:
    made, faults = None, []
    try:
        made = order(jobs, value)
    except BadOrder as error:
        faults = error.faults
    assert all(fault.startswith("config") for fault in faults)
    assert bool(faults) == (made is None)
    if made:
        assert made.config.train.output_dir == jobs.folder / "job" / "run"
        assert made.config.data.load_module is None
        assert made.config.train.report_to == "none"
        assert not made.config.train.push_to_hub
