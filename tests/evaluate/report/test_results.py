import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, Script
from report_runs import clumsy, gold, make_run, shy
from weather import Domain, right

from callproof.errors import UserError
from evaluate.cli import main
from evaluate.report import publish
from evaluate.report import report as reporting
from evaluate.report import results as publishing
from evaluate.runs import OutcomeLine, Run

pytest_plugins = ["weather_plugin"]

Rewrite = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def run(domain: Domain) -> Run:
    with FakeEndpoint(right) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r"]
        assert main([*words, "--limit-sessions", "2"]) == 0
    return Run(domain.runs / "r")


def rewrite(run: Run, change: Rewrite) -> None:
    rows = [change(json.loads(line)) for line in run.outcomes_path.read_text().splitlines()]
    run.outcomes_path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def lengthen(run: Run, path: Path, turns: int) -> Run:
    """The same run with many more outcomes, 2 kB of answer each."""
    row = json.loads(run.outcomes_path.read_text().splitlines()[0])
    row["answer"]["text"] = "long " * 400
    path.mkdir()
    for name in ("run.json", "turns.jsonl"):
        (path / name).write_text((run.path / name).read_text())
    with (path / "outcomes.jsonl").open("w") as file:
        for number in range(turns):
            row["turn_id"], row["session_id"] = f"turn-{number}", f"session-{number // 5}"
            file.write(json.dumps(row) + "\n")
    return Run(path)


def peak(run: Run) -> int:
    """Bytes that publishing takes at most."""
    tracemalloc.start()
    publish(run)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_answers_are_not_held_in_memory(run: Run, tmp_path: Path):
    few, many = (peak(lengthen(run, tmp_path / str(turns), turns)) for turns in (2_000, 8_000))
    assert (many - few) / 6_000 < 1_500  # bytes a turn: its numbers and its name


def test_the_report_of_a_long_run_shows_its_first_turns_and_the_metrics_count_all(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reporting, "MAX_TURNS", 1)
    reading = publishing._Reading(run, run.info())
    reading.read()
    tables = reading.explorer.tables()
    assert [turn["id"] for turn in tables["turns"]] == ["weather-000/1"]
    assert [[answer["outcome"] for answer in row] for row in tables["answers"]] == [["ok"]]
    assert publish(run).models["tiny"].turns == 4


def test_an_outcome_that_the_run_did_not_ask_for_is_told(run: Run):
    rewrite(run, lambda row: {**row, "model": "stranger"})
    with pytest.raises(UserError, match=r"outcomes\.jsonl: holds an outcome of stranger \(raw\), which run\.json does"):
        publish(run)


def test_both_channels_are_reported_with_the_rate_at_which_they_disagree(domain: Domain, capsys):
    function = {"name": "get_weather", "arguments": '{"city": "City1"}'}
    served = ({"id": "1", "type": "function", "function": function},)

    def answer(payload: dict[str, Any]) -> str | Script:
        """The server's parser gets City1 right, loses City0, and leaves thanks alone."""
        if payload["tool_choice"] == "none" or "City1" not in payload["messages"][-1]["content"]:
            return right(payload)
        return Script(tool_calls=served)

    with FakeEndpoint(answer) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r"]
        assert main([*words, "--limit-sessions", "2", "--channel", "both"]) == 0
    metrics = json.loads((domain.runs / "r" / "metrics.json").read_text())
    exact = {name: found["metrics"]["turn_exact"]["value"] for name, found in metrics["models"].items()}
    assert exact == {"tiny": 1.0, "tiny (served)": 0.75}
    assert (metrics["disagreement"]["tiny"]["value"], metrics["disagreement"]["tiny"]["n"]) == (0.25, 4)
    assert "tiny: the channels disagree on 25.0 [" in capsys.readouterr().out


def line(row: dict[str, Any]) -> OutcomeLine:
    return OutcomeLine(Path("outcomes.jsonl"), 1, json.dumps(row).encode())


def test_order_of_calls_and_malformed_attempts_are_no_disagreement(run: Run):
    one = {"name": "a", "arguments": {"x": 1, "y": 2}}
    pairs = [([one, {"name": "b", "arguments": {}}], [{"name": "b", "arguments": {}}, one])]
    pairs += [([{"reason": "bad_json", "text": "{"}], []), ([one], [{**one, "arguments": {"x": 1}}])]
    row = json.loads(run.outcomes_path.read_text().splitlines()[0])
    found = publishing.Disagreement()
    for number, calls in enumerate(pairs):
        for channel, of_channel in zip(("raw", "served"), calls, strict=True):
            found.add(line({**row, "turn_id": str(number), "channel": channel, "calls": of_channel}))
    assert found.rates()["tiny"].value == pytest.approx(1 / 3)


def test_what_one_channel_did_not_answer_is_not_compared(run: Run):
    row = json.loads(run.outcomes_path.read_text().splitlines()[0])
    found = publishing.Disagreement()
    for outcome in ("ok", "infra_error"):
        found.add(line({**row, "outcome": outcome, "calls": []}))
    assert found.rates() == {}


def test_metrics_are_equal_to_the_last_digit_in_whatever_order_outcomes_come(tmp_path: Path):
    run = make_run(tmp_path / "run", 40, {"clumsy": clumsy, "shy": shy, "gold": gold})
    metrics, lines = run.metrics_path.read_bytes(), run.outcomes_path.read_bytes().splitlines(keepends=True)
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        run.outcomes_path.write_bytes(b"".join(lines))
        publish(run)
        assert run.metrics_path.read_bytes() == metrics
