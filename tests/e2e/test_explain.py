"""`serve explain` names each of six faults on one real vLLM, and none on the one that it starts itself."""

import asyncio
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp.test_utils import unused_port
from conftest import ROOT
from proxy import proxy

from callproof.config import load
from callproof.errors import EXIT_PASS, EXIT_REGRESSION
from serve.explain.asking import IDENTITY
from serve.explain.identity import write_identity
from serve.start import Server, environment, lora_modules, make_plan, of_config, require_wheel, start_command, vllm_yaml

pytestmark = pytest.mark.e2e
ADAPTERS = ("car_sales", IDENTITY, "ghost", "scaled")


@dataclass(frozen=True)
class Stage:
    """A vLLM with a sound adapter, one that changes nothing, and two that are served wrongly."""

    url: str
    config: Path
    folder: Path


def _ghost(adapter: Path, folder: Path) -> None:
    """The adapter with its tensors under a prefix of a base that also takes pictures: vLLM leaves them out."""
    shutil.copytree(adapter, folder)
    file = folder / "adapter_model.safetensors"
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = content[8 : 8 + size].decode().replace("model.model.layers", "model.model.language_model.layers")
    header += " " * (-len(header) % 8)
    file.write_bytes(struct.pack("<Q", len(header)) + header.encode() + content[8 + size :])


def _scaled(adapter: Path, folder: Path) -> None:
    """The adapter with twice the lora_alpha that it was trained with."""
    shutil.copytree(adapter, folder)
    file = folder / "adapter_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({**settings, "lora_alpha": 2 * settings["lora_alpha"]}))


@pytest.fixture(scope="module")
def stage(trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("explain")
    config_file = trained["car_sales"]
    adapter = load(config_file).adapter_dir
    for name, make in (("ghost", _ghost), ("scaled", _scaled), (IDENTITY, write_identity)):
        make(adapter, folder / name)
    wheel = require_wheel()
    plan = make_plan([of_config(config_file)], wheel.device, port=unused_port(), runtime_loads=1)
    paths = {name: str(adapter if name == "car_sales" else folder / name) for name in ADAPTERS}
    slots = len(ADAPTERS) + 1
    lora = {"lora-modules": lora_modules(paths, plan.served_name), "max-loras": slots, "max-cpu-loras": slots}
    plan = plan.model_copy(update={"options": {**plan.options, **lora}})
    (folder / "vllm.yaml").write_text(vllm_yaml(plan), encoding="utf-8")
    with Server(start_command(plan, wheel, folder / "vllm.yaml"), environment(plan), folder / "vllm.log") as server:
        server.wait_until_healthy(plan.url, 500, lambda *_: None)
        yield Stage(plan.url, config_file, folder)


def explained(url: str, config: Path, model: str = "car_sales") -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON of `serve explain` at a running server."""
    return explain("--endpoint", url, "--config", str(config), "--model", model)


def explain(*words: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "serve", "explain", *words, "--limit-turns", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode in (EXIT_PASS, EXIT_REGRESSION), f"{done.returncode}\n{done.stderr}"
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def unparsed(body: dict[str, Any]) -> dict[str, Any]:
    """What a parser of another family makes of the calls: text."""
    return {**body, "tool_choice": "none"} if body.get("tool_choice") == "auto" else body


def of_training_with_another_template(config: Path, folder: Path) -> Path:
    """A configuration whose template has one word more than the served one."""
    values = yaml.safe_load(config.read_text(encoding="utf-8"))
    template = (ROOT / "models/tiny/chat_template.jinja").read_text(encoding="utf-8").replace("<tools>", "<tools>all")
    (folder / "other.jinja").write_text(template, encoding="utf-8")
    values["model"]["chat_template"] = str(folder / "other.jinja")
    (folder / "other.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return folder / "other.yaml"


@pytest.fixture(scope="module")
def explanations(stage: Stage) -> dict[str, tuple[int, dict[str, Any]]]:
    """By the fault that was made; all of them ask the one server, whose answers do not disturb each other."""
    other = of_training_with_another_template(stage.config, stage.folder)
    with (
        proxy(stage.url, body=unparsed) as parsing,
        proxy(stage.url, keep=lambda number: number != 3) as streaming,
        ThreadPoolExecutor(3) as threads,
    ):
        runs = {
            "template_mismatch": threads.submit(explained, stage.url, other),
            "dropped_tensors": threads.submit(explained, stage.url, stage.config, "ghost"),
            "wrong_scale": threads.submit(explained, stage.url, stage.config, "scaled"),
            "parser_fault": threads.submit(explained, parsing, stage.config),
            "streaming_fault": threads.submit(explained, streaming, stage.config),
        }
        return {fault: run.result() for fault, run in runs.items()}


def test_the_server_that_it_starts_itself_is_sound(trained: dict[str, Path], tmp_path: Path) -> None:
    code, result = explain("--config", str(trained["car_sales"]), "--log", str(tmp_path / "explain.log"))
    assert (code, result["verdict"]["fault"]) == (EXIT_PASS, "none"), result
    cells = {(cell["arm"], cell["way"]): cell for cell in result["cells"]}
    assert {arm for arm, _ in cells} == {"base", "identity", "adapter", "merged"}
    assert cells["merged", "raw"]["differing"] > 0, "the adapter changes no answer"
    assert cells["adapter", "served"]["compared"] > 0
    host, port = result["endpoint"].removeprefix("http://").split(":")
    with socket.socket() as closed:
        assert closed.connect_ex((host, int(port))) != 0, "the server still runs"


@pytest.mark.parametrize(
    ("fault", "arm", "way"),
    [
        ("template_mismatch", "adapter", "prompt"),
        ("dropped_tensors", "adapter", "raw"),
        ("wrong_scale", "adapter", "raw"),
        ("parser_fault", None, "served"),
        ("streaming_fault", None, "streamed"),
    ],
)
def test_a_fault_is_named_with_the_arm_and_channel_that_show_it(
    explanations: dict[str, tuple[int, dict[str, Any]]], fault: str, arm: str | None, way: str
) -> None:
    code, result = explanations[fault]
    verdict = result["verdict"]
    assert (code, verdict["fault"], verdict["way"]) == (EXIT_REGRESSION, fault, way)
    assert verdict["arm"] == arm or arm is None
    assert ("2 times the trained strength" in verdict["sentence"]) == (fault == "wrong_scale")


async def _load(url: str, folder: Path) -> int:
    body = {"lora_name": "fifth", "lora_path": str(folder)}
    async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/load_lora_adapter", json=body) as answer:
        return answer.status


@pytest.mark.usefixtures("explanations")
def test_slots_that_are_all_taken_are_named(stage: Stage) -> None:
    """The last of all, as a slot once taken stays so."""
    if require_wheel().device != "cpu":
        pytest.skip("only vLLM's CPU build gives base rows another adapter's weights")
    shutil.copytree(load(stage.config).adapter_dir, stage.folder / "fifth")
    assert asyncio.run(_load(stage.url, stage.folder / "fifth")) == 200
    code, result = explained(stage.url, stage.config)
    assert (code, result["verdict"]["fault"], result["verdict"]["way"]) == (1, "cpu_batch_fault", "beside"), result
