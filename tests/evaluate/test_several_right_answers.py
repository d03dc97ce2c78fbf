"""Sessions that accept more than what was recorded, from the file to the figures, through the command line."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Page, browser
from fake_endpoint import FakeEndpoint
from weather import TOOLS, Domain, call

from evaluate.cli import main
from evaluate.runs import Run, read_outcomes

pytest_plugins = ["weather_plugin"]

WEATHER = {"name": "get_weather", "arguments": {"city": "Bern", "days": 2}}
LOOSE = {"city": {"any_of": ["Berne"]}, "days": {"ignore": True}}
SESSIONS: dict[str, dict[str, Any]] = {
    "plain": {"tool_calls": [WEATHER]},
    "value": {"tool_calls": [{"function": WEATHER, "accept": LOOSE}]},
    "leave": {"tool_calls": [{"function": WEATHER, "accept": {"days": {"optional": True}}}]},
    "may": {"tool_calls": [WEATHER, {"name": "list_cities", "optional": True}]},
    "either": {"tool_calls": [WEATHER], "alternatives": [[{"name": "list_cities"}], []]},
    "none": {"content": "Which city?", "alternatives": [[{"name": "list_cities"}]]},
}
BERN, BERNE = call("get_weather", city="Bern", days=2), call("get_weather", city="Berne", days=7)
BARE, LIST = call("get_weather", city="Bern"), call("list_cities")
TEXT = "Which city?"
# model -> answer by session -> what it is worth
ANSWERS = {"recorded": [BERN, BERN, BERN, BERN, BERN, TEXT], "other": [BERNE, BERNE, BARE, BERN + LIST, LIST, LIST]}
WORTH = {
    "recorded": ["ok", "ok", "ok", "ok", "ok", "ok"],
    "other": ["wrong_args", "ok", "ok", "ok", "ok", "ok"],
    "silent": ["missed_call", "missed_call", "missed_call", "missed_call", "ok", "ok"],
}
TAKEN = {"recorded": {"either": 0, "none": 0}, "other": {"either": 1, "none": 1}, "silent": {"either": 2, "none": 0}}


def write(domain: Domain, sessions: dict[str, dict[str, Any]]) -> None:
    lines = [
        {"session_id": name, "messages": [{"role": "user", "content": name}, {"role": "assistant", **answer}]}
        for name, answer in sessions.items()
    ]
    domain.sessions.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def answered(payload: dict[str, Any]) -> str:
    place = list(SESSIONS).index(payload["messages"][-1]["content"])
    answers = ANSWERS.get(payload["model"])
    return answers[place] if answers else TEXT


@pytest.fixture
def replayed(domain: Domain) -> Run:
    write(domain, SESSIONS)
    with FakeEndpoint(answered, models=list(WORTH)) as fake:
        models = [word for model in WORTH for word in ("--model", model)]
        assert main(["--endpoint", fake.url, "--config", str(domain.config), *models, "--run-id", "r"]) == 0
        sent = json.dumps(fake.requests)
    assert not [key for key in ("accept", "alternatives", "any_of", "optional") if f'"{key}' in sent]
    return Run(domain.runs / "r")


def outcomes(path: Path) -> dict[str, list[tuple[str, int | None]]]:
    by_model: dict[str, dict[str, tuple[str, int | None]]] = {}
    for outcome in read_outcomes(path):
        by_model.setdefault(outcome.model, {})[outcome.session_id] = (outcome.outcome, outcome.alternative)
    return {model: [found[name] for name in SESSIONS] for model, found in by_model.items()}


def test_what_a_session_accepts_is_right_in_a_replay_and_the_output_says_what_was_taken(capsys, replayed: Run) -> None:
    expected = {
        model: [(label, TAKEN[model].get(name)) for name, label in zip(SESSIONS, labels, strict=True)]
        for model, labels in WORTH.items()
    }
    assert outcomes(replayed.outcomes_path) == expected
    said = capsys.readouterr().out
    assert "recorded: where several answers are right: the recorded one in 2 answers\n" in said
    assert "other: where several answers are right: alternative 1 in 2 answers\n" in said
    assert "silent: where several answers are right: the recorded one in 1 answers, alternative 2 in 1\n" in said
    silent = json.loads(replayed.metrics_path.read_text())["models"]["silent"]
    assert silent["alternatives"] == {"0": 1, "2": 1}
    assert (silent["metrics"]["turn_exact"]["value"], silent["metrics"]["false_abstention"]["n"]) == (2 / 6, 4)
    assert silent["metrics"]["hallucination_rate"]["n"] == 0


def test_saved_answers_are_judged_as_replayed_ones_are(replayed: Run, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    rows = [
        {"turn_id": f"{name}/1", "model": model, "text": ANSWERS.get(model, [TEXT] * 6)[place]}
        for model in WORTH
        for place, name in enumerate(SESSIONS)
    ]
    answers.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["score", "--turns", str(replayed.turns_path), "--answers", str(answers), "--out", str(tmp_path / "scored")]
    assert main(words) == 0
    assert outcomes(tmp_path / "scored" / "outcomes.jsonl") == outcomes(replayed.outcomes_path)
    assert Run(tmp_path / "scored").info().identity.turns == replayed.info().identity.turns


def test_another_acceptance_is_another_turn(replayed: Run, domain: Domain) -> None:
    for name, answer in {
        "value": {"tool_calls": [{"function": WEATHER, "accept": {"city": {"any_of": ["Bärn"]}}}]},
        "may": {"tool_calls": [WEATHER, {"name": "list_cities"}]},
        "either": {"tool_calls": [WEATHER], "alternatives": [[{"name": "list_cities"}]]},
    }.items():
        write(domain, {**SESSIONS, name: answer})
        with FakeEndpoint(answered, models=["recorded"]) as fake:
            words = ["--endpoint", fake.url, "--config", str(domain.config), "--model", "recorded", "--run-id", name]
            assert main(words) == 0
        assert Run(domain.runs / name).info().identity.turns != replayed.info().identity.turns


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an accepted value that the schema refuses": (
        {"tool_calls": [{"function": WEATHER, "accept": {"days": {"any_of": ["two"]}}}]},
        "message 1: call of 'get_weather' is rejected: days: 'two' is not of type 'integer'",
    ),
    "an argument that must be there": (
        {"tool_calls": [{"function": WEATHER, "accept": {"city": {"optional": True}}}]},
        "message 1: call of 'get_weather' is rejected: arguments: 'city' is a required property",
    ),
    "an argument that no tool has": (
        {"tool_calls": [{"function": WEATHER, "accept": {"cty": {"ignore": True}}}]},
        "message 1: call of 'get_weather' is rejected: cty: accepted, but the tool has no such argument",
    ),
    "an alternative of an unknown tool": (
        {"tool_calls": [WEATHER], "alternatives": [[], [{"name": "get_wether"}]]},
        "message 1, alternative 2: call of 'get_wether' is rejected: unknown tool 'get_wether'",
    ),
    "a misspelt key": (
        {"tool_calls": [WEATHER], "alternative": [[]]},
        "messages.1.alternative: unknown key; keys of role assistant: role, content, name, tool_calls, alternatives",
    ),
}


@pytest.mark.parametrize(("answer", "problem"), BAD.values(), ids=list(BAD))
def test_what_no_answer_can_be_is_refused_with_its_line(
    domain: Domain, refused: Callable[..., str], answer, problem
) -> None:
    write(domain, {"plain": SESSIONS["plain"], "bad": answer})
    line = refused("--endpoint", "http://127.0.0.1:9", "--config", domain.config, "--model", "m")
    assert f"{domain.sessions}:2: {problem}" in line


def test_the_alternatives_of_a_turns_file_are_linted_too(
    tmp_path: Path, refused: Callable[..., str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    turn = {
        "turn_id": "t", "session_id": "t", "position": 1, "messages": [], "tools": TOOLS, "gold": [WEATHER],
        "alternatives": [[{"name": "list_cities", "optional_call": True}, {"name": "get_weather"}]],
    }  # fmt: skip
    Path("turns.jsonl").write_text(json.dumps(turn))
    Path("answers.jsonl").write_text(json.dumps({"turn_id": "t", "text": BERN}))
    line = refused("score", "--turns", "turns.jsonl", "--answers", "answers.jsonl", "--out", "scored")
    assert (
        "turns.jsonl:1: gold of turn 't' breaks its own schema: alternative 1: get_weather: arguments: 'city'" in line
    )


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_report_shows_every_right_answer_and_which_one_was_given(replayed: Run, tmp_path: Path) -> None:
    async def look(page: Page) -> None:
        text = await page.run("document.body.innerText.toLowerCase()")
        assert "get_weather or list_cities or no call" in text
        assert "both are right" in text
        shown = await page.run("[...document.querySelectorAll('.gold .hint')].map((hint) => hint.textContent)")
        assert shown == ["or alternative 1", "or alternative 2", "no call"]
        shown = await page.run("[...document.querySelectorAll('.alternative')].map((hint) => hint.textContent)")
        assert shown == ["as the recorded answer", "as alternative 1", "as alternative 2"]

    async def go() -> None:
        async with browser(tmp_path / "profile") as page:
            await page.open(replayed.report_path, "#turn=either%2F1")
            await look(page)
            assert page.problems == []

    asyncio.run(go())
