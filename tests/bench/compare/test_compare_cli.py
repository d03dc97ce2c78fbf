"""`callproof bench compare` as a user calls it, over real HTTP and over saved files."""

import json
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from bench_program import bench, command, environment, workplace
from conftest import ROOT
from fake_endpoint import FakeEndpoint, Script
from saved_benches import save

from bench.cli import VERB
from benchmarks.compare_power import BEGIN, END, SCENARIOS

__all__ = ["workplace"]
DOC = ROOT / "docs/howto/bench-compare.md"


def by_model(payload: dict[str, Any]) -> Script:
    """A model of the name `slow` takes ten times as long, which no busy machine hides."""
    factor = 10 if payload["model"] == "slow" else 1
    return Script("a b c d", first_delay_s=0.02 * factor, chunk_delay_s=0.005 * factor)


LIVE = ("--config", "cars.yaml", "--concurrency", "2", "--blocks", "5", "--requests", "4")


def test_two_models_at_one_endpoint_run_in_turns_and_the_slow_one_fails_the_gate(workplace: Path) -> None:
    with FakeEndpoint(by_model, models=["quick", "slow"]) as fake:
        words = ["compare", "quick", "slow", "--endpoint", fake.url, *LIVE, "--out", "runs/c"]
        done = bench(workplace, *words, "--gate", "e2e_p50=1.10", "--junit", "j.xml", "--summary", "s.md")
        models = [payload["model"] for payload in fake.requests[2:]]
    assert done.returncode == 1, done.stderr
    brief = json.loads(done.stdout.splitlines()[-1])
    assert (brief["verdict"], brief["gate"], brief["exit_code"]) == ("slower", "regression", 1)
    assert brief["note"] == "functional, not performance"
    orders = [models[at] for at in range(0, 40, 4)]
    assert orders == ["quick", "slow", "slow", "quick", "quick", "slow", "slow", "quick", "quick", "slow"]
    saved = json.loads((workplace / "runs/c/compare.json").read_text())
    assert saved["interleaved"]
    assert [saved["baseline"]["model"], saved["candidate"]["model"]] == ["quick", "slow"]
    assert (workplace / "j.xml").read_text().count("<failure") == 1
    assert "REGRESSION" in (workplace / "s.md").read_text()
    again = bench(workplace, "compare", "runs/c/candidate.json", "runs/c/baseline.json", "--gate", "e2e_p50=1.10")
    assert again.returncode == 0
    assert json.loads(again.stdout.splitlines()[-1])["verdict"] == "faster"


def test_two_endpoints_of_different_versions_are_not_compared_unless_that_is_the_point(workplace: Path) -> None:
    script = Script("a b c", first_delay_s=0.01)
    with FakeEndpoint(script, models=["m"]) as one, FakeEndpoint(script, models=["m"], version="new") as two:
        words = ["compare", one.url, f"m@{two.url}", "--model", "m", *LIVE, "--out", "c"]
        assert bench(workplace, *words).returncode == 3
        assert bench(workplace, *words, "--vary", "versions").returncode == 0


def test_ctrl_c_saves_both_sides_as_partial_and_gives_no_verdict(workplace: Path) -> None:
    with FakeEndpoint(Script("x", first_delay_s=0.3), models=["a", "b"]) as fake:
        words = ["compare", "a", "b", "--endpoint", fake.url, *LIVE, "--out", "c"]
        process = subprocess.Popen(
            command(*words), cwd=workplace, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 60
        while len(fake.requests) < 8 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert all(json.loads((workplace / f"c/{name}.json").read_text())["partial"] for name in ("baseline", "candidate"))
    assert not (workplace / "c/compare.json").exists()
    assert bench(workplace, "compare", "c/baseline.json", "c/candidate.json").returncode in (2, 3)


def test_a_run_of_blocks_can_be_compared_with_another(workplace: Path) -> None:
    with FakeEndpoint(by_model, models=["quick", "slow"]) as fake:
        for model in ("quick", "slow"):
            words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", model, "--requests", "4"]
            done = bench(workplace, *words, "--concurrency", "2", "--blocks", "5", "--out", f"{model}.json")
            assert done.returncode == 0, done.stderr
    done = bench(workplace, "compare", "quick.json", "slow.json", "--gate", "overall=1.10")
    assert json.loads(done.stdout.splitlines()[-1])["verdict"] == "slower"
    assert done.returncode == 1
    assert (workplace / "slow.compare.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.json", "b.json", "--gate", "e2e=1.1"], "--gate e2e=1.1: names no metric; choose from: ttft_p50"),
        (["a.json", "b.json", "--gate", "e2e_p95=nan"], "--gate e2e_p95=nan: expected METRIC=X"),
        (["a.json", "b.json", "--gate", "e2e_p95=0"], "--gate e2e_p95=0: expected METRIC=X"),
        (["a.json", "b.json", "--gate", "e2e_p95=" + "9" * 400], "expected METRIC=X"),
        (["a.json", "none.json"], "none.json: cannot be read"),
        (["a.json", "tiny"], "one is a file and one is live; give two of the same kind"),
        (["m@a.json", "n@b.json"], "b.json: holds the models m, and n is asked for"),
        (["tiny", "cars"], "--config: is missing"),
        (["tiny", "cars", "--config", "cars.yaml", "--blocks", "4"], "--blocks 4: is less than 5"),
        (["tiny", "cars", "--config", "cars.yaml", "--requests", "0"], "--requests 0: is less than 1"),
        (["http://h", "cars", "--config", "cars.yaml"], "http://h: names no model; give --model"),
        (["a.json", "b.json", "--vary", "moon"], "invalid choice: 'moon'"),
        (["a.json", "b.json", "--junit", "cars.yaml/x"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words: list[str], message: str, workplace: Path) -> None:
    save(workplace / "a.json", seed=1)
    save(workplace / "b.json", seed=2)
    done = bench(workplace, "compare", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_command_of_the_doc_is_one_that_the_command_line_takes() -> None:
    commands = re.findall(r"^callproof bench (.*?)(?:#.*)?$", DOC.read_text(), re.MULTILINE)
    assert len(commands) == 3
    for words in commands:
        assert VERB.parser().parse_args(shlex.split(words)).command == "compare"


def test_the_table_of_the_doc_keeps_what_is_promised() -> None:
    lines = DOC.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if re.match(r"\| \d+ x ", line)]
    assert len(rows) == len(SCENARIOS)
    assert all(float(row[2]) <= 5 for row in rows)
    default = next(row for row in rows if row[:2] == ["6 x 100", "2%"])
    assert float(default[5]) >= 80
