"""The runs that are kept: their table, asking one again, and clearing old ones away."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint
from oracles import ANSWERS, outcomes_of
from weather import Domain, Refused

from callproof.errors import UserError
from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin", "gate_plugin"]
Runs = Callable[..., Path]


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert main(["runs", *words]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["runs"]


def began(path: Path, started: str) -> None:
    run = Run(path)
    run.write_info(run.info().model_copy(update={"started": started}))


def test_every_model_of_every_run_has_a_row_with_figures_verdict_and_blessed_names(run: Runs, capsys):
    one, other = run("one", "good", "bad"), run("other", "shaky")
    began(one, "2026-01-02T03:04:05+00:00")
    assert main(["bless", str(one), "--as", "best", "--model", "good"]) == 0
    assert main(["gate", "best", str(other)]) == 4
    rows = listed(capsys)
    assert [(row["run"], row["model"]) for row in rows] == [("other", "shaky"), ("one", "good"), ("one", "bad")]
    assert [row["figures"]["turn_exact"] for row in rows] == [pytest.approx(78 / 80), 1.0, 0.0]
    assert [(row["gate"], row["against"]) for row in rows[:2]] == [("inconclusive", "good of one"), (None, None)]
    assert [row["blessed"] for row in rows] == [[], ["best"], []]
    assert main(["runs"]) == 0
    table = capsys.readouterr().out
    assert "2026-01-02 03:04" in table
    assert "97.5" in table
    assert "inconclusive against good of one" in table
    assert "blessed as best" in table


def test_the_newest_or_those_of_one_configuration_are_listed(run: Runs, capsys):
    old = run("old", "good")
    began(old, "2026-01-02T03:04:05+00:00")
    run("new", "good")
    assert [row["run"] for row in listed(capsys, "--limit", "1")] == ["new"]
    assert main(["runs", "--limit", "1"]) == 0
    assert "1 older runs are not shown; --limit 2 shows all" in capsys.readouterr().err
    assert [row["run"] for row in listed(capsys, "--name", "weather")] == ["new", "old"]
    assert listed(capsys, "--name", "another") == []


def test_an_unfinished_run_and_one_that_cannot_be_read_are_told(run: Runs, capsys, refused: Refused):
    one, spoilt = Run(run("one", "good")), run("spoilt", "good")
    one.write_info(one.info().model_copy(update={"finished": None}))
    one.metrics_path.unlink()
    (spoilt / "run.json").write_text("{")
    assert main(["runs"]) == 0
    told = capsys.readouterr()
    assert "left out: runs/spoilt/run.json: " in told.err
    assert "unfinished" in told.out
    assert json.loads(told.out.splitlines()[-1])["runs"][0]["figures"] == {}
    assert "nowhere: is no folder; give the folder of runs with --runs" in refused("runs", "--runs", "nowhere")


def test_a_run_is_asked_again_with_its_settings_under_an_id_of_its_own(run: Runs, domain: Domain, capsys):
    first = Run(run("one", "shaky", words=("--limit-sessions", "5", "--channel", "served", "eval.max_tokens=99")))
    domain.config.unlink()
    with FakeEndpoint(lambda payload: ANSWERS[payload["model"]](payload), models=["shaky"]) as fake:
        assert main(["rerun", "one", "--endpoint", fake.url, "--run-id", "two"]) == 0
    again = Run(domain.runs / "two")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["runs"][0]["run"] == "runs/two"
    assert again.info().identity == first.info().identity
    assert again.info().config == first.info().config
    assert (again.info().turns, again.info().models) == (10, ("shaky",))
    assert [each.outcome for each in outcomes_of(again)] == [each.outcome for each in outcomes_of(first)]
    assert {request["max_tokens"] for request in fake.requests} == {99}


def test_what_has_changed_since_is_said_before_it_is_asked_again(run: Runs, domain: Domain, capsys):
    run("one", "good")
    domain.sessions.write_text("".join(domain.sessions.read_text().splitlines(keepends=True)[:30]))
    with FakeEndpoint(lambda payload: ANSWERS[payload["model"]](payload), models=["good"]) as fake:
        assert main(["rerun", "one", "--endpoint", fake.url, "--run-id", "two"]) == 0
    assert "warning: this is no mere repetition of runs/one: turns: " in capsys.readouterr().err


def test_a_run_that_was_never_asked_cannot_be_asked_again(run: Runs, refused: Refused):
    one = Run(run("one", "good"))
    one.write_info(one.info().model_copy(update={"config": None}))
    assert "run one: was scored from saved answers, not asked; score them again" in refused("rerun", "one")


def test_the_endpoints_of_a_run_are_asked_again_unless_others_are_given(run: Runs, refused: Refused):
    one = Run(run("one", "good"))
    one.write_info(one.info().model_copy(update={"endpoints": ("http://127.0.0.1:9",)}))
    assert "http://127.0.0.1:9" in refused("rerun", "one")
    assert not Path("runs/weather").exists()


@pytest.fixture
def old_runs(run: Runs, domain: Domain) -> Path:
    """Four runs, a year apart; `b` is blessed."""
    for year, name in enumerate("abcd"):
        began(run(name, "good", words=("--limit-sessions", "2")), f"202{year}-01-01T00:00:00+00:00")
    assert main(["bless", "b", "--as", "best"]) == 0
    return domain.runs


def pruned(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert main(["prune", *words]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["pruned"]


def names(runs: Path) -> list[str]:
    return sorted(path.name for path in runs.iterdir())


def test_prune_names_what_goes_and_keeps_the_newest_the_blessed_and_the_baselines(old_runs: Path, capsys):
    assert main(["prune", "--keep", "1", "--yes"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["runs/a", "runs/c"]
    assert "2020-01-01T00:00  weather: good, 4 turns, 0." in lines[0]
    assert json.loads(lines[-1])["pruned"] == ["a", "c"]
    assert "stays: b (blessed as best)" in told.err
    assert names(old_runs) == ["b", "baselines", "d"]
    assert pruned(capsys, "--keep", "1", "--yes") == []


def test_prune_asks_and_deletes_nothing_without_a_yes(old_runs: Path, capsys, monkeypatch):
    with pytest.raises(UserError, match="prune: 3 runs would go, and nobody can be asked; say --yes"):
        main(["prune", "--keep", "0"])

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, gone in (("\n", []), ("n\n", []), ("", []), ("y\n", ["a", "c", "d"])):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert pruned(capsys, "--keep", "0") == gone
    assert names(old_runs) == ["b", "baselines"]


def test_prune_takes_only_what_is_old_enough_and_of_the_configuration_that_is_named(old_runs: Path, capsys):
    began(old_runs / "d", Run(old_runs / "b").info().finished or "")
    assert pruned(capsys, "--keep", "0", "--name", "another", "--yes") == []
    assert pruned(capsys, "--keep", "0", "--older-than", "30", "--yes") == ["a", "c"]
    assert pruned(capsys, "--yes") == []
    assert names(old_runs) == ["b", "baselines", "d"]


def test_prune_leaves_all_that_is_no_run_of_the_folder(old_runs: Path, tmp_path: Path, capsys):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(old_runs / "a", elsewhere)
    (old_runs / "link").symlink_to(elsewhere)
    (old_runs / "a" / "data").symlink_to(tmp_path / "domains")
    (old_runs / "notes").mkdir()
    (old_runs / "bench.json").write_text("{}")
    assert main(["prune", "--keep", "0", "--yes"]) == 0
    assert "stays: link (a link to another place)" in capsys.readouterr().err
    assert names(old_runs) == ["b", "baselines", "bench.json", "link", "notes"]
    assert (elsewhere / "run.json").is_file()
    assert list((tmp_path / "domains").rglob("eval.jsonl"))


def test_prune_leaves_a_run_that_another_process_writes_to(old_runs: Path, capsys):
    with Run(old_runs / "a"):
        assert pruned(capsys, "--keep", "1", "--yes") == ["c"]
    assert (old_runs / "a" / "run.json").is_file()


def test_a_baseline_that_does_not_tell_its_run_stops_the_pruning(old_runs: Path, refused: Refused):
    (old_runs / "baselines" / "best" / "baseline.json").write_text("{}")
    assert "baselines/best/baseline.json: " in refused("prune", "--keep", "0", "--yes")
    assert names(old_runs) == ["a", "b", "baselines", "c", "d"]
