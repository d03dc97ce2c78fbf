"""A package that comes with an extra and is not installed: one line with the command that brings it."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT

RUN = "import sys; sys.modules.update(dict.fromkeys({!r})); from callproof.__main__ import run; run()"
HF = ["torch", "transformers", "trl", "peft", "datasets", "accelerate"]


def refusal(missing: list[str], words: list[str], cwd: Path = ROOT) -> str:
    command = [sys.executable, "-c", RUN.format(missing), *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (HF, ["train", "--config", "configs/car_sales.yaml", "train.output_dir=/tmp/callproof-nothing"]),
        (HF, ["train", "--config", "configs/car_sales.yaml", "--dry-run"]),
        (HF, ["train", "prepare", "--config", "configs/car_sales.yaml", "--out", "/tmp/callproof-nothing/rows"]),
        (["datasets"], ["train", "convert", "hf:someone/something", "--out", "/tmp/callproof-nothing/x.jsonl"]),
    ],
    ids=["train", "dry run", "prepare", "convert"],
)
def test_a_missing_extra_is_one_line_with_the_command_that_brings_it(missing: list[str], words: list[str]) -> None:
    line = refusal(missing, words)
    assert line.startswith("error: callproof train ")
    assert "needs the package " in line
    assert line.endswith("; pip install 'callproof[train]'")
    assert ("the folder datasets/ here is no such package" in line) == ("package datasets," in line)
