"""A training killed at a random moment, most after a checkpoint: `--resume` ends in the same adapter."""

import hashlib
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from small_run_plugin import small_run_in

from callproof.config import load

from . import ROOT
from .processes import finished, killed, workplace
from .trial import Trial

LONG = {"max_steps": 10, "save_steps": 2, "num_train_epochs": 2}
DROPOUT = {"r": 8, "dropout": 0.2}
"""So that a resumed training must also go on with the same random numbers."""
AFTER_A_CHECKPOINT = 0.7


def trial(rng: Random) -> Trial:
    """One training, killed once, and now and then again while it goes on."""
    done, whole = Trial(), _whole(workplace())
    config = _config(f"killed-{rng.getrandbits(48):x}")
    after = rng.random() < AFTER_A_CHECKPOINT
    sealed = _sealed(config) if after else lambda: True
    killed(done, _words(config), ROOT, rng.uniform(0, whole.after_s if after else whole.all_s), ready=sealed)
    checkpoints = [] if _ended(config) else _checkpoints(config)
    done.counts["after a checkpoint"] += bool(checkpoints)
    if rng.random() < 0.3 and not _ended(config):
        killed(done, [*_words(config), "--resume"], ROOT, rng.uniform(0, whole.all_s))
    if not finished(done, [*_words(config), "--resume"], ROOT):
        return done
    manifest = _manifest(config)
    done.counts["losses"] += bool(checkpoints) and not manifest["resumed_from"]
    done.expect(not checkpoints or manifest["resumed_from"], f"begun anew beside {checkpoints}", str(config))
    done.expect(_weights(config) == whole.weights, "another adapter than the training in peace", str(config))
    same = all(abs(manifest[loss] - whole.manifest[loss]) < 1e-4 for loss in ("train_loss", "eval_loss"))
    done.expect(same, "other losses than the training in peace", str(config))
    return done


def _config(name: str) -> Path:
    return _writer()(name, train=LONG, lora=DROPOUT)


@cache
def _writer() -> Callable[..., Path]:
    return small_run_in(workplace())


def _words(config: Path) -> list[str]:
    return ["train", "--config", str(config)]


def _checkpoints(config: Path) -> list[str]:
    """The checkpoints that are whole."""
    return sorted(path.parent.name for path in (load(config).output_dir / "checkpoints").glob("*/seal.json"))


def _ended(config: Path) -> bool:
    return (load(config).output_dir / "manifest.json").is_file()


def _sealed(config: Path) -> Callable[[], bool]:
    return lambda: bool(_checkpoints(config))


def _manifest(config: Path) -> dict[str, Any]:
    return json.loads((load(config).output_dir / "manifest.json").read_text())


def _weights(config: Path) -> str:
    return hashlib.sha256((load(config).adapter_dir / "adapter_model.safetensors").read_bytes()).hexdigest()


class _Whole:
    """A training that was left in peace, and the seconds that it took: all of it, and after its first checkpoint."""

    def __init__(self, config: Path) -> None:
        began = time.monotonic()
        assert finished(Trial(), _words(config), ROOT)
        self.all_s = time.monotonic() - began
        seal = min((load(config).output_dir / "checkpoints").glob("*/seal.json"), key=lambda path: path.stat().st_mtime)
        manifest = load(config).output_dir / "manifest.json"
        self.after_s = manifest.stat().st_mtime - seal.stat().st_mtime
        self.weights, self.manifest = _weights(config), _manifest(config)


@cache
def _whole(_: Path) -> _Whole:
    return _Whole(_config("whole"))
