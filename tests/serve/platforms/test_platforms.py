"""The texts for other platforms keep their published rules, say the same server, and tell what they cannot say."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from platform_schemas import COMPOSE, CONFIG_MAP, KSERVE, RAY
from workplace import TEMPLATE as BASE_TEMPLATE
from workplace import workplace as workplace
from workplace import write_adapter, write_config

from callproof.errors import UserError
from serve.platforms.compose import compose
from serve.platforms.kserve import kserve
from serve.platforms.ray import ray
from serve.start import Device, Plan, make_plan, of_option

HUB = {"base_model": "Qwen/Qwen3-4B", "revision": "1e5"}
TEMPLATE = f"{{# costs $5 #}}{BASE_TEMPLATE}"


def plan_of(device: Device = "gpu", **model: Any) -> Plan:
    for name in ("cars", "cover"):
        write_adapter(name, base_model_name_or_path=model.get("base_model", "models/tiny"))
    serve = {"tool_call_parser": "hermes"} if "base_model" in model else {}
    return make_plan([write_config(name, model=model, serve=serve) for name in ("cars", "cover")], device)


def hub_plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A hub base with an adapter of the hub, found in the hub's own cache."""
    snapshot = Path("hub/models--owner--cars/snapshots/abc").resolve()
    write_adapter("cars", folder=snapshot, base_model_name_or_path="Qwen/Qwen3-4B")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text("abc")
    base = Path("hub/models--Qwen--Qwen3-4B")
    (base / "snapshots/def").mkdir(parents=True)
    (base / "snapshots/def/chat_template.jinja").write_text(BASE_TEMPLATE)
    (base / "refs").mkdir()
    (base / "refs/main").write_text("def")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(Path("hub").resolve()))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return make_plan([of_option("cars=owner/cars")], "gpu")


def service(plan: Plan, file: str = "deploy/docker-compose.yml") -> dict[str, Any]:
    document = yaml.safe_load(compose(plan, Path(file)).text)
    jsonschema.validate(document, COMPOSE)
    return document["services"]["vllm"]


def option(words: list[str], name: str) -> str:
    return words[words.index(f"--{name}") + 1]


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_compose_mounts_what_lies_here_and_says_where_vllm_finds_it(device: Device) -> None:
    vllm_service = service(plan_of(device))
    mounts = {volume["target"]: volume for volume in vllm_service["volumes"]}
    assert set(mounts) == {"/models/tiny", "/adapters/cars", "/adapters/cover"}
    for target, source in (("/models/tiny", "models/tiny"), ("/adapters/cars", "outputs/cars/adapter")):
        assert os.path.samefile(os.path.normpath(Path("deploy") / mounts[target]["source"]), source)
        assert mounts[target]["read_only"]
    words = vllm_service["command"]
    assert words[0] == "/models/tiny"
    modules = [json.loads(word) for word in words if word.startswith("{")]
    assert [(volume["name"], volume["path"]) for volume in modules] == [
        ("cars", "/adapters/cars"),
        ("cover", "/adapters/cover"),
    ]
    assert (option(words, "host"), option(words, "max-loras")) == ("0.0.0.0", "3" if device == "cpu" else "2")


def test_compose_publishes_on_this_machine_alone_and_takes_the_key_from_the_shell() -> None:
    vllm_service = service(plan_of())
    assert vllm_service["ports"] == ["127.0.0.1:8000:8000"]
    assert vllm_service["environment"]["VLLM_API_KEY"] is None
    assert "/health" in vllm_service["healthcheck"]["test"][-1]


def test_the_device_decides_on_image_and_gpus() -> None:
    gpu, cpu = service(plan_of("gpu")), service(make_plan([write_config("cars")], "cpu"))
    assert gpu["image"].startswith("vllm/vllm-openai:v")
    assert cpu["image"].startswith("vllm/vllm-openai-cpu:v")
    assert "deploy" in gpu
    assert "deploy" not in cpu


