"""The workflow and the commands of docs/gate.md are ones that the command line takes."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from benchmarks.gate_power import BEGIN, END
from evaluate.cli import _parser

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "adapter-gate.yml"
DOC = ROOT / "docs" / "gate.md"


def steps() -> list[dict[str, object]]:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]["gate"]["steps"]


def commands(text: str) -> list[list[str]]:
    """The words after `-m evaluate` of each command line in a text."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(words, comments=True) for words in re.findall(r"python -m evaluate (.*)", joined)]


@pytest.mark.parametrize("path", [WORKFLOW, DOC])
def test_every_command_is_one_that_the_command_line_takes(path: Path):
    found = commands(path.read_text())
    assert found
    for words in found:
        _parser().parse_args(words if words[0] in ("gate", "bless", "noise") else ["replay", *words])


def test_the_workflow_trains_serves_evaluates_gates_and_always_uploads_what_it_found():
    assert [step["name"] for step in steps() if "name" in step] == [
        "Set up", "Train", "Serve", "Evaluate", "Gate", "Upload the report",
    ]  # fmt: skip
    gate = next(step for step in steps() if step.get("name") == "Gate")
    assert '--summary "$GITHUB_STEP_SUMMARY"' in str(gate["run"])
    assert "--junit" in str(gate["run"])
    assert steps()[-1]["if"] == "always()"


def test_the_tables_of_the_doc_are_there():
    table = DOC.read_text().partition(BEGIN)[2].partition(END)[0]
    assert table.count("Margin ") == 3
    cells = [cell for row in table.splitlines() if "`" in row for cell in row.split("|")[7:9]]
    rejected = [float(cell.strip(" %")) for cell in cells]
    assert len(rejected) == 16
    assert all(3 <= share <= 7 for share in rejected)
