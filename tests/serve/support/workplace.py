"""A workplace with a base, adapters and configurations as the tests of `serve` need them; nothing is started."""

from pathlib import Path
from typing import Any

import adapter_files
import pytest
import yaml

from serve.start import of_config
from serve.start.adapter_sources import Source

TEMPLATE = (Path(__file__).resolve().parents[3] / "models/tiny/chat_template.jinja").read_text()
"""Calls as hermes has them."""

SETTINGS = {"r": 12, "lora_alpha": 32, "use_dora": False, "modules_to_save": None, "init_lora_weights": True}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the base models/tiny."""
    monkeypatch.chdir(tmp_path)
    Path("models/tiny").mkdir(parents=True)
    Path("models/tiny/config.json").write_text('{"model_type": "qwen3"}')
    Path("models/tiny/chat_template.jinja").write_text(TEMPLATE)
    return tmp_path


def write_config(name: str, **sections: Any) -> Source:
    path = Path(f"{name}.yaml")
    path.write_text(yaml.safe_dump({"name": name, "data": {"domain": "datasets/x"}, **sections}))
    return of_config(path)


def write_adapter(name: str, tensors: bytes | None = None, folder: Path | None = None, **settings: Any) -> Path:
    folder = folder or Path("outputs") / name / "adapter"
    return adapter_files.write_adapter(folder, tensors, **{**SETTINGS, **settings})
