"""Parity tells whether a server feeds the prompts of the training, and shows where it does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint, prompt_tokens
from weather import Domain, Refused

from callproof.config import load
from callproof.turns import Turn, TurnPrompt, eval_turns
from evaluate.cli import main
from evaluate.parity import diff_tokens, first_difference

pytest_plugins = ["weather_plugin"]

SESSIONS = 5
TURNS = 2 * SESSIONS


def shown(turn: Turn) -> dict[str, Any]:
    return {"messages": list(turn.messages), "tools": list(turn.tools or ())}


@pytest.fixture
def trained(make_domain: Callable[..., Domain]) -> Domain:
    """A domain of ten turns, with the prompts that a training over bytes of JSON has written."""
    domain = make_domain(sessions=SESSIONS)
    config = load(domain.config)
    turns = eval_turns(config)
    prompts = [TurnPrompt(turn_id=turn.turn_id, input_ids=tuple(prompt_tokens(shown(turn)))) for turn in turns]
    config.eval_prompts_path.parent.mkdir(parents=True)
    config.eval_prompts_path.write_text("".join(prompt.model_dump_json() + "\n" for prompt in prompts))
    return domain


def prompts_of(domain: Domain) -> Path:
    return load(domain.config).eval_prompts_path


def parity(domain: Domain, fake: FakeEndpoint, *more: object) -> int:
    return main([*map(str, ("parity", "--endpoint", fake.url, "--config", domain.config, "--model", "tiny", *more))])


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def without_a_bullet(payload: dict[str, Any]) -> dict[str, Any]:
    system, *others = payload["messages"]
    lines = system["content"].splitlines()
    kept = "\n".join(line for line in lines if line != "- Be kind.")
    return {"messages": [{**system, "content": kept}, *others], "tools": payload["tools"]}


def with_other_tools_first(payload: dict[str, Any]) -> dict[str, Any]:
    return {"messages": payload["messages"], "tools": payload["tools"][::-1]}


def test_a_server_that_feeds_the_same_tokens_passes(trained: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint() as fake:
        assert parity(trained, fake) == 0
    line = last_line(capsys)
    assert line == {"name": "weather", "turns": TURNS, "equal": TURNS, "first_difference": None}


@pytest.mark.parametrize("template", [without_a_bullet, with_other_tools_first, "without tools"])
def test_a_server_that_feeds_others_fails_on_every_turn(
    trained: Domain, capsys: pytest.CaptureFixture[str], tmp_path: Path, template: Any
) -> None:
    with FakeEndpoint(template=template) as fake:
        assert parity(trained, fake, "--out", tmp_path / "parity.json") == 1
    line = last_line(capsys)
    assert (line["equal"], line["turns"]) == (0, TURNS)
    written = json.loads((tmp_path / "parity.json").read_text())
    assert len(written["different"]) == TURNS
    assert written["server"]["version"] == "fake"
    assert written["server"]["catalog_in_prompt"] is (template != "without tools")
    assert line["first_difference"] == written["different"][0]["turn_id"] == "weather-000/1"


def test_one_turn_among_many_is_found_and_named(trained: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    def spoil_one(payload: dict[str, Any]) -> dict[str, Any]:
        spoilt = "City3" in payload["messages"][-1]["content"]
        return without_a_bullet(payload) if spoilt else {key: payload[key] for key in ("messages", "tools")}

    with FakeEndpoint(template=spoil_one) as fake:
        assert parity(trained, fake) == 1
    line = last_line(capsys)
    assert (line["equal"], line["first_difference"]) == (TURNS - 1, "weather-003/1")


def test_the_diff_shows_what_the_server_left_out(trained: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint(template=without_a_bullet) as fake:
        assert parity(trained, fake) == 1
    lines = capsys.readouterr().out.splitlines()
    missing = [line for line in lines if line.startswith("  - ")]
    ids = bytes(int(line.split()[2]) for line in missing).decode()
    assert "kind." in ids
    assert sorted(ids) == sorted("- Be kind.\\n"), "one bullet, from wherever its neighbour begins alike"
    assert all(line.split()[-1].startswith('"') for line in missing), "each token has its text"


def test_a_token_that_the_server_did_not_feed_is_asked_for_its_text(
    trained: Domain, capsys: pytest.CaptureFixture[str]
) -> None:
    line, *others = prompts_of(trained).read_text().splitlines()
    spoilt = json.loads(line)
    spoilt["input_ids"][20] = ord("~")
    prompts_of(trained).write_text("\n".join([json.dumps(spoilt), *others]))
    with FakeEndpoint() as fake:
        assert parity(trained, fake) == 1
    assert any(line.startswith("  - ") and '"~"' in line for line in capsys.readouterr().out.splitlines())


def test_a_server_without_tokenize_cannot_be_asked(trained: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint(template=None) as fake:
        assert parity(trained, fake) == 3
    captured = capsys.readouterr()
    assert "/tokenize: HTTP 404" in captured.err
    assert captured.out == ""
    assert (fake.requests, fake.probes) == ([], []), "no model is asked for an answer"


def test_no_server_cannot_be_asked(trained: Domain, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeEndpoint() as gone:
        pass
    assert parity(trained, gone) == 3
    assert "no endpoint answers" in capsys.readouterr().err


@pytest.mark.parametrize("answered", [{"tokens": []}, {"tokens": "abc"}, {"tokens": [1.5]}, {"count": 3}, [1, 2]])
def test_an_answer_without_tokens_is_no_parity(
    trained: Domain, capsys: pytest.CaptureFixture[str], answered: object
) -> None:
    with FakeEndpoint(tokenized=json.dumps(answered).encode()) as fake:
        assert parity(trained, fake) == 3
    assert "/tokenize" in capsys.readouterr().err


def test_a_model_that_is_not_served_is_named(trained: Domain, refused: Refused) -> None:
    with FakeEndpoint(models=["other"]) as fake:
        error = refused("parity", "--endpoint", fake.url, "--config", trained.config)
    assert "--model weather" in error
    assert "other" in error


def test_without_the_prompts_of_a_training_both_ways_to_them_are_told(trained: Domain, refused: Refused) -> None:
    prompts_of(trained).unlink()
    error = refused("parity", "--config", trained.config)
    assert f"callproof train --config {trained.config}" in error
    assert f"callproof train prompts --config {trained.config}" in error


def test_prompts_that_lack_a_turn_are_refused_with_its_id(trained: Domain, refused: Refused) -> None:
    lines = prompts_of(trained).read_text().splitlines()
    prompts_of(trained).write_text("\n".join(lines[:3] + lines[4:]))
    assert f"lacks 1 of the {TURNS} eval turns, the first is 'weather-001/5'" in refused(
        "parity", "--config", trained.config
    )


@pytest.mark.parametrize("line", ['{"turn_id": "a"}', '{"turn_id": "a", "input_ids": ["x"]}', "[1]", '{"turn_id": '])
def test_a_malformed_line_of_prompts_is_named(trained: Domain, refused: Refused, line: str) -> None:
    prompts_of(trained).write_text(line + "\n")
    assert f"{prompts_of(trained)}:1: " in refused("parity", "--config", trained.config)


def test_requests_in_flight_are_bounded(trained: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_EVAL__CONCURRENCY", "2")
    with FakeEndpoint(tokenize_delay_s=0.02) as fake:
        assert parity(trained, fake) == 0
        assert fake.most_tokenizing == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "first", "marks"),
    [
        ((1, 2, 3), (1, 9, 3), 1, [("both", 1), ("training", 2), ("server", 9), ("both", 3)]),
        ((1, 2), (1, 2, 3), 2, [("both", 1), ("both", 2), ("server", 3)]),
        ((1, 2, 3), (2, 3), 0, [("training", 1), ("both", 2), ("both", 3)]),
        ((), (7,), 0, [("server", 7)]),
    ],
)
def test_a_diff_holds_what_each_side_has(ours: Any, theirs: Any, first: int, marks: list[tuple[str, int]]) -> None:
    assert first_difference(ours, theirs) == first
    assert [(each.side, each.token) for each in diff_tokens(ours, theirs)] == marks


def test_every_token_of_a_diff_has_its_place_in_its_own_prompt() -> None:
    """Training has 5 6, the server 9 in their place; what follows is shifted by one."""
    ours, theirs = (1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 9, 7, 8)
    rows = [(token.side, token.position, token.token) for token in diff_tokens(ours, theirs)]
    assert [row for row in rows if row[0] == "training"] == [("training", 4, 5), ("training", 5, 6)]
    assert [row for row in rows if row[0] == "server"] == [("server", 4, 9)]
    shared = [(position, token) for side, position, token in rows if side == "both"]
    assert shared[-2:] == [(6, 7), (7, 8)]
    assert all(ours[position] == token for position, token in shared)
