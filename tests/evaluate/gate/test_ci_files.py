"""The workflow and the commands of docs/explanation/gate.md are ones that the command line takes."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_endpoint import FakeEndpoint
from weather import Domain, right

from benchmarks.gate_power import BEGIN, END
from evaluate.cli import VERB, main

pytest_plugins = ["weather_plugin"]

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / ".github" / "workflows" / "adapter-gate.yml"
DOC = ROOT / "docs" / "explanation" / "gate.md"


def steps() -> list[dict[str, object]]:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]["gate"]["steps"]


def commands(text: str) -> list[list[str]]:
    """The words after `-m evaluate` of each command line in a text."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(words, comments=True) for words in re.findall(r"callproof evaluate (.*)", joined)]


@pytest.mark.parametrize("path", [WORKFLOW, DOC])
def test_every_command_is_one_that_the_command_line_takes(path: Path):
    found = commands(path.read_text())
    assert found
    for words in found:
        VERB.parser().parse_args(words if words[0] in VERB.commands else ["replay", *words])


def test_the_workflow_trains_serves_evaluates_gates_and_always_uploads_what_it_found():
    assert [step["name"] for step in steps() if "name" in step] == [
        "Set up", "Train", "Serve", "Evaluate", "Gate", "Upload the report",
    ]  # fmt: skip
    gate = next(step for step in steps() if step.get("name") == "Gate")
    assert '--summary "$GITHUB_STEP_SUMMARY"' in str(gate["run"])
    assert "--junit" in str(gate["run"])
    assert steps()[-1]["if"] == "always()"


def shell(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does."""
    (script,) = (str(step["run"]) for step in steps() if step.get("name") == name)
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=variables, capture_output=True, text=True)


def test_the_steps_evaluate_and_gate_do_what_they_say(domain: Domain, tmp_path: Path):
    (tmp_path / "configs").mkdir()
    domain.config.rename(tmp_path / "configs" / "weather.yaml")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    names = {"ADAPTER": "weather", "BASELINE": "ci/baselines/weather", "GITHUB_STEP_SUMMARY": "summary.md"}
    with FakeEndpoint(right, models=["weather"]) as fake:
        done = shell("Evaluate", tmp_path, ENDPOINT=fake.url, **names)
    assert done.returncode == 0, done.stderr
    done = shell("Gate", tmp_path, **names)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ci/baselines/weather: is no run and no baseline")
    (bless,) = [words for words in commands(WORKFLOW.read_text()) if words[0] == "bless"]
    assert main([word.replace("car_sales", "weather") for word in bless]) == 0
    done = shell("Gate", tmp_path, **names)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "summary.md").read_text().startswith("## Gate: PASS\n")
    assert (tmp_path / "runs/candidate/gate.xml").exists()
    assert '"blessed":{"name":"weather"' in (tmp_path / "runs/candidate/report.html").read_text()


def test_the_tables_of_the_doc_hold_what_the_gate_promises():
    table = DOC.read_text().partition(BEGIN)[2].partition(END)[0]
    assert table.count("Margin ") == 3
    (gate,) = [row.split("|")[2:6] for row in table.splitlines() if row.startswith("| the gate's |")]
    cells, above_7, above_10, worst = (float(cell.strip(" %")) for cell in gate)
    assert cells > 500
    assert above_7 <= 0.02 * cells
    assert (above_10, worst < 10) == (0, True)
    rejected = [
        float(cell.strip(" %"))
        for row in table.splitlines()
        if row.startswith(("| `turn_exact` |", "| `hallucination_rate` |"))
        for cell in row.split("|")[7:9]
    ]
    assert len(rejected) == 16
    assert max(rejected) <= 7
