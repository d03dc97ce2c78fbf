"""A workplace with a base, adapters and configurations as the tests of `serve` need them; nothing is started."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve.start import of_config
from serve.start.adapter_sources import Source

TEMPLATE = (Path(__file__).resolve().parents[3] / "models/tiny/chat_template.jinja").read_text()
"""Calls as hermes has them."""

SETTINGS = {
    "peft_type": "LORA",
    "r": 12,
    "lora_alpha": 32,
    "target_modules": ["q_proj"],
    "bias": "none",
    "use_dora": False,
    "modules_to_save": None,
    "init_lora_weights": True,
    "base_model_name_or_path": "models/tiny",
}
TENSORS = ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "x.q_proj.lora_B.weight")


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the base models/tiny."""
    monkeypatch.chdir(tmp_path)
    Path("models/tiny").mkdir(parents=True)
    Path("models/tiny/config.json").write_text('{"model_type": "qwen3"}')
    Path("models/tiny/chat_template.jinja").write_text(TEMPLATE)
    return tmp_path


def safetensors(names: tuple[str, ...] = TENSORS) -> bytes:
    header = {name: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, name in enumerate(names)}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4 * len(names))


def write_config(name: str, **sections: Any) -> Source:
    path = Path(f"{name}.yaml")
    path.write_text(yaml.safe_dump({"name": name, "data": {"domain": "datasets/x"}, **sections}))
    return of_config(path)


def write_adapter(name: str, tensors: bytes | None = None, folder: Path | None = None, **settings: Any) -> Path:
    folder = folder or Path("outputs") / name / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({**SETTINGS, **settings}))
    (folder / "adapter_model.safetensors").write_bytes(safetensors() if tensors is None else tensors)
    return folder
