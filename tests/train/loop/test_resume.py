"""A training that was killed goes on as if it had not been; nothing of two runs is mixed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run_verb

from callproof.config import load
from callproof.errors import UserError
from train.loop.checkpoints import Checkpoints, seal

pytest_plugins = ["small_run_plugin"]

SmallRun = Callable[..., Path]
LONG = {"max_steps": 8, "save_steps": 3, "num_train_epochs": 2}
DROPOUT = {"r": 8, "dropout": 0.2}


def manifest(config: Path) -> dict[str, Any]:
    return json.loads((load(config).output_dir / "manifest.json").read_text())


def weights(config: Path) -> str:
    return hashlib.sha256((load(config).adapter_dir / "adapter_model.safetensors").read_bytes()).hexdigest()


def kill_when(ready: Callable[[], bool], config: Path) -> None:
    """Start a training and kill it (-9) as soon as `ready`."""
    command = [sys.executable, "-m", "train", "--config", str(config)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 500
    while not ready():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_killed_training_goes_on_to_the_same_adapter_even_in_the_second_epoch(small_run: SmallRun) -> None:
    whole, killed = (small_run(name, train=LONG, lora=DROPOUT) for name in ("whole", "killed"))
    run_verb("train", "--config", whole)
    sealed = load(killed).output_dir / "checkpoints" / "checkpoint-6" / "seal.json"
    kill_when(sealed.exists, killed)
    assert not (load(killed).output_dir / "manifest.json").exists()
    done = run_verb("train", "--config", killed, "--resume")
    ours, theirs = manifest(killed), manifest(whole)
    assert json.loads(done.stdout.splitlines()[-1])["resumed_from"] == [6]
    assert "the run goes on from here" in done.stderr
    assert ours["steps"] == theirs["steps"] == 8
    assert ours["eval_loss"] == pytest.approx(theirs["eval_loss"], abs=1e-4)
    assert ours["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-4)
    assert weights(killed) == weights(whole)
    again = run_verb("train", "--config", killed, "--resume")
    assert "finished already" in again.stderr
    fresh = run_verb("train", "--config", killed)
    assert "checkpoints of an older run were removed" in fresh.stderr
    assert manifest(killed)["resumed_from"] == []
    assert weights(killed) == weights(whole)


@pytest.fixture
def begun(small_run: SmallRun) -> tuple[Path, Checkpoints]:
    """A run with whole checkpoints of steps 2 and 4."""
    config = small_run()
    checkpoints = Checkpoints(load(config), processes=1)
    checkpoints.begin()
    for step in (2, 4):
        folder = checkpoints.folder / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "optimizer.pt").write_bytes(b"state")
        seal(folder)
    return config, checkpoints


def test_the_newest_whole_checkpoint_is_taken(begun: tuple[Path, Checkpoints]) -> None:
    newest, torn = begun[1].newest()
    assert newest is not None
    assert (newest.name, torn) == ("checkpoint-4", [])


@pytest.mark.parametrize("harm", ["no seal", "half a seal", "short file", "lost file", "odd seal"])
def test_a_torn_checkpoint_is_skipped(begun: tuple[Path, Checkpoints], harm: str) -> None:
    folder = begun[1].folder / "checkpoint-4"
    match harm:
        case "no seal":
            (folder / "seal.json").unlink()
        case "half a seal":
            (folder / "seal.json").write_text('{"sizes": {')
        case "short file":
            (folder / "optimizer.pt").write_bytes(b"sta")
        case "lost file":
            (folder / "optimizer.pt").unlink()
        case _:
            (folder / "seal.json").write_text('{"sizes": 3}')
    newest, torn = begun[1].newest()
    assert newest is not None
    assert (newest.name, [path.name for path in torn]) == ("checkpoint-2", ["checkpoint-4"])


@pytest.mark.parametrize(
    ("section", "change", "named"),
    [
        ("train", {"learning_rate": 1e-3}, "train.learning_rate 0.005, but now it is 0.001"),
        ("lora", {"r": 4}, "lora.r 16, but now it is 4"),
        ("data", {"max_context_length": 99}, "data.max_context_length"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(
    begun: tuple[Path, Checkpoints], small_run: SmallRun, section: str, change: dict[str, Any], named: str
) -> None:
    sections = {"data": {"domain": str(load(begun[0]).data.domain)}}
    sections[section] = sections.get(section, {}) | change
    with pytest.raises(UserError, match=named):
        Checkpoints(load(small_run(**sections)), processes=1).state()


def test_a_run_is_not_resumed_with_other_data_or_processes(begun: tuple[Path, Checkpoints]) -> None:
    config = load(begun[0])
    with pytest.raises(UserError, match="processes 1, but now it is 2"):
        Checkpoints(config, processes=2).state()
    with Path(config.data.source("train")).open("a") as file:
        file.write("\n")
    with pytest.raises(UserError, match=r"sha256\.train"):
        Checkpoints(config, processes=1).state()


@pytest.mark.usefixtures("begun")
def test_what_does_not_touch_learning_may_change(small_run: SmallRun) -> None:
    state = Checkpoints(load(small_run(train={"logging_steps": 1, "save_steps": 1})), processes=1).state()
    assert state is not None
    assert state.resumed_from == ()


def test_a_broken_run_state_is_named(begun: tuple[Path, Checkpoints]) -> None:
    (begun[1].folder / "run.json").write_text("{")
    with pytest.raises(UserError, match="is no state of a run"):
        begun[1].state()
