"""A client, the service and real trainings: what is accepted trains, and survives whatever is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest
from aiohttp.test_utils import unused_port
from conftest import ROOT
from service_client import QUICK, SKY, Service, group_of

from callproof.config import check_adapter_folder
from callproof.errors import UserError
from train.cli import main

pytest_plugins = ["service_plugin"]
Start = Callable[..., Service]


def wait_until(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_training_from_upload_to_adapter_as_every_service_on_the_folder_sees_it(start: Start, base: Path) -> None:
    service, other = start(), start()
    idle = {"status": "idle", "message": "No training yet", "current_step": 0, "total_steps": 0}
    assert service.status() == {**idle, "current_epoch": 0, "total_epochs": 0}
    code, job = service.train({**QUICK, "batch_size": 2, "model_save_path": "my_lora_model"})
    assert (code, job["status"]) == (202, "training")
    assert [note.partition(":")[0] for note in job["notes"]] == ["lora_modules_to_save", "attn_implementation"]
    assert service.train(QUICK).code == other.train(QUICK).code == 409
    assert service.status() == other.status()
    assert service.status()["status"] == "training"
    assert "model_path" not in service.status()
    log = other.ask("GET", f"/jobs/{job['job_id']}/log").body  # ends with the training
    assert json.loads(log.splitlines()[-1])["steps"] == 3
    done = service.wait_for(job["job_id"], "completed")
    assert done["model_path"] == str(base / "my_lora_model")
    assert service.status() == {
        "status": "completed",
        "message": "Training completed",
        "current_step": 3,
        "total_steps": 3,
        "current_epoch": 1,
        "total_epochs": 1,
        "model_path": str(base / "my_lora_model"),
    }
    check_adapter_folder(base / "my_lora_model", str(base / "tiny"))  # raises for what vLLM would not serve
    further = {**QUICK, "lora_path": "my_lora_model", "model_save_path": "further"}
    assert service.train({**further, "lora_rank": 16}).body["detail"] == [
        "config.lora_rank: the adapter of lora_path has 8, got 16"
    ]
    assert service.ask("DELETE", f"/jobs/{service.started(further)}").body["status"] == "cancelled"
    assert service.ask("DELETE", f"/jobs/{done['job_id']}").code == 409
    assert [job["status"] for job in service.ask("GET", "/jobs").body] == ["cancelled", "completed"]


def test_a_killed_training_is_an_error_with_its_last_line_and_can_go_on(start: Start, base: Path) -> None:
    service = start()
    job_id = service.started(QUICK)
    group = group_of(base)
    assert group is not None
    wait_until(lambda: (base / ".jobs" / job_id / "log.txt").stat().st_size)
    os.killpg(group, signal.SIGKILL)
    error = service.wait_for(job_id, "error")
    assert error["message"].startswith("the training was killed by signal 9; its last line: ")
    assert error["message"].endswith(f"go on: POST /jobs/{job_id}/resume")
    assert service.status()["status"] == "error"
    assert service.status()["message"] == error["message"]
    assert service.ask("POST", f"/jobs/{job_id}/resume").code == 202
    done = service.wait_for(job_id, "completed", "error")
    assert done["model_path"] == str(base / job_id)
    assert service.ask("POST", f"/jobs/{job_id}/resume").code == 409


def test_a_training_outlives_its_service_and_the_next_one_takes_over(start: Start, base: Path) -> None:
    service = start("--queue", "1")
    first = service.started({**QUICK, "model_save_path": "first"})
    second = service.started({**QUICK, "model_save_path": "second"})
    assert [service.job(job_id)["status"] for job_id in (first, second)] == ["training", "queued"]
    assert service.train(QUICK).code == 409
    service.kill()
    again = start("--queue", "1")
    assert [again.job(job_id)["status"] for job_id in (first, second)] == ["training", "queued"]
    again.wait_for(first, "completed")
    again.wait_for(second, "training")
    assert again.ask("DELETE", f"/jobs/{second}").body["status"] == "cancelled"
    assert {path.name for path in base.iterdir()} == {".jobs", "tiny", "first"}


def test_a_service_that_was_away_when_the_training_died_says_so(start: Start, base: Path) -> None:
    service = start()
    job_id = service.started(QUICK)
    group = group_of(base)
    assert group is not None
    service.kill()
    os.killpg(group, signal.SIGKILL)
    wait_until(lambda: group_of(base) is None)
    again = start()
    error = again.wait_for(job_id, "error")
    assert "the training ended before it was done; its last line: " in error["message"]
    assert again.train({"model_name": "no/model/here"}).code == 422  # and not 409: the slot is free


def test_a_cancelled_training_leaves_no_process(start: Start, base: Path) -> None:
    service = start("--queue", "2")
    running, waiting = service.started(QUICK), service.started(QUICK)
    assert service.ask("DELETE", f"/jobs/{waiting}").body["status"] == "cancelled"
    assert service.job(running)["status"] == "training"
    assert service.ask("DELETE", f"/jobs/{running}").body["status"] == "cancelled"
    assert group_of(base) is None
    assert service.status()["status"] == "idle"
    assert service.ask("DELETE", f"/jobs/{running}").code == 409


def test_of_many_uploads_at_once_to_two_services_one_is_taken(start: Start, base: Path) -> None:
    services = [start(), start()] * 4
    with ThreadPoolExecutor(len(services)) as pool:
        answers = list(pool.map(lambda service: service.train(QUICK), services))
    assert sorted(answer.code for answer in answers) == [202, *[409] * 7]
    [job_id] = [answer.body["job_id"] for answer in answers if answer.code == 202]
    assert {path.name for path in (base / ".jobs").iterdir()} == {"slot", job_id}
    assert services[0].ask("DELETE", f"/jobs/{job_id}").body["status"] == "cancelled"
    assert [service.status()["status"] for service in services[:2]] == ["idle", "idle"]


def test_an_error_of_the_training_is_the_job_s_message(start: Start) -> None:
    service = start()
    config = {"name": "small", "model": {"base_model": "tiny", "quantization": "nf4"}}
    error = service.wait_for(service.started(config), "error", "completed")
    assert error["message"].startswith("error: model.quantization: ")


def test_a_whole_configuration_trains_in_a_domain_under_the_base_path(start: Start, base: Path) -> None:
    domain = base / "cars"
    domain.mkdir()
    (domain / "system_prompt.md").write_text("You sell cars.\n")
    tool = {"name": "find", "parameters": {"type": "object", "properties": {"car": {"type": "string"}}}}
    (domain / "tools.json").write_text(json.dumps([{"type": "function", "function": tool}]))
    calls = [{"name": "find", "arguments": {"car": "red"}}]
    messages = [{"role": "user", "content": "A red one?"}, {"role": "assistant", "tool_calls": calls}]
    data = json.dumps({"messages": messages}).encode()
    config = {
        "name": "cars_adapter",
        "data": {"domain": "cars"},
        "model": {"base_model": "tiny"},
        "train": {"max_steps": 1, "learning_rate": 1e-5, "push_to_hub": False, "report_to": "none"},
    }
    service = start()
    wrong = data.replace(b'"red"}', b'"red", "size": 3}')
    assert service.train({**config, "name": "cars"}, data).body["detail"] == [
        "config.name: 'cars' is the name of something under --base-path that this service has not made"
    ]
    done = service.wait_for(
        service.started(config, data=data + b"\n" + data.replace(b"red", b"blue")), "completed", "error"
    )
    assert done["status"] == "completed", done
    manifest = json.loads((base / ".jobs" / done["job_id"] / "run" / "manifest.json").read_bytes())
    assert manifest["config"]["train"]["learning_rate"] == 1e-5
    assert manifest["data"]["train"]["sessions"] == 2
    assert wrong != data


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="package tensorboard is not installed")
def test_the_tracker_of_the_service_has_the_losses_of_every_job(start: Start, base: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    service = start("--report-to", "tensorboard")
    job = service.wait_for(service.started({**QUICK, "batch_size": 2}), "completed", "error")
    assert job["status"] == "completed", job
    folder = base / ".jobs" / job["job_id"] / "run" / "tensorboard"
    events = EventAccumulator(str(folder)).Reload()
    assert "train/train_loss" in events.Tags()["scalars"]


def test_a_tracker_that_is_not_installed_is_named_before_the_service_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.before.preflight.find_spec", lambda _: None)
    with pytest.raises(UserError, match="--report-to: package wandb is not installed; run: pip install wandb"):
        main(["service", "--base-path", str(tmp_path), "--report-to", "wandb"])


def test_the_older_server_s_command_starts_it_and_its_page_loads_nothing_from_elsewhere(base: Path) -> None:
    script = "from callproof.__main__ import run_training_service; run_training_service()"
    command = [sys.executable, "-c", script, "--base_path", str(base), "--port", str(unused_port())]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().removeprefix("ready ").strip()
        with urlopen(f"{url}/docs") as response:
            page = response.read().decode()
        assert "POST" in page
        assert "lora_modules_to_save" in page
        assert not re.search(r"(src|href)=|https?:", page.replace("http://www.w3.org/2000/svg", ""))
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0


LIGHT = """
import sys
from pathlib import Path
from train.service.app import make_app
from train.service.command import serve
from train.service.jobs import Jobs
from train.service.request.order import BadOrder
from train.service.runner import Runner
from train.service.views import Service
jobs = Jobs(Path(sys.argv[1]))
service = Service(jobs, Runner(jobs, 0), 2**20, None, None)
make_app(service)
for data in (b"{", Path(sys.argv[2]).read_bytes()):
    folder = jobs.stage()
    (folder / "data.jsonl").write_bytes(data)
    try:
        job = service.take_in(folder, b'{"model_name": "tiny"}', "data.jsonl")
    except BadOrder as error:
        print(error.faults)
service.runner.cancel(job)
print(service.view(job).status)
print(sorted({"torch", "transformers", "peft", "trl", "datasets", "vllm"} & set(sys.modules)))
"""


def test_the_service_never_imports_torch(base: Path, tmp_path: Path) -> None:
    data = tmp_path / "sky.jsonl"
    data.write_bytes(SKY)
    command = [sys.executable, "-c", LIGHT, str(base), str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    refused, state, heavy = done.stdout.splitlines()
    assert "data.jsonl:1: malformed JSON" in refused
    assert (state, heavy) == ("cancelled", "[]")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "is reachable from other machines, and nothing keeps them out"),
        (["--api-key", ""], "is empty or holds what no HTTP header can carry"),
        (["--max-upload", "0"], "expected a number above 0"),
        (["--queue", "-1"], "expected a whole number"),
    ],
)
def test_a_service_that_would_be_unsafe_does_not_start(tmp_path: Path, options: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        main(["service", "--base-path", str(tmp_path), *options])
