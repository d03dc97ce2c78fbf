"""Notations other than Hermes from end to end: 30 steps of training, real vLLM with the parser of the family."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from benchmarks.families import FAMILIES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

MADE_S = 1500
"""Two minutes on two quiet cores with bf16 products; a machine that others share took over ten."""
OPENINGS = {"gemma4": "<|tool_call>call:", "mistral": "[TOOL_CALLS] [{"}
"""Family -> what opens a call there, with a tag that the tokenizer marks special."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Family -> folder of the benchmark, which makes base and adapter and asks them; all at the same time."""
    folders = {name: tmp_path_factory.mktemp(name) for name in OPENINGS}
    single = {**os.environ, "OMP_NUM_THREADS": "1"}
    benchmark = (sys.executable, "-m", "benchmarks.families")
    running = {
        name: subprocess.Popen(
            [*benchmark, "--family", name, "--keep", str(folder)],
            cwd=ROOT, env=single, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name, folder in folders.items()
    }  # fmt: skip
    try:
        for name, process in running.items():
            line, log = process.communicate(timeout=MADE_S)
            assert line, log[-4000:]
            (folders[name] / "result.json").write_text(line, encoding="utf-8")
    finally:
        for process in running.values():
            process.kill()
    return folders


def result(runs: dict[str, Path], name: str) -> dict[str, Any]:
    return json.loads((runs[name] / "result.json").read_text(encoding="utf-8"))[0]


@pytest.mark.parametrize("name", OPENINGS)
def test_thirty_steps_teach_the_calls_in_the_notation_of_the_family(runs: dict[str, Path], name: str) -> None:
    measured = result(runs, name)
    assert (measured["format"], measured["steps"]) == (FAMILIES[name].format, 30)
    assert measured["tool_f1"] > 0.5
    assert measured["tool_f1"] > measured["base_f1"]


@pytest.mark.parametrize("name", OPENINGS)
def test_the_servers_parser_reads_what_is_read_here(runs: dict[str, Path], name: str) -> None:
    measured = result(runs, name)
    assert measured["answers"] > 40
    assert measured["agreement"] >= 0.99
    assert len(measured["malformed"]) <= 4
    lines = (runs[name] / f"{name}-run" / "outcomes.jsonl").read_text(encoding="utf-8").splitlines()
    outcomes = [outcome for outcome in map(json.loads, lines) if outcome["model"] == name]
    called = [outcome for outcome in outcomes if outcome["channel"] == "raw" and outcome["counts"]["parsed"]]
    assert len(called) > 20
    assert all(OPENINGS[name] in outcome["answer"]["text"] for outcome in called)
    assert any(outcome["channel"] == "served" and outcome["counts"]["parsed"] for outcome in outcomes)


@pytest.mark.parametrize("name", OPENINGS)
def test_every_prompt_of_the_server_is_that_of_the_training(runs: dict[str, Path], name: str) -> None:
    measured = result(runs, name)
    assert measured["turns"] > 40
    assert measured["parity"] == 1
