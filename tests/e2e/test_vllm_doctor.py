"""The doctor finds a sound server sound, and the fault that it was made for on one with too few slots."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from aiohttp.test_utils import unused_port
from conftest import Deployment, run_verb

from callproof.config import load
from callproof.errors import EXIT_REGRESSION
from serve.start import (
    Server,
    environment,
    make_plan,
    of_config,
    require_wheel,
    start_command,
    vllm_yaml,
    with_absolute_paths,
)

pytestmark = pytest.mark.e2e


def words_of(deployment: Deployment) -> list[str]:
    configs = [word for path in deployment.configs.values() for word in ("--config", str(path))]
    return ["serve", "doctor", "--endpoint", deployment.url, *configs]


def statuses(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    findings = json.loads(done.stdout.splitlines()[-1])["findings"]
    return {finding["check"]: finding["status"] for finding in findings}


def test_every_check_passes_on_the_server_that_we_start(deployment: Deployment) -> None:
    found = statuses(run_verb(*words_of(deployment), "--turns", "8"))
    calls = found.pop("channels_agree")
    assert set(found.values()) == {"ok"}, found
    assert calls in ("ok", "unknown"), "after so few steps an answer may hold no well-formed call"


def test_a_cpu_server_without_a_free_slot_fails_isolation(trained: dict[str, Path], tmp_path: Path) -> None:
    wheel = require_wheel()
    if wheel.device != "cpu":
        pytest.skip("only vLLM's CPU build gives base rows another adapter's weights")
    plan = make_plan([of_config(path) for path in trained.values()], "cpu", port=unused_port())
    tight = plan.model_copy(update={"options": {**plan.options, "max-loras": len(trained)}})
    config_file = tmp_path / "vllm.yaml"
    config_file.write_text(vllm_yaml(tight), encoding="utf-8")
    with Server(start_command(tight, wheel, config_file), environment(tight), tmp_path / "vllm.log") as server:
        server.wait_until_healthy(tight.url, 500, lambda *_: None)
        done = run_verb(*words_of(Deployment(tight.url, trained)), "--turns", "4", code=EXIT_REGRESSION)
    assert statuses(done)["isolation"] == "failed"
    assert load(next(iter(trained.values()))).model.served_name in done.stdout


def test_print_and_write_say_what_the_running_server_was_started_with(trained: dict[str, Path], tmp_path: Path) -> None:
    configs = [word for path in trained.values() for word in ("--config", str(path))]
    run_verb("serve", *configs, "--write", tmp_path / "v.yaml")
    plan = make_plan([of_config(path) for path in trained.values()], require_wheel().device)
    written = yaml.safe_load((tmp_path / "v.yaml").read_text())
    assert written == yaml.safe_load(vllm_yaml(with_absolute_paths(plan)))
    assert Path(written["model"]).is_absolute()
