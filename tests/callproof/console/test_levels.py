"""`.env` reaches the libraries that read the environment, and `--log-level` says what is printed."""

import logging
import os
from pathlib import Path

import pytest
from programs import ROOT, run_program

from callproof.console.levels import set_level, take_dotenv

CONFIG = ROOT / "configs/car_sales.yaml"


def test_variables_of_the_libraries_are_taken_and_those_that_are_set_stay(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "environ", {"WANDB_PROJECT": "mine"})
    env = tmp_path / ".env"
    env.write_text("HF_TOKEN=hf_x\nexport HF_HOME='/cache'\nWANDB_PROJECT=theirs\nWANDB_API_KEY=disabled\nPATH=/bad\n")
    take_dotenv(env)
    assert os.environ == {
        "WANDB_PROJECT": "mine",
        "HF_TOKEN": "hf_x",
        "HF_HOME": "/cache",
        "WANDB_API_KEY": "disabled",
        "WANDB_MODE": "disabled",
    }


def test_the_hub_is_asked_with_the_token_and_the_cache_of_dotenv(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    (tmp_path / ".env").write_text(f"HF_TOKEN=hf_from_dotenv\nHF_HOME={tmp_path}/hub\n")
    (tmp_path / "seen.py").write_text(
        "def build_sessions(config):\n"
        "    from huggingface_hub import constants, get_token\n"
        "    raise ValueError(f'{get_token()} {constants.HF_HOME}')\n"
    )
    (tmp_path / "c.yaml").write_text("name: x\ndata: {domain: ., load_module: seen}\n")
    import subprocess
    import sys

    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(tmp_path)))
    command = [sys.executable, "-m", "train", "--config", "c.yaml", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert f"seen:3: ValueError: hf_from_dotenv {tmp_path}/hub" in done.stderr


@pytest.mark.parametrize(("level", "lines"), [("debug", 1), ("info", 0), ("WARNING", 0)])
def test_ignored_variables_are_named_at_level_debug(level: str, lines: int) -> None:
    words = ("train", "config", "--config", CONFIG, "--log-level", level)
    done = run_program(*words, LLM_TIMEOUT="30")
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["LLM_TIMEOUT: ignored: not LLM_<SECTION>__<KEY>"][:lines]


def test_lines_for_people_are_silent_above_info(capsys) -> None:
    from callproof.console import say

    try:
        set_level("error")
        say("not this")
        set_level(None)
        say("this")
    finally:
        logging.getLogger("callproof").setLevel("INFO")
    assert capsys.readouterr().err == "this\n"
