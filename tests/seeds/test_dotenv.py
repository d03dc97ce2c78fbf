"""`.env.example` names variables that are read."""

from pathlib import Path

import pytest
from dotenv import dotenv_values
from programs import ROOT

from callproof.config import RunConfig, resolve
from callproof.console.levels import take_dotenv

CONFIG = "name: demo\ndata: {train: x.jsonl}\n"


def test_the_example_names_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert lines[0].startswith("# Copy to .env")
    told = "\n".join(line.removeprefix("# ").split("   ")[0] for line in lines[1:]).replace("HF_TOKEN=", "HF_TOKEN=x")
    Path(".env").write_text(f"{told}\n")
    Path("c.yaml").write_text(CONFIG)
    values = dotenv_values(".env")
    for name in values:
        monkeypatch.delenv(name, raising=False)
    resolved = resolve(RunConfig, Path("c.yaml"))
    set_here = {source.split()[0] for source in resolved.sources.values() if source.startswith(".env")}
    assert (resolved.config.model.base_model, resolved.config.train.learning_rate) == (values["MODEL_ID"], 1e-4)
    assert len(set_here) == 2
    import os

    before = dict(os.environ)
    monkeypatch.setattr(os, "environ", dict(before))
    take_dotenv()
    taken = {name for name in values if os.environ.get(name) == values[name]}
    assert taken == {name for name in values if name.startswith(("HF_", "WANDB_"))}
