"""The verbs against one real vLLM, through their command lines."""

import json
from pathlib import Path

import pytest
from conftest import Deployment, run_verb
from transformers import PreTrainedTokenizerFast

from callproof.reward import CallReward

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def run(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of base and adapter over ten sessions."""
    out = tmp_path_factory.mktemp("runs")
    where = ("--endpoint", deployment.url, "--config", deployment.configs["car_sales"], "--out", out)
    models = ("--model", "tiny", "--model", "car_sales")
    run_verb("evaluate", *where, *models, "--limit-sessions", "10", "--run-id", "first")
    return out / "first"


def _metrics(run: Path, model: str) -> dict[str, dict[str, float]]:
    return json.loads((run / "metrics.json").read_text())["models"][model]["metrics"]


def test_the_adapter_beats_its_base_after_a_few_steps(run: Path) -> None:
    assert _metrics(run, "car_sales")["turn_exact"]["value"] > _metrics(run, "tiny")["turn_exact"]["value"]


def test_a_real_run_has_no_infrastructure_errors_and_every_turn_of_both_models(run: Path) -> None:
    outcomes = [json.loads(line) for line in (run / "outcomes.jsonl").read_text().splitlines()]
    turns = (run / "turns.jsonl").read_text().splitlines()
    assert len(outcomes) == 2 * len(turns)
    assert _metrics(run, "car_sales")["infra_error_rate"]["value"] == 0


def test_answers_come_raw_so_that_the_model_is_scored_and_not_the_servers_parser(run: Path) -> None:
    outcomes = [json.loads(line) for line in (run / "outcomes.jsonl").read_text().splitlines()]
    called = [outcome for outcome in outcomes if outcome["counts"]["parsed"]]
    assert called
    assert all("<tool_call>" in outcome["answer"]["text"] for outcome in called)


def test_the_reward_is_1_for_every_stored_answer_that_evaluate_calls_right_and_for_no_other(run: Path) -> None:
    turns = {json.loads(line)["turn_id"]: line for line in (run / "turns.jsonl").read_text().splitlines()}
    outcomes = [json.loads(line) for line in (run / "outcomes.jsonl").read_text().splitlines()]
    texts = [outcome["answer"]["text"] for outcome in outcomes]
    tokenizer = PreTrainedTokenizerFast.from_pretrained("models/tiny")
    ended = [[tokenizer.eos_token_id] * (outcome["answer"]["finish_reason"] == "stop") for outcome in outcomes]
    ids = [[*tokenizer.encode(text), *end] for text, end in zip(texts, ended, strict=True)]
    asked = [turns[outcome["turn_id"]] for outcome in outcomes]
    rewards = CallReward("hermes", tokenizer)(completions=texts, completion_ids=ids, turn=asked)
    assert [reward == 1 for reward in rewards] == [outcome["outcome"] == "ok" for outcome in outcomes]
    assert 0 < sum(reward == 1 for reward in rewards) < len(rewards)


def test_a_run_gated_against_itself_never_regresses(run: Path) -> None:
    choose = ("--baseline-model", "car_sales", "--candidate-model", "car_sales")
    run_verb("evaluate", "gate", run, run, *choose, code=4)


def test_bench_reports_latency_and_correct_calls(deployment: Deployment, tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    where = ("--endpoint", deployment.url, "--config", deployment.configs["car_sales"], "--model", "car_sales")
    run_verb("bench", *where, "--concurrency", "1,4", "--requests", "8", "--out", out)
    assert "ttft" in out.read_text()


def test_an_unknown_model_is_refused_with_the_names_that_are_served(deployment: Deployment) -> None:
    where = ("--endpoint", deployment.url, "--config", deployment.configs["car_sales"])
    error = run_verb("evaluate", *where, "--model", "car-sales", code=2).stderr
    assert "car-sales" in error
    assert "car_sales" in error
