"""Every exit code of the gate through the command line, and what it has written by then."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from programs import run_program

from evaluate.cli import main

pytest_plugins = ["weather_plugin", "gate_plugin"]

ROOT = Path(__file__).parents[3]
FILES = ("--summary", "out/gate.md", "--junit", "out/gate.xml", "--json", "out/gate.json")
Runs = Callable[..., Path]


def command(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`callproof evaluate gate`, as a CI job runs it."""
    return run_program("evaluate", "gate", *words, cwd=Path.cwd(), **environment)


def equal(run: Runs) -> tuple[object, ...]:
    return run("one", "good"), run("other", "good")


def worse(run: Runs) -> tuple[object, ...]:
    return run("one", "good"), run("other", "bad")


def below_noise(run: Runs) -> tuple[object, ...]:
    one, other = equal(run)
    assert main(["noise", str(one), str(other)]) == 0
    path = one / "noise.json"
    noise = json.loads(path.read_text())
    noise["metrics"]["turn_exact"]["noise"] = 0.3
    path.write_text(json.dumps(noise))
    return one, other


def other_turns(run: Runs) -> tuple[object, ...]:
    return run("one", "good"), run("other", "good", words=("--limit-sessions", "35"))


def few_sessions(run: Runs) -> tuple[object, ...]:
    few = ("--limit-sessions", "10")
    return run("one", "good", words=few), run("other", "good", words=few)


def garbled(run: Runs) -> tuple[object, ...]:
    return run("one", "garbled"), run("other", "garbled")


@pytest.mark.parametrize(
    ("prepare", "code", "name", "failures", "errors"),
    [
        (equal, 0, "pass", 0, 0),
        (worse, 1, "regression", 3, 0),
        (below_noise, 2, "refused", 0, 1),
        (other_turns, 3, "invalid", 0, 1),
        (few_sessions, 4, "inconclusive", 5, 0),
        (garbled, 5, "floor", 2, 0),
    ],
)
def test_each_verdict_has_its_exit_code_and_all_its_files(
    run: Runs, tmp_path: Path, prepare: Callable[[Runs], tuple[object, ...]], code: int, name: str, failures: int,
    errors: int,
):  # fmt: skip
    done = command(*prepare(run), *FILES)
    assert (done.returncode, done.stderr) == (code, "")
    assert json.loads(done.stdout.splitlines()[-1]) == {"verdict": name, "exit_code": code, "gate": "out/gate.json"}
    result = json.loads((tmp_path / "out/gate.json").read_text())
    assert (result["verdict"], result["exit_code"]) == (name, code)
    assert (tmp_path / "out/gate.md").read_text().startswith(f"## Gate: {name.upper()}\n")
    suite = ElementTree.parse(tmp_path / "out/gate.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == (str(failures), str(errors))


def test_what_a_regression_writes(run: Runs, tmp_path: Path):
    done = command(*worse(run), *FILES)
    assert "right to wrong: 80 turns" in done.stdout
    summary = (tmp_path / "out/gate.md").read_text()
    # t at 95 % with 39 degrees of freedom is 1.6849; 1.6849 squared * ((4 - 40) / 44 + 2) / 40 sessions is 0.0839
    row = "| ✗ | `turn_exact` | 100.0 | 0.0 | -100.0 [-100.0, -91.6] | margin 10 | 80 of 80 differ, 40 sessions |"
    assert row in summary
    assert "| ✗ | `hallucination_rate` | 0.0 | 100.0 | -100.0 [-100.0, -91.6] | margin 10 | 40 of 40 differ" in summary
    assert "| `tool=get_weather` | 40 | 100.0 | 0.0 |" in summary
    suite = ElementTree.parse(tmp_path / "out/gate.xml").getroot()
    names = {(case.get("classname"), case.get("name")) for case in suite}
    assert {("gate.margin", "turn_exact"), ("gate.floor", "parse_rate"), ("slice", "tag=even")} <= names


def test_a_margin_below_the_noise_is_told_with_the_mend(run: Runs):
    told = " ".join(command(*below_noise(run)).stdout.split())  # lines are wrapped
    assert "margin turn_exact=0.1: is below the noise of 0.3000 between runs of good" in told
    assert "raise it, or ask more sessions" in told


@pytest.mark.parametrize("words", [("nowhere", "nothing"), ("one",), ("one", "other", "--margin", "turn_exact=2")])
def test_a_mistake_on_the_command_line_is_2_without_a_traceback(run: Runs, words: tuple[str, ...]):
    equal(run)
    done = command(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr.splitlines()[-1]


def test_a_result_that_cannot_be_written_is_2_and_no_pass(run: Runs, tmp_path: Path):
    (tmp_path / "file").write_text("")
    done = command(*equal(run), "--junit", "file/gate.xml")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "file" in done.stderr


def test_several_gates_add_to_the_summary_of_one_ci_job(run: Runs, tmp_path: Path):
    sides, path = equal(run), tmp_path / "step.md"
    path.write_text("Earlier.\n")
    for _ in range(2):
        assert command(*sides, "--summary", path, GITHUB_STEP_SUMMARY=str(path)).returncode == 0
    assert path.read_text().startswith("Earlier.\n## Gate: PASS")
    assert path.read_text().count("## Gate: PASS") == 2
    assert command(*sides, "--summary", path).returncode == 0
    assert path.read_text().count("## Gate: PASS") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_summary_that_cannot_be_written_names_the_file_and_the_reason(run: Runs) -> None:
    done = command(*equal(run), "--summary", "/dev/full")
    assert done.returncode == 2
    assert done.stderr == "error: /dev/full: cannot be written (No space left on device); choose another place\n"