def test_compose_leaves_no_dollar_to_be_substituted() -> None:
    Path("t$x.jinja").write_text(TEMPLATE)
    assert "/templates/t$$x.jinja" in service(plan_of(chat_template="t$x.jinja"))["command"]


def test_an_adapter_of_the_hub_keeps_its_id_and_may_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = hub_plan(monkeypatch)
    vllm_service = service(plan)
    assert json.loads(option(vllm_service["command"], "lora-modules"))["path"] == "owner/cars"
    assert "HF_HUB_OFFLINE" not in vllm_service["environment"]
    assert [volume["type"] for volume in vllm_service["volumes"]] == ["volume"]
    assert any("owner/cars" in note for note in compose(plan, Path("c.yml")).notes)


def kserve_documents(plan: Plan, store: str | None) -> list[dict[str, Any]]:
    *maps, documents = list(yaml.safe_load_all(kserve(plan, store).text))
    for document in maps:
        jsonschema.validate(document, CONFIG_MAP)
    jsonschema.validate(documents, KSERVE)
    return [*maps, documents]


def test_kserve_names_base_and_adapters_as_they_are_served() -> None:
    (documents,) = kserve_documents(plan_of("cpu"), "pvc://models/callproof/")
    model = documents["spec"]["model"]
    assert (model["name"], model["uri"]) == ("tiny", "pvc://models/callproof/tiny")
    assert model["lora"]["adapters"] == [
        {"name": name, "uri": f"pvc://models/callproof/{name}"} for name in ("cars", "cover")
    ]
    assert (model["lora"]["maxRank"], model["lora"]["maxAdapters"]) == (16, 3)


def test_kserve_leaves_its_own_options_to_the_controller_and_passes_all_others() -> None:
    (documents,) = kserve_documents(plan_of(), "s3://bucket/x")
    variables = {variable["name"]: variable for variable in documents["spec"]["template"]["containers"][0]["env"]}
    words = shlex.split(variables["VLLM_ADDITIONAL_ARGS"]["value"])
    assert option(words, "tool-call-parser") == "hermes"
    assert option(words, "max-model-len") == "4096"
    assert not {"--lora-modules", "--enable-lora", "--port", "--served-model-name"} & set(words)
    assert "secretKeyRef" in variables["VLLM_API_KEY"]["valueFrom"]


