"""Loading, unloading and promoting adapters of a running server, over real HTTP."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapter_files
import pytest
import yaml
from adapter_files import Q_PROJ, lora
from fake_endpoint import Script
from fake_vllm import FakeVLLM, hammered, weights_answer
from programs import run_program

from callproof.endpoint import Endpoint
from callproof.errors import UserError
from serve.operate import promotion as lifecycle
from serve.operate import publish

ROOT = Path(__file__).resolve().parents[3]
BAD_ALPHA = 99


def write_adapter(folder: Path, alpha: int = 16, value: float = 0.01) -> Path:
    return adapter_files.write_adapter(folder, lora(Q_PROJ, widths=(256, 256), value=value), lora_alpha=alpha)


def test_a_version_is_named_by_what_is_in_it_and_lies_in_a_place_of_its_own(tmp_path: Path) -> None:
    one = publish("cars", str(write_adapter(tmp_path / "one")), tmp_path / "versions")
    same = publish("cars", str(write_adapter(tmp_path / "same")), tmp_path / "versions")
    other = publish("cars", str(write_adapter(tmp_path / "other", value=0.02)), tmp_path / "versions")
    assert one == same
    assert one.name != other.name
    assert one.path == tmp_path / "versions" / one.name
    assert (one.path / "adapter_config.json").read_bytes() == (tmp_path / "one/adapter_config.json").read_bytes()
    assert sorted(path.name for path in (tmp_path / "versions").iterdir()) == sorted([one.name, other.name])


def test_what_vllm_refuses_is_never_published(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "one")
    (folder / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(UserError, match="no whole safetensors file"):
        publish("cars", str(folder), tmp_path / "versions")
    assert not (tmp_path / "versions").exists()


def test_a_loaded_version_is_listed_with_its_parent_and_forgotten_when_unloaded(tmp_path: Path) -> None:
    version = publish("cars", str(write_adapter(tmp_path / "one")), tmp_path / "versions")
    with FakeVLLM() as fake:
        asyncio.run(lifecycle.load(fake.url, version))
        asyncio.run(lifecycle.load(fake.url, version))
        base, card = asyncio.run(lifecycle.served(fake.url))
        asyncio.run(lifecycle.unload(fake.url, version.name))
        left = asyncio.run(lifecycle.served(fake.url))
    assert (base.parent, card.name, card.path, card.parent) == (None, version.name, str(version.path), "tiny")
    assert [card.name for card in left] == ["tiny"]
    assert len(fake.loading) == 2, "a version that was there was loaded again"


def test_a_server_without_runtime_loading_is_told_from_an_unknown_name() -> None:
    with FakeVLLM(loads=False) as fake, pytest.raises(UserError, match="start it with --runtime-loads N"):
        asyncio.run(lifecycle.unload(fake.url, "cars"))
    with FakeVLLM() as fake, pytest.raises(UserError, match="cannot be found"):
        asyncio.run(lifecycle.unload(fake.url, "cars"))


async def _asked_while(url: str, act: Callable[[Endpoint], Any]) -> list[tuple[int, bytes]]:
    """What requests for `cars` are answered before, while and after `act` is done."""
    payload = {"model": "cars", "messages": [{"role": "user", "content": "Hi"}]}
    async with Endpoint(url) as endpoint:
        async with hammered(lambda: endpoint.ask("/v1/chat/completions", payload)) as answers:
            await asyncio.sleep(0.1)
            await act(endpoint)
            await asyncio.sleep(0.2)
        return answers


def test_no_request_is_refused_while_an_alias_moves() -> None:
    with FakeVLLM(adapters={"cars": "/old"}, load_s=0.2) as fake:
        answers = asyncio.run(_asked_while(fake.url, lambda it: lifecycle.move(it, "cars", Path("/new"))))
    assert {status for status, _ in answers} == {200}
    served = ["/new" in body.decode() for _, body in answers]
    assert False in served
    assert served[-1]
    assert fake.adapters == {"cars": "/new"}
    assert not fake.loading[-1].get("load_inplace"), (
        "the flag that makes vLLM read the adapter in every step is left on"
    )


def test_unloading_and_then_loading_has_a_gap() -> None:
    async def naive(endpoint: Endpoint) -> None:
        await endpoint.ask(lifecycle.UNLOAD, {"lora_name": "cars"})
        await asyncio.sleep(0.1)
        await endpoint.ask(lifecycle.LOAD, {"lora_name": "cars", "lora_path": "/new"})

    with FakeVLLM(adapters={"cars": "/old"}) as fake:
        answers = asyncio.run(_asked_while(fake.url, naive))
    assert 404 in {status for status, _ in answers}


async def _move(url: str, path: str) -> None:
    async with Endpoint(url) as endpoint:
        await lifecycle.move(endpoint, "cars", Path(path))


def test_an_alias_that_is_new_is_loaded_and_one_that_is_there_is_left_alone() -> None:
    with FakeVLLM() as fake:
        asyncio.run(_move(fake.url, "/new"))
        asyncio.run(_move(fake.url, "/new"))
    assert fake.adapters == {"cars": "/new"}
    assert len(fake.loading) == 1


def test_an_old_version_that_is_gone_from_disk_does_not_keep_an_alias_from_moving() -> None:
    with FakeVLLM(adapters={"cars": "/old"}, refused=lambda path: path == "/old") as fake:
        asyncio.run(_move(fake.url, "/new"))
    assert fake.adapters == {"cars": "/new"}


def test_an_alias_stays_where_it_was_when_the_new_version_cannot_be_loaded() -> None:
    with FakeVLLM(adapters={"cars": "/old"}, refused=lambda path: path == "/new") as fake:
        with pytest.raises(UserError, match=r"cars cannot be moved to /new: No adapter found .* still /old"):
            asyncio.run(_move(fake.url, "/new"))
        assert fake.adapters == {"cars": "/old"}


def malformed_if_bad(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    """Calls that no parser reads from an adapter whose alpha is BAD_ALPHA."""
    file = Path(fake.weights(payload["model"])) / "adapter_config.json"
    if file.is_file() and json.loads(file.read_text())["lora_alpha"] == BAD_ALPHA:
        return Script(text=f"<tool_call>{{{BAD_ALPHA}</tool_call>")
    return weights_answer(payload, fake)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    values = {
        "name": "cars",
        "data": {"domain": str(ROOT / "datasets/car_sales")},
        "eval": {"max_sessions": 3},
        "serve": {"tool_call_parser": "hermes"},
        "gate": {"margins": {}, "floors": {"parse_rate": 0.9}, "min_sessions": 2},
    }
    path = tmp_path / "cars.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return run_program(*words)


def promoted(fake: FakeVLLM, config: Path, adapter: Path) -> subprocess.CompletedProcess[str]:
    """The baseline is made by the alias as it serves now."""
    folder = config.parent
    where = ("--endpoint", fake.url, "--config", config)
    baseline = run("evaluate", *where, "--model", "cars", "--run-id", "before", "--out", folder / "runs")
    assert baseline.returncode == 0, baseline.stderr
    kept = ("--runs", folder / "runs", "--versions", folder / "versions")
    return run("serve", "promote", "cars", adapter, *where, "--baseline", "before", "--turns", "4", *kept)


def test_a_candidate_that_passes_takes_the_name(tmp_path: Path, config: Path) -> None:
    with FakeVLLM(adapters={"cars": "/old"}, answer=malformed_if_bad) as fake:
        done = promoted(fake, config, write_adapter(tmp_path / "next"))
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        assert result["promoted"]
        assert fake.adapters == {"cars": str(tmp_path / "versions" / result["version"])}
    assert result["version"].startswith("cars@")
    assert (Path(result["run"]) / "gate.json").is_file()


def test_a_candidate_that_the_gate_stops_is_unloaded_and_the_old_one_serves_on(tmp_path: Path, config: Path) -> None:
    with FakeVLLM(adapters={"cars": "/old"}, answer=malformed_if_bad) as fake:
        done = promoted(fake, config, write_adapter(tmp_path / "next", alpha=BAD_ALPHA))
        assert fake.adapters == {"cars": "/old"}
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, result["promoted"], result["stopped_by"]) == (5, False, "gate"), done.stderr


def test_a_candidate_that_a_check_stops_is_not_evaluated(tmp_path: Path, config: Path) -> None:
    def unapplied(payload: dict[str, Any], fake: FakeVLLM) -> Script:
        return weights_answer({**payload, "model": fake.base} if "@" in payload["model"] else payload, fake)

    with FakeVLLM(adapters={"cars": "/old"}, answer=unapplied) as fake:
        done = promoted(fake, config, write_adapter(tmp_path / "next"))
        assert fake.adapters == {"cars": "/old"}
    result = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, result["stopped_by"], result["run"]) == (1, "doctor", None), done.stderr


def test_list_load_and_unload_are_commands_whose_last_line_is_json(tmp_path: Path) -> None:
    with FakeVLLM() as fake:
        where = ("--endpoint", fake.url)
        adapter = write_adapter(tmp_path / "one")
        loaded = run("serve", "load", "cars", adapter, *where, "--versions", tmp_path / "versions")
        name = json.loads(loaded.stdout)["loaded"]
        listed = json.loads(run("serve", "list", *where).stdout)
        unloaded = run("serve", "unload", name, *where)
    assert [card["name"] for card in listed["models"]] == ["tiny", name]
    assert json.loads(unloaded.stdout) == {"unloaded": name}
