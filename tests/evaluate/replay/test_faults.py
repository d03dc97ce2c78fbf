"""A real HTTP server that fails in every way, by script: the run ends, nothing is lost, each turn is scored once."""

import json
import threading
from collections import Counter
from typing import Any

from fake_endpoint import FakeEndpoint, Script
from oracles import outcomes_of
from weather import Domain, right

from evaluate.cli import main
from evaluate.runs import Run, read_outcomes

pytest_plugins = ["weather_plugin"]

RETRIES = 2
PASSING = {
    "429": Script(status=429, headers={"Retry-After": "0.1"}),
    "500": Script(status=500, body=b"boom"),
    "hang": Script(hang=True),
    "reset": Script(drop=True),
    "half a body": Script("You are welcome.", drop_after=1),
    "garbage": Script(garbage=b"\x16\x03\x01 no HTTP at all\r\n\r\n"),
}
LASTING = {
    "HTML": Script(body=b"<html>busy</html>"),
    "wrong JSON": Script(body=b'{"error": null}'),
    "empty choices": Script(body=b'{"choices": []}'),
    "400": Script(status=400, body=b"too long"),
}
BAD_ANSWERS = {"malformed": Script("<tool_call>{"), "empty": Script("")}

ONCE = [f"once {name}" for name in PASSING]
ALWAYS = [f"always {name}" for name in PASSING]
RESENT = ("once reset", "always reset")
"""Where the connection was a kept one, each attempt is sent once more over a fresh one, without counting."""
PLAYS = [*ONCE, *ALWAYS, *LASTING, *BAD_ANSWERS]
"""What happens to the call turn of session 0, 1, 2, ...; the later sessions, and all other turns, go well."""


class Stage:
    """Plays the scripts; counts how often each turn is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.healed = False
        self._lock = threading.Lock()

    def __call__(self, payload: dict[str, Any]) -> Script:
        name = play_of(payload["messages"])
        with self._lock:
            self.asked[json.dumps(payload["messages"])] += 1
            first = self.asked[json.dumps(payload["messages"])] == 1
        if name is None:
            return Script(right(payload))
        if name in BAD_ANSWERS:
            return BAD_ANSWERS[name]
        if self.healed or (name in ONCE and not first):
            return Script(right(payload))
        return (PASSING | LASTING)[name.removeprefix("once ").removeprefix("always ")]


def play_of(messages: list[dict[str, Any]]) -> str | None:
    text = messages[-1]["content"]
    if not text.startswith("Weather"):
        return None
    number = int(text.rpartition("City")[2])
    return PLAYS[number] if number < len(PLAYS) else None


def attempts(name: str | None) -> int:
    return 2 if name in ONCE else 1 + RETRIES if name in ALWAYS else 1


def test_every_fault_is_tried_again_as_often_as_it_should_and_every_turn_is_scored_once(domain: Domain, capsys):
    words = ["--config", str(domain.config), "--model", "tiny", "--run-id", "r", "--retries", str(RETRIES)]
    words += ["--timeout", "2", "--concurrency", "40"]
    run, stage = Run(domain.runs / "r"), Stage()
    with FakeEndpoint(stage) as fake:
        assert main(["--endpoint", fake.url, *words]) == 3
        turns = list(run.turns())
        for turn in turns:
            play, asked = play_of(list(turn.messages)), stage.asked[json.dumps(turn.messages)]
            assert attempts(play) <= asked <= attempts(play) * (2 if play in RESENT else 1), play

        outcomes = {outcome.turn_id: outcome for outcome in read_outcomes(run.outcomes_path)}
        assert sum(1 for _ in read_outcomes(run.outcomes_path)) == len(outcomes) == 80
        expected = {"infra_error": len(ALWAYS) + len(LASTING), "parse_error": 1, "missed_call": 1}
        counts = Counter(outcome.outcome for outcome in outcomes.values())
        assert counts == {**expected, "ok": 80 - sum(expected.values())}
        told = {play_of(list(turn.messages)): outcomes[turn.turn_id].answer.error for turn in turns}
        assert told["always hang"] == "timed out"
        assert told["always 500"] == "HTTP 500: boom"
        assert told["empty choices"] == 'the answer has no choices: {"choices": []}'
        captured = capsys.readouterr()
        assert "unanswered; --resume asks them again" in captured.err
        plays = {turn.turn_id: play_of(list(turn.messages)) for turn in turns}
        asked = {turn_id: outcomes[turn_id].answer.requests for turn_id in plays}
        for turn_id, play in plays.items():
            assert asked[turn_id] in ({1, 2} if play == "once reset" else {attempts(play)}), play
        retried = json.loads(run.metrics_path.read_text())["models"]["tiny"]["retried"]
        assert retried == sum(count > 1 for count in asked.values())
        assert len(ONCE) + len(ALWAYS) - 1 <= retried <= len(ONCE) + len(ALWAYS)
        assert f"tiny: {retried} of 80 answers took more than one request" in captured.out

        stage.healed = True
        stage.asked.clear()
        assert main(["--endpoint", fake.url, *words, "--resume"]) == 0
    unanswered = {turn for turn, outcome in outcomes.items() if outcome.outcome == "infra_error"}
    assert stage.asked == {json.dumps(turn.messages): 1 for turn in turns if turn.turn_id in unanswered}
    assert Counter(o.outcome for o in outcomes_of(run)) == {"ok": 78, "parse_error": 1, "missed_call": 1}