def test_a_chat_template_reaches_kserve_in_a_config_map_where_its_braces_are_only_text() -> None:
    Path("t.jinja").write_text(TEMPLATE)
    config_map, documents = kserve_documents(plan_of(chat_template="t.jinja"), "s3://bucket/x")
    assert list(config_map["data"].values()) == [TEMPLATE]
    pod = documents["spec"]["template"]
    assert pod["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]
    assert "--chat-template /etc/callproof/chat_template.jinja" in str(pod["containers"][0]["env"])


def test_all_from_the_hub_needs_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    (documents,) = kserve_documents(hub_plan(monkeypatch), None)
    assert documents["spec"]["model"]["uri"] == "hf://Qwen/Qwen3-4B"
    assert documents["spec"]["model"]["lora"]["adapters"] == [{"name": "cars", "uri": "hf://owner/cars"}]


@pytest.mark.parametrize("name", ["Qwen3_4B.Instruct", "4b", "x" * 80, "-a-"])
def test_any_served_name_gives_a_name_that_kubernetes_takes(name: str) -> None:
    (documents,) = kserve_documents(plan_of(name=name), "s3://bucket/x")
    assert documents["spec"]["model"]["name"] == name


def ray_config(plan: Plan, store: str | None = "s3://bucket/x") -> dict[str, Any]:
    document = yaml.safe_load(ray(plan, store).text)
    jsonschema.validate(document, RAY)
    return document["applications"][0]["args"]["llm_configs"][0]


def test_ray_gets_the_engines_options_and_as_many_adapters_as_slots() -> None:
    config = ray_config(plan_of("cpu"))
    engine = config["engine_kwargs"]
    assert (engine["enable_lora"], engine["max_lora_rank"], engine["tool_call_parser"]) == (True, 16, "hermes")
    assert config["lora_config"]["max_num_adapters_per_replica"] == engine["max_loras"] == 3
    assert config["model_loading_config"]["model_source"] == {"bucket_uri": "s3://bucket/x/tiny"}
    assert "GPU" not in config["placement_group_config"]["bundles"][0]


def test_ray_takes_a_hub_base_with_its_revision() -> None:
    config = ray_config(plan_of(**HUB))
    assert config["model_loading_config"] == {"model_id": "Qwen3-4B", "model_source": "Qwen/Qwen3-4B"}
    assert config["engine_kwargs"]["revision"] == "1e5"


def test_what_a_platform_cannot_say_stands_in_the_head_and_in_the_notes() -> None:
    plan = plan_of()
    made = {"tiny:cars": ray(plan, "s3://b/x"), "127.0.0.1:8000 are not in this file": kserve(plan, "s3://b/x")}
    for message, output in made.items():
        assert any(message in note for note in output.notes)
        head = [line for line in output.text.splitlines() if line.startswith("#")]
        assert all(f"# {note}" in head for note in output.notes)
        assert f"copy {Path('models/tiny')} to s3://b/x/tiny first" in output.notes


@pytest.mark.parametrize("store", [None, "gs://bucket/x", "/tmp/x", "s3://", "pvc://a b/c"])
def test_a_store_that_kserve_cannot_read_is_one_line(store: str | None) -> None:
    with pytest.raises(UserError, match=r"^--store.*give pvc:// or s3://"):
        kserve(plan_of(), store)


@pytest.mark.parametrize("store", [None, "pvc://claim/x", "hf://owner/x"])
def test_a_store_that_ray_cannot_read_is_one_line(store: str | None) -> None:
    with pytest.raises(UserError, match=r"^--store.*give s3://"):
        ray(plan_of(), store)


def test_no_text_holds_the_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "sesame-93")
    plan = plan_of()
    texts = (compose(plan, Path("c.yml")), kserve(plan, "s3://b/x"), ray(plan, "s3://b/x"))
    assert not [text for text in texts if "sesame-93" in text.text]


def test_kserve_renames_what_kubernetes_refuses_and_tells_what_one_route_holds() -> None:
    names = ["owner/Cars_v2", *(f"a{number}" for number in range(7))]
    for number, name in enumerate(names):
        write_adapter(name, folder=Path(f"lora{number}"))
    plan = make_plan([of_option(f"{name}=lora{number}") for number, name in enumerate(names)], "gpu")
    written = kserve(plan, "s3://bucket/x")
    assert yaml.safe_load(written.text)["spec"]["model"]["lora"]["adapters"][0]["name"] == "owner-cars-v2"
    assert "clients ask for 'owner-cars-v2', not 'owner/Cars_v2'" in written.notes
    assert any("8 adapters need a second route" in note for note in written.notes)


def test_two_names_that_become_one_in_kubernetes_are_refused() -> None:
    for number, name in enumerate(("a_b", "a.b")):
        write_adapter(name, folder=Path(f"lora{number}"))
    plan = make_plan([of_option("a_b=lora0"), of_option("a.b=lora1")], "gpu")
    with pytest.raises(UserError, match="are both 'a-b' in Kubernetes"):
        kserve(plan, "s3://bucket/x")


def test_a_dollar_in_any_path_is_no_variable_of_compose() -> None:
    write_adapter("cars", folder=Path("lo$ra"))
    document = yaml.safe_load(compose(make_plan([of_option("cars=lo$ra")], "cpu"), Path("c.yml")).text)
    assert "./lo$$ra" in [volume["source"] for volume in document["services"]["vllm"]["volumes"]]
