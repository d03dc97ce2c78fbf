"""Adapters given by name and place: output folders with a manifest, adapter folders, hub ids."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapter_files import Q_PROJ, safetensors
from workplace import TEMPLATE, write_adapter, write_config
from workplace import workplace as workplace

from callproof.errors import UserError
from serve.start import Plan, check_environment, make_plan, of_option


def write_manifest(name: str, **serve: Any) -> Path:
    values = {"name": name, "data": {"domain": "datasets/x"}, "model": {"base_model": "models/tiny"}}
    served = {"base_model": "models/tiny", "revision": None, "rank": 12, "tool_call_parser": "hermes"}
    manifest = Path("outputs") / name / "manifest.json"
    template = hashlib.sha256(TEMPLATE.encode()).hexdigest()
    manifest.write_text(
        json.dumps({"serve": {**served, **serve}, "config": values, "sha256": {"chat_template": template}})
    )
    return manifest


def plan_of(*options: str, **overrides: Any) -> Plan:
    return make_plan([of_option(option) for option in options], "gpu", **overrides)


def test_an_output_folder_is_served_as_its_manifest_says_under_any_name() -> None:
    write_adapter("cars")
    write_manifest("cars", tool_call_parser="xlam")
    plan = plan_of("other=outputs/cars", max_model_len=1234)
    assert [(adapter.name, adapter.path) for adapter in plan.adapters] == [("other", Path("outputs/cars/adapter"))]
    assert (plan.options["tool-call-parser"], plan.options["max-model-len"]) == ("xlam", 1234)
    assert len(plan.warnings) == 2
    assert "not compared with the base" in plan.warnings[1]


def test_a_bare_adapter_folder_is_served_on_the_base_that_is_written_in_it() -> None:
    write_adapter("cars", folder=Path("cars-lora"))
    plan = plan_of("cars=cars-lora", "again=cars-lora")
    assert (plan.base, [adapter.name for adapter in plan.adapters]) == ("models/tiny", ["cars", "again"])


def test_configurations_manifests_and_folders_go_together() -> None:
    for name in ("cars", "cover"):
        write_adapter(name)
    write_manifest("cover")
    write_adapter("bare", folder=Path("bare"))
    plan = make_plan([write_config("cars"), of_option("cover=outputs/cover"), of_option("bare=bare")], "cpu")
    assert plan.options["max-loras"] == 4


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"base_model": "models/other"}, "model.base_model is 'models/other'"),
        ({"revision": "abc"}, "model.revision is 'abc'"),
        ({"tool_call_parser": "xlam"}, "serve.tool_call_parser is 'xlam'"),
    ],
)
def test_a_manifest_that_does_not_go_with_the_server_is_named(fact: dict[str, str], message: str) -> None:
    for name in ("cars", "cover"):
        write_adapter(name)
    manifest = write_manifest("cover", **fact)
    with pytest.raises(UserError, match=re.escape(f"{manifest}: {message}, but cars.yaml has")):
        make_plan([write_config("cars"), of_option("cover=outputs/cover")], "gpu")


@pytest.mark.parametrize("in_tokenizer_config", [True, False])
def test_a_manifest_of_another_chat_template_is_refused_with_the_mend(in_tokenizer_config: bool) -> None:
    write_adapter("cars")
    write_manifest("cars")
    if in_tokenizer_config:
        Path("models/tiny/chat_template.jinja").unlink()
        Path("models/tiny/tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    plan_of("cars=outputs/cars")
    for file in Path("models/tiny").glob("*t*"):
        file.write_text(file.read_text().replace("messages", "tools"))
    with pytest.raises(UserError, match=r"manifest.json: .*another chat template than models/tiny/.*train again"):
        plan_of("cars=outputs/cars")


MISTAKES = {
    "no place": ("cars", "expected NAME=FOLDER"),
    "no name": ("=outputs/cars", "expected NAME=FOLDER"),
    "a name with two slashes": ("a/b/c=outputs/cars", "expected NAME=FOLDER"),
    "no such folder": ("cars=outputs/nowhere", "there is no folder outputs/nowhere"),
    "an absolute path": ("cars=/nowhere", "there is no folder /nowhere"),
    "an empty folder": ("cars=models", "holds neither manifest.json nor adapter_config.json"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_wrong_option_is_one_line(text: str, message: str) -> None:
    Path("outputs").mkdir()
    with pytest.raises(UserError, match=re.escape(message)):
        of_option(text)


BROKEN_MANIFESTS = {
    "{": ":1: malformed JSON",
    "[" * 100_000: ":1: malformed JSON (nested too deep)",
    "[]": ": expected a JSON object, got list",
    "{}": ": is no manifest",
    '{"serve": 1, "config": {}}': ": is no manifest",
    '{"serve": {}, "config": {}}': ": is no manifest",
}


@pytest.mark.parametrize(("text", "message"), BROKEN_MANIFESTS.items(), ids=[text[:30] for text in BROKEN_MANIFESTS])
def test_a_broken_manifest_is_one_line(text: str, message: str) -> None:
    write_adapter("cars")
    Path("outputs/cars/manifest.json").write_text(text)
    with pytest.raises(UserError, match="^" + re.escape(f"outputs/cars/manifest.json{message}")):
        of_option("cars=outputs/cars")


def test_an_adapter_without_a_base_is_named() -> None:
    write_adapter("cars", folder=Path("lora"), base_model_name_or_path=None)
    with pytest.raises(UserError, match=r"^lora/adapter_config.json: does not say its base model"):
        of_option("cars=lora")


def test_a_hub_id_that_the_hub_does_not_have_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(Path("hub").resolve()))
    with pytest.raises(UserError, match="the hub does not give owner/nothing"):
        of_option("cars=owner/nothing")


def test_more_tokens_than_the_base_has_positions_are_refused_unless_they_are_scaled() -> None:
    write_adapter("cars", folder=Path("lora"))
    config = Path("models/tiny/config.json")
    config.write_text('{"max_position_embeddings": 2048, "rope_parameters": {"rope_type": "default"}}')
    plan_of("cars=lora", max_model_len=2048)
    with pytest.raises(UserError, match="max_model_len is 2049, but the base has 2048 positions"):
        plan_of("cars=lora", max_model_len=2049)
    config.write_text('{"max_position_embeddings": 2048, "rope_parameters": {"rope_type": "yarn"}}')
    plan_of("cars=lora", max_model_len=4096)


def test_room_for_runtime_loads_is_slots_and_the_free_one_of_a_cpu_stays() -> None:
    write_adapter("cars", folder=Path("lora"))
    sources = [of_option("cars=lora")]
    assert make_plan(sources, "gpu", runtime_loads=2).options["max-loras"] == 3
    assert make_plan(sources, "cpu", runtime_loads=2).options["max-loras"] == 4


@pytest.mark.parametrize(
    ("host", "loads", "variables", "message"),
    [
        ("127.0.0.1", 0, {"VLLM_SKIP_MODEL_NAME_VALIDATION": "1"}, "unknown adapter with the base"),
        ("0.0.0.0", 0, {"VLLM_SERVER_DEV_MODE": "1", "VLLM_API_KEY": "k"}, "opens vLLM's inner works"),
        ("0.0.0.0", 1, {}, "anyone could load adapters"),
    ],
)
def test_an_environment_that_opens_or_falsifies_the_server_is_refused(
    host: str, loads: int, variables: dict[str, str], message: str
) -> None:
    write_adapter("cars", folder=Path("lora"))
    with pytest.raises(UserError, match=message):
        check_environment(plan_of("cars=lora", host=host, runtime_loads=loads), variables)


def test_an_open_server_without_a_key_is_a_warning_and_a_closed_one_is_none() -> None:
    write_adapter("cars", folder=Path("lora"))
    off = {"VLLM_SKIP_MODEL_NAME_VALIDATION": "0", "VLLM_API_KEY": ""}
    assert len(check_environment(plan_of("cars=lora", host="0.0.0.0"), off)) == 1
    assert check_environment(plan_of("cars=lora", host="0.0.0.0"), {"VLLM_API_KEY": "k"}) == []
    assert check_environment(plan_of("cars=lora"), off) == []


def elsewhere(folder: str = "lora", **files: str) -> None:
    """An adapter of a quantised copy, and the base with weights that it is to be served on."""
    write_adapter("cars", folder=Path(folder), base_model_name_or_path="unsloth/tiny-bnb-4bit")
    base = {f"{Q_PROJ}.weight": np.ones((4, 4), "<f4")}
    Path("models/tiny/model.safetensors").write_bytes(safetensors(base))
    Path("models/tiny/tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1}}}))
    for name, text in files.items():
        (Path(folder) / name.replace("__", ".")).write_text(text)


def test_an_adapter_of_a_base_of_another_name_is_refused_unless_the_base_is_named() -> None:
    elsewhere()
    with pytest.raises(UserError, match="unsloth/tiny-bnb-4bit is not on this machine"):
        plan_of("cars=lora")
    plan = plan_of("cars=lora", base="models/tiny")
    assert plan.base == "models/tiny"
    assert plan.warnings[-1] == (
        "cars: trained on 'unsloth/tiny-bnb-4bit', served on 'models/tiny' as --base says: its matrices have the "
        "base's modules and shapes; vocabulary not recorded with it, chat template not recorded with it"
    )


def test_what_lies_beside_the_adapter_is_compared_with_the_base() -> None:
    vocabulary = {"model": {"vocab": [["a", -1.0]]}, "added_tokens": [{"content": "b", "id": 1}]}
    elsewhere(tokenizer__json=json.dumps(vocabulary), chat_template__jinja=TEMPLATE)
    plan = plan_of("cars=lora", base="models/tiny")
    assert plan.warnings[-1].endswith("vocabulary equal (2 tokens), chat template equal")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"tokenizer__json": '{"model": {"vocab": {"a": 0, "c": 1}}}'}, r"has another vocabulary .*such as 'b'"),
        ({"tokenizer__json": '{"model": {}}'}, "holds no vocabulary"),
        ({"chat_template__jinja": "{{ messages }}"}, "is another chat template than models/tiny/chat_template.jinja"),
    ],
)
def test_another_vocabulary_or_template_is_refused(files: dict[str, str], problem: str) -> None:
    elsewhere(**files)
    with pytest.raises(UserError, match=problem):
        plan_of("cars=lora", base="models/tiny")


def test_a_base_of_another_width_is_refused() -> None:
    elsewhere()
    Path("models/tiny/model.safetensors").write_bytes(safetensors({f"{Q_PROJ}.weight": np.ones((8, 8), "<f4")}))
    with pytest.raises(UserError, match="is 4 x 4 in the adapter and 8 x 8 in the base"):
        plan_of("cars=lora", base="models/tiny")


def test_a_base_that_cannot_be_compared_is_refused() -> None:
    elsewhere()
    with pytest.raises(UserError, match="--base owner/model: nothing of it on this machine"):
        plan_of("cars=lora", base="owner/model")


def test_names_may_have_an_owner() -> None:
    write_adapter("cars", folder=Path("lora"))
    assert plan_of("owner/cars=lora").adapters[0].name == "owner/cars"


def test_a_parser_may_be_named_for_adapters_without_a_configuration() -> None:
    write_adapter("cars")
    write_manifest("cars")
    write_adapter("bare", folder=Path("bare"))
    plan = plan_of("carsales=outputs/cars", "bare=bare", tool_call_parser="xlam", host="0.0.0.0")
    assert (plan.options["tool-call-parser"], plan.options["enable-auto-tool-choice"]) == ("xlam", True)
    assert plan.host == "0.0.0.0"


def test_a_manifest_cannot_have_code_of_the_base_trusted() -> None:
    write_adapter("cars")
    write_manifest("cars")
    manifest = Path("outputs/cars/manifest.json")
    values = json.loads(manifest.read_text())
    values["config"]["model"] = {**values["config"].get("model", {}), "trust_remote_code": True}
    manifest.write_text(json.dumps(values))
    assert "trust-remote-code" not in plan_of("cars=outputs/cars").options
