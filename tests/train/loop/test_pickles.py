"""Nothing that a stranger wrote is run: pickles with more than tensors in them, and code that a base brings."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ROOT, run_verb
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from callproof.config import ModelConfig, load
from callproof.errors import UserError
from train.loop.checkpoints import seal
from train.rows.data import from_pretrained

pytest_plugins = ["small_run_plugin"]


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "code-was-run"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "models/tiny", tmp_path / "base"))


def test_a_base_whose_weights_are_a_pickle_with_code_is_refused(base: Path, mark: Path) -> None:
    (base / "model.safetensors").unlink()
    torch.save({"x": Trap(mark)}, base / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"its weights are a pickle of more than tensors, which could run code"):
        from_pretrained(AutoModelForCausalLM, ModelConfig(base_model=str(base)))
    assert not mark.exists()


@pytest.mark.parametrize("auto", [AutoConfig, AutoTokenizer, AutoModelForCausalLM])
def test_code_of_a_base_is_neither_run_nor_asked_for(base: Path, mark: Path, auto: type) -> None:
    for name, classes in (("config", {"AutoConfig": "m.C", "AutoModelForCausalLM": "m.M"}), ("tokenizer_config", {})):
        path = base / f"{name}.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        values |= {"auto_map": classes or {"AutoTokenizer": [None, "m.T"]}, "model_type": "mystery"}
        path.write_text(json.dumps({**values, "tokenizer_class": "T"}), encoding="utf-8")
    (base / "m.py").write_text(f"import os\nos.system('touch {mark}')\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"runs code of its own, which is not trusted"):
        from_pretrained(auto, ModelConfig(base_model=str(base)))
    assert not mark.exists()


def test_a_checkpoint_with_code_in_its_states_is_refused(small_run: Callable[..., Path], mark: Path) -> None:
    config = small_run(train={"max_steps": 2, "save_steps": 1})
    run_verb("train", "--config", config)
    output = load(config).output_dir
    shutil.rmtree(output / "checkpoints" / "checkpoint-2")
    (output / "manifest.json").unlink()
    shutil.rmtree(output / "adapter")
    folder = output / "checkpoints" / "checkpoint-1"
    torch.save({"state": Trap(mark)}, folder / "optimizer.pt")
    (folder / "seal.json").unlink()
    seal(folder)
    done = run_verb("train", "--config", config, "--resume", code=2)
    assert "holds a pickle of more than tensors, which could run code; delete it" in done.stderr.splitlines()[-1]
    assert not mark.exists()
