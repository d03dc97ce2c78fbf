"""Trackers really track: a training reports to one, offline, and what it reported is read back from its files."""

import json
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from programs import ROOT
from small_run_plugin import small_run as small_run

SmallRun = Callable[..., Path]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"package {package} is not installed")


@pytest.fixture
def tracked(small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Path, Any]]:
    """Trains with a tracker; gives the output folder and the metrics that the manifest holds."""
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": "wandb", "TRACKIO_DIR": "trackio"}.items():
        monkeypatch.setenv(name, value if name == "WANDB_MODE" else str(tmp_path / value))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def train(tracker: str) -> tuple[Path, Any]:
        config = small_run(train={"report_to": tracker, "max_steps": 2, "logging_steps": 1})
        words = [sys.executable, "-m", "train", "--config", str(config)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (summary,) = (line for line in done.stdout.splitlines() if line.startswith("{"))  # wandb writes to stdout too
        return tmp_path, json.loads(summary)

    return train


def _log_records(data: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after the seven bytes that W&B begins it with."""
    assert data.startswith(b":W&B")
    at, record = 7, b""
    while at + 7 <= len(data):
        if 2**15 - at % 2**15 < 7:
            at += 2**15 - at % 2**15
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield record
            record = b""


@needs("wandb")
def test_weights_and_biases_keeps_an_offline_run_with_the_losses(tracked: Callable[[str], tuple[Path, Any]]) -> None:
    from wandb.proto import wandb_internal_pb2

    folder, summary = tracked("wandb")
    (path,) = (folder / "wandb").rglob("*.wandb")
    losses: dict[int, float] = {}
    for data in _log_records(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        items = record.history.item
        row = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
        if "train/loss" in row:
            losses[row["train/global_step"]] = row["train/loss"]
    assert sorted(losses) == [1, 2]
    assert sum(losses.values()) / 2 == pytest.approx(summary["train_loss"], rel=1e-3)


@needs("tensorboard")
def test_tensorboard_has_the_losses(tracked: Callable[[str], tuple[Path, Any]]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, summary = tracked("tensorboard")
    (path,) = (folder / "out" / "tensorboard").rglob("events.out.tfevents.*")
    events = EventAccumulator(str(path))
    events.Reload()
    losses = {event.step: event.value for event in events.Scalars("train/loss")}
    assert sorted(losses) == [1, 2]
    assert sum(losses.values()) / 2 == pytest.approx(summary["train_loss"], rel=1e-3)


@needs("trackio")
def test_trackio_has_the_losses(tracked: Callable[[str], tuple[Path, Any]]) -> None:
    folder, summary = tracked("trackio")
    losses: dict[int, float] = {}
    for path in (folder / "trackio").rglob("*.db"):
        with sqlite3.connect(path) as database:
            for step, text in database.execute("select step, metrics from metrics"):
                metrics = json.loads(text)
                if "train/loss" in metrics:
                    losses[step] = metrics["train/loss"]
    assert len(losses) == 2
    assert sum(losses.values()) / 2 == pytest.approx(summary["train_loss"], rel=1e-3)
