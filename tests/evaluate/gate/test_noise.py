import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import ANSWERS, slips

from callproof.errors import UserError
from evaluate.cli import main
from evaluate.gate.gate_table import print_noise
from evaluate.gate.noise import read_noise

pytest_plugins = ["weather_plugin", "gate_plugin"]

Runs = Callable[..., Path]


@pytest.fixture
def repeated(run: Runs, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three runs of one model, which errs on other sessions each time."""
    folders = []
    for number, cities in enumerate([("City1", "City2"), ("City2", "City3", "City4"), ("City5",)]):
        monkeypatch.setitem(ANSWERS, "moody", slips(*cities))
        folders.append(run(f"aa-{number}", "moody"))
    return folders


def noise(*words: object) -> int:
    return main(["noise", *map(str, words)])


def gate(*words: object) -> int:
    return main(["gate", *map(str, words)])


def measured(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())["metrics"]


@pytest.mark.parametrize("value", ["NaN", "-0.5", "1e999", '"much"', None])
def test_noise_that_was_edited_is_refused_and_lets_no_margin_pass(run: Runs, value: str | None):
    one, other = run("one", "good"), run("other", "good")
    assert noise(one, other) == 0
    path = one / "noise.json"
    found = json.loads(path.read_text())
    found["metrics"]["turn_exact"]["noise"] = "a hole"
    if value is None:
        del found["metrics"]["turn_exact"]
    path.write_text(json.dumps(found).replace('"a hole"', str(value)))
    with pytest.raises(UserError, match=r"noise.json: metrics.*turn_exact"):
        gate(one, other)


def test_a_server_that_repeats_itself_has_no_noise(run: Runs, capsys: pytest.CaptureFixture[str]):
    one, other = run("one", "shaky"), run("other", "shaky")
    assert noise(one, other) == 0
    found = measured(one / "noise.json")
    assert found["turn_exact"] == {"noise": 0.0, "half_width": 0.0, "largest": 0.0}
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "noise": str(one / "noise.json"), "runs": 2, "turn_exact": 0.0,
    }  # fmt: skip
    assert gate(one, other, "--margin", "turn_exact=0.1", "--margin", "name_f1=0.1") == 0


def test_noise_is_at_least_the_largest_difference_and_what_sessions_vary_by(repeated: list[Path]):
    """Of 40 sessions of two turns each pair of runs differs in a turn of three or four; t at 97.5 % is 2.0227."""
    assert noise(*repeated) == 0
    found = measured(repeated[0] / "noise.json")["turn_exact"]
    assert found["largest"] == pytest.approx(2 / 80)
    changes = np.zeros((3, 40))
    changes[0, :3] = -1, 1, 1
    changes[1, :3] = -1, -1, 1
    changes[2, :4] = -1, -1, -1, 1
    errors = (changes.std(axis=1, ddof=1) / math.sqrt(40)) / 2
    assert found["half_width"] == pytest.approx(2.0227 * math.sqrt((errors**2).mean()), rel=2e-4)
    assert found["noise"] == found["half_width"] > found["largest"]
    assert measured(repeated[0] / "noise.json")["hallucination_rate"]["noise"] == 0.0


def test_noise_is_shown_of_what_is_defined_and_equal_margins_bear_it(
    repeated: list[Path], capsys: pytest.CaptureFixture[str]
):
    noise(*repeated)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "moody: 3 runs of 80 turns of 40 sessions; percentage points"
    assert "hallucination_rate 0.0 0.0 0.0" in lines
    found = read_noise(repeated[0] / "noise.json")
    width = found.metrics["turn_exact"]
    assert width.noise is not None
    row = next(line for line in lines if line.startswith("turn_exact")).split()
    assert row[1:] == [f"{100 * width.noise:.1f}", f"{100 * width.noise:.1f}", "2.5"]
    print_noise(found.model_copy(update={"model": "[bold]m[/bold] 7"}))
    assert capsys.readouterr().out.startswith("[bold]m[/bold] 7: 3 runs of 80 turns of 40 sessions;")
    assert found.above({"turn_exact": width.noise, "name_f1": None}, "noise.json") == []
    (told,) = found.above({"turn_exact": 0.99 * width.noise}, "noise.json")
    assert told.endswith("between runs of moody (noise.json); raise it, or ask more sessions")


def test_a_gate_refuses_margins_below_the_noise_of_its_baseline(repeated: list[Path]):
    noise(*repeated)
    assert gate(*repeated[:2], "--margin", "turn_exact=0.02") == 2
    result = json.loads((repeated[1] / "gate.json").read_text())
    assert (result["verdict"], result["checks"]) == ("refused", [])
    assert result["problems"][0].startswith("margin turn_exact=0.02: is below the noise of 0.0")
    assert gate(*repeated[:2], "--margin", "turn_exact=0.2", "--margin", "name_f1=0.2") == 0
    result = json.loads((repeated[1] / "gate.json").read_text())
    noises = {check["metric"]: check["noise"] for check in result["checks"]}
    assert noises["turn_exact"] == measured(repeated[0] / "noise.json")["turn_exact"]["noise"]


def test_bless_takes_the_noise_along(repeated: list[Path]):
    noise(*repeated)
    assert main(["bless", str(repeated[0]), "--as", "best"]) == 0
    assert gate("best", repeated[1], "--margin", "turn_exact=0.02") == 2
    assert main(["bless", str(repeated[1]), "--as", "best"]) == 0
    assert gate("best", repeated[1]) == 0


def test_noise_can_be_given_as_a_file(repeated: list[Path], tmp_path: Path):
    assert noise(*repeated, "--out", tmp_path / "n.json") == 0
    assert gate(*repeated[:2], "--margin", "turn_exact=0.2", "--margin", "name_f1=0.2") == 0
    assert gate(*repeated[:2], "--noise", tmp_path / "n.json", "--margin", "turn_exact=0.02") == 2


def test_noise_of_other_turns_is_refused(run: Runs, repeated: list[Path], tmp_path: Path):
    assert noise(*repeated, "--out", tmp_path / "n.json") == 0
    short = run("short", "good", words=("--limit-sessions", "35"))
    with pytest.raises(UserError, match=r"n\.json: was measured with another turns: .* measure it with runs like"):
        gate(short, short, "--noise", tmp_path / "n.json")
    (tmp_path / "n.json").write_text("{}")
    with pytest.raises(UserError, match=r"n\.json: model: Field required; write it with `callproof evaluate noise`"):
        gate(short, short, "--noise", tmp_path / "n.json")


def test_only_different_finished_runs_of_one_model_on_the_same_turns_make_noise(run: Runs):
    one, other = run("one", "good"), run("other", "bad")
    short = run("short", "good", words=("--limit-sessions", "35"))
    for sides, problem in (
        ((one,), "expected two or more different runs, got one"),
        ((one, one), "expected two or more different runs, got one, one"),
        ((one, other), "is of bad, not of good"),
        ((one, short), "in turns: "),
    ):
        with pytest.raises(UserError, match=problem):
            noise(*sides)
    path = other / "outcomes.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="is unfinished"):
        noise(one, other)
    assert not (one / "noise.json").exists()
