import json
from pathlib import Path

import pandas as pd
import pytest
from fake_endpoint import FakeEndpoint
from weather import Domain, right, wrong

from callproof.errors import UserError
from evaluate import load_run
from evaluate.cli import main

pytest_plugins = ["weather_plugin"]


@pytest.fixture
def run(domain: Domain) -> Path:
    """Two models, three sessions of two turns; one model is always right, the other never."""
    answers = {"good": right, "bad": wrong}
    with FakeEndpoint(lambda payload: answers[payload["model"]](payload), models=list(answers)) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--run-id", "r", "--limit-sessions", "3"]
        assert main([*words, "--model", "good", "--model", "bad"]) == 0
    return domain.runs / "r"


def test_a_run_is_one_table_with_a_row_a_turn_and_model(run: Path):
    table = load_run(run)
    assert len(table) == 12
    assert table.groupby("model").exact.mean().to_dict() == {"good": 1.0, "bad": 0.0}
    assert set(table.groupby("model").turn_id.nunique()) == {6}
    weather = table[(table.model == "good") & (table.turn_id == "weather-001/1")].iloc[0]
    assert (weather.session_id, weather.position, weather.tools, weather.tags) == (
        "weather-001", 1, ["get_weather"], ["odd"],
    )  # fmt: skip
    assert json.loads(weather.calls) == json.loads(weather.gold)
    assert weather.n_exact_matches == 1
    assert weather.prompt_tokens == 10
    assert weather.latency_s > 0


def test_figures_of_the_table_are_those_of_the_metrics(run: Path):
    table = load_run(run)
    metrics = json.loads((run / "metrics.json").read_text())["models"]
    for model, found in table.groupby("model"):
        rate = found.n_attempted_no_call_turn.sum() / found.n_answered_no_call_turn.sum()
        assert rate == metrics[model]["metrics"]["hallucination_rate"]["value"]


def test_a_parquet_file_holds_the_same_table(run: Path, tmp_path: Path):
    pytest.importorskip("pyarrow")
    table = load_run(run)
    table.to_parquet(tmp_path / "outcomes.parquet")
    for path in (tmp_path, tmp_path / "outcomes.parquet"):
        pd.testing.assert_frame_equal(load_run(path), table)


def test_an_unanswered_turn_has_gaps_and_no_made_up_values(run: Path):
    path = run / "outcomes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["answer"] = {"error": "gone"}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    row = load_run(path).iloc[0]
    assert row.error == "gone"
    assert row[["finish_reason", "latency_s", "prompt_tokens"]].isna().all()


def test_what_is_no_run_is_told_in_one_line(run: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"nowhere: holds no outcomes\.jsonl or outcomes\.parquet"):
        load_run(tmp_path / "nowhere")
    (run / "outcomes.jsonl").write_text("")
    with pytest.raises(UserError, match="holds no outcomes"):
        load_run(run)
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        load_run(tmp_path / "bad.parquet")
