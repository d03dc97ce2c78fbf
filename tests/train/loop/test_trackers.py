"""Trackers really track: a training reports to one, offline, and what it reported is read back from its files."""

import json
import os
import re
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

from callproof.config import load
from callproof.errors import UserError
from train.adapter.tracker import track, tracker_folders

SmallRun = Callable[..., Path]
GATE = {
    "verdict": "regression",
    "candidate": {"model": "small@0123456789ab", "run_id": "r"},
    "checks": [
        {"metric": "name_f1", "kind": "margin", "slice": None, "gain": -0.25, "lower": -0.5, "limit": 0.02},
    ],
}
FIGURES = {
    "gate/passed": 0.0,
    "gate/name_f1/margin/gain": -0.25,
    "gate/name_f1/margin/lower": -0.5,
    "gate/name_f1/margin/limit": 0.02,
}


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"package {package} is not installed")


@pytest.fixture
def tracked(small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Path, Any]]:
    """Trains with a tracker; gives the output folder and the metrics that the manifest holds."""
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_DIR": "wandb",
        "WANDB_DATA_DIR": "data",
        "TRACKIO_DIR": "trackio",
    }.items():
        monkeypatch.setenv(name, value if name == "WANDB_MODE" else str(tmp_path / value))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def train(tracker: str) -> tuple[Path, Any]:
        config = small_run(train={"report_to": tracker, "max_steps": 2, "logging_steps": 1})
        words = [sys.executable, "-m", "train", "--config", str(config)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (summary,) = done.stdout.splitlines()
        manifest = json.loads((tmp_path / "out/manifest.json").read_text())
        assert manifest["tracker"]["tracker"] == tracker
        (tmp_path / "run").mkdir()
        (tmp_path / "run/gate.json").write_text(json.dumps(GATE))
        (tmp_path / "run/report.html").write_text("<p>report</p>")
        track = [
            sys.executable,
            "-m",
            "train",
            "track",
            "--config",
            str(config),
            "--gate",
            str(tmp_path / "run/gate.json"),
        ]
        done = subprocess.run(track, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        assert json.loads(line) == {
            **manifest["tracker"], "verdict": "regression", "figures": 4, "files": ["gate.json", "report.html"],
        }  # fmt: skip
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
    paths = sorted((folder / "wandb").rglob("*.wandb"))
    assert len(paths) == 2
    assert len({path.stem for path in paths}) == 1
    losses: dict[int, float] = {}
    summary_items: dict[str, Any] = {}
    artifacts: list[list[str]] = []
    for data in (data for path in paths for data in _log_records(path.read_bytes())):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        items = record.history.item
        for item in record.summary.update:
            summary_items["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
        if record.artifact.name:
            artifacts.append([entry.path for entry in record.artifact.manifest.contents])
        row = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
        if "train/loss" in row:
            losses[row["train/global_step"]] = row["train/loss"]
    assert sorted(losses) == [1, 2]
    assert sum(losses.values()) / 2 == pytest.approx(summary["train_loss"], rel=1e-3)
    assert {name: value for name, value in summary_items.items() if name.startswith("gate/")} == FIGURES | {
        "gate/verdict": "regression"
    }
    assert artifacts == [["gate.json", "report.html"]]


def test_each_training_of_a_process_has_folders_of_its_own_and_leaves_the_environment_as_it_was(
    small_run: SmallRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    monkeypatch.setenv("WANDB_DIR", "mine")
    for name in ("first", "second"):
        config = load(small_run(), [f"train.output_dir={tmp_path / name}"])
        with tracker_folders(config):
            places = os.environ["TENSORBOARD_LOGGING_DIR"], os.environ["WANDB_DIR"]
            assert places == (f"{tmp_path / name}/tensorboard", "mine")
        assert "TENSORBOARD_LOGGING_DIR" not in os.environ
        assert os.environ["WANDB_DIR"] == "mine"


@needs("tensorboard")
def test_tensorboard_has_the_losses(tracked: Callable[[str], tuple[Path, Any]]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, summary = tracked("tensorboard")
    (place,) = {path.parent for path in (folder / "out" / "tensorboard").rglob("events.out.tfevents.*")}
    events = EventAccumulator(str(place))
    events.Reload()
    losses = {event.step: event.value for event in events.Scalars("train/loss")}
    assert sorted(losses) == [1, 2]
    assert sum(losses.values()) / 2 == pytest.approx(summary["train_loss"], rel=1e-3)
    figures = {tag: events.Scalars(tag)[0] for tag in events.Tags()["scalars"] if tag.startswith("gate/")}
    assert {tag: event.value for tag, event in figures.items()} == pytest.approx(FIGURES)
    assert {event.step for event in figures.values()} == {2}
    (text,) = events.Tensors("gate/verdict/text_summary")
    assert json.loads(text.tensor_proto.string_val[0])["verdict"] == "regression"


@needs("trackio")
def test_trackio_has_the_losses(tracked: Callable[[str], tuple[Path, Any]]) -> None:
    folder, summary = tracked("trackio")
    losses: dict[int, float] = {}
    judged: dict[str, Any] = {}
    for path in (folder / "trackio").rglob("*.db"):
        with sqlite3.connect(path) as database:
            for step, text in database.execute("select step, metrics from metrics"):
                metrics = json.loads(text)
                judged |= {name: value for name, value in metrics.items() if name.startswith("gate/")}
                if "train/loss" in metrics:
                    losses[step] = metrics["train/loss"]
    assert len(losses) == 2
    assert sum(losses.values()) / 2 == pytest.approx(summary["train_loss"], rel=1e-3)
    assert judged == FIGURES | {"gate/verdict": "regression"}
    kept = {
        path.read_text() for path in (folder / "trackio").rglob("*") if path.is_file() and path.stat().st_size == 13
    }
    assert "<p>report</p>" in kept


MISTAKES = {
    "no tracker": (None, GATE, "small: the adapter: was trained without a tracker"),
    "another adapter": (
        "tensorboard",
        GATE | {"candidate": {"model": "cars"}},
        "judges 'cars', but the adapter is 'small'",
    ),
    "no verdict": ("tensorboard", {"verdict": "pass"}, "is no verdict of the gate"),
}


@pytest.mark.parametrize(("tracker", "gate", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_verdict_is_added_to_its_own_run_alone(
    tmp_path: Path, tracker: str | None, gate: dict[str, Any], problem: str
) -> None:
    place = {"tracker": tracker, "run": "small", "folder": str(tmp_path / "tb")} if tracker else None
    (tmp_path / "gate.json").write_text(json.dumps(gate))
    with pytest.raises(UserError, match=re.escape(problem)):
        track({"name": "small", "steps": 2, "tracker": place}, tmp_path / "gate.json")
    assert not (tmp_path / "tb").exists()
