"""Failing turns in the terminal, and two runs side by side."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from report_runs import clumsy, gold, make_run, shy

from callproof.scoring import Answer, judge
from callproof.turns import Turn, catalog_of, read_turns
from evaluate.cli import main
from evaluate.gate.sides import flips, read_side
from evaluate.runs import OutcomeLog, outcome_line, write_turns

pytest_plugins = ["weather_plugin"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """`one`: clumsy and shy over 12 sessions; `two`: shy over 9; two turns a session."""
    make_run(tmp_path / "one", 12, {"clumsy": clumsy, "shy": shy})
    make_run(tmp_path / "two", 9, {"shy": shy})
    return tmp_path


def shown(runs: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], str]:
    """Ids of the turns, and what was printed."""
    capsys.readouterr()
    assert main(["show", *words, "--runs", str(runs)]) == 0
    told = capsys.readouterr()
    return json.loads(told.out.splitlines()[-1])["turns"], told.out + told.err


def test_failing_turns_are_shown_with_conversation_gold_answer_and_reason(runs: Path, capsys):
    turns, text = shown(runs, capsys, "one", "--model", "clumsy", "--limit", "3")
    assert len(turns) == 16  # both turns of the 8 sessions whose number is no multiple of 3
    assert "16 of 24 turns fit; --limit 16 shows all" in text
    first = text.split("\n\n")[0].splitlines()
    assert first == [
        "weather-001/1  [odd]",
        "  user       Weather in City1",
        '  expected   get_weather {"city": "City1"}',
        "  clumsy     wrong_args",
        '             get_weather: city: expected "City1", got "Nowhere"',
        '    called   get_weather {"city": "Nowhere"}',
    ]
    assert "malformed (invalid_json): <tool_call>{" in text
    assert text.count("  user ") == 3


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--model", "shy"], 8),
        ([], 18),  # 16 of clumsy, and of shy the calls of the sessions 4 to 11, of which 6 and 9 are new
        (["--outcome", "any"], 24),
        (["--outcome", "any", "--model", "shy"], 24),
        (["--outcome", "missed_call"], 8),
        (["--tool", "get_weather"], 10),
        (["--tool", "no-call"], 8),
        (["--tag", "odd", "--model", "shy"], 4),
        (["--text", "CITY7"], 2),
        (["--text", "thanks", "--model", "clumsy", "--outcome", "hallucinated_call"], 4),
        (["--differ"], 12),
        (["--differ", "--model", "shy"], 2),
    ],
)
def test_the_filters_are_those_of_the_report(runs: Path, capsys, words: list[str], count: int):
    turns, _ = shown(runs, capsys, "one", *words)
    assert len(turns) == count


def test_one_turn_is_shown_whole_by_its_id_and_a_wrong_id_names_near_ones(runs: Path, capsys, refused):
    turns, text = shown(runs, capsys, "one", "weather-003/1", "--whole")
    assert turns == ["weather-003/1"]
    assert "  tools      get_weather, list_cities\n  system     Tell the weather.\n" in text
    assert text.count('    called   get_weather {"city": "City3"}') == 2
    assert "turns fit" not in text
    error = refused("show", "one", "weather-003/2", "--runs", runs)
    assert "weather-003/2: is no turn of this run; did you mean weather-0" in error
    assert "--outcome wrong: is no outcome; choose one of: any, not-ok, infra_error" in refused(
        "show", "one", "--outcome", "wrong", "--runs", runs
    )
    assert "--model tiny: is not in run one; choose one of: clumsy, shy" in refused(
        "show", "one", "--model", "tiny", "--runs", runs
    )


def test_thinking_is_counted_and_shown_only_with_the_whole_and_nothing_reaches_the_terminal(tmp_path: Path, capsys):
    evil = "\x1b]0;owned\x07\u202e" + "x" * 1000
    run = make_run(tmp_path / "one", 1, {"good": gold})
    run.outcomes_path.unlink()
    with OutcomeLog(run.outcomes_path) as log:
        for turn in run.turns():
            log.append(outcome_line(judge(turn, Answer(text=evil, thinking=evil), "good", catalog_of(turn))))
    text = shown(tmp_path, capsys, "one")[1]
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "    thinking 1,011 characters (--whole shows them)" in text
    assert "... (1,011 characters; --whole shows all)" in text
    assert "x" * 1000 in shown(tmp_path, capsys, "one", "--whole")[1]


def difference(runs: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[dict[str, Any], str]:
    """What `diff --json` wrote, and what was printed."""
    capsys.readouterr()
    assert main(["diff", *words, "--runs", str(runs), "--json", str(runs / "diff.json")]) == 0
    return json.loads((runs / "diff.json").read_text()), capsys.readouterr().out


def test_two_runs_of_other_models_and_turns_are_compared_on_their_common_turns(runs: Path, capsys):
    found, text = difference(runs, capsys, "one", "two", "--baseline-model", "clumsy")
    # of 18 common turns clumsy has 6 right (sessions 0, 3, 6), shy 13 (all of 4 sessions, then 5 abstentions)
    assert (found["turns"], found["sessions"]) == (18, 9)
    assert found["left_out"] == {"asked by the first run only": 6}
    assert found["metrics"]["clumsy"]["turn_exact"]["value"] == pytest.approx(6 / 18)
    assert found["metrics"]["shy"]["turn_exact"]["value"] == pytest.approx(13 / 18)
    change = found["differences"]["turn_exact"]
    assert change["value"] == pytest.approx(7 / 18)
    assert (change["n"], change["discordant"], change["clusters"], change["unpaired"]) == (18, 9, 9, 0)
    assert [flip["turn_id"] for flip in found["broken"]] == ["weather-006/1"]
    assert len(found["mended"]) == 8
    assert f"shy ({runs}/two) against clumsy ({runs}/one): turn_exact +38.9 points [" in text
    assert "18 common turns of 9 sessions; 1 went from right to wrong, 8 from wrong to right" in text
    assert "left out: 6 asked by the first run only" in text
    assert "weather-006/1: ok -> missed_call" in text


def test_the_limits_and_flips_are_those_of_the_gate_where_that_can_compare(tmp_path: Path, capsys):
    one, two = (make_run(tmp_path / name, 40, {"m": answer}) for name, answer in (("one", clumsy), ("two", gold)))
    found, _ = difference(tmp_path, capsys, "one", "two")
    assert main(["gate", str(one.path), str(two.path)]) == 0
    checks = json.loads(two.gate_path.read_text())["checks"]
    (exact,) = (check for check in checks if check["metric"] == "turn_exact")
    change = found["differences"]["turn_exact"]
    assert (change["lower_one_sided"], change["upper_one_sided"]) == (exact["lower"], exact["upper"])
    sides = [read_side(run, run.info(), "m", "raw") for run in (one, two)]
    assert [[flip["turn_id"] for flip in found[kind]] for kind in ("broken", "mended")] == [
        [flip.turn_id for flip in kind] for kind in flips(*sides)
    ]


def test_turns_that_ask_something_else_under_one_id_are_left_out_and_other_prompts_are_told(tmp_path: Path, capsys):
    make_run(tmp_path / "one", 4, {"m": gold})
    two = make_run(tmp_path / "two", 4, {"m": gold}, server_version="2")
    turns = list(read_turns(two.turns_path))
    turns[0] = changed(turns[0], messages=({"role": "user", "content": "Weather in Rome"},))
    turns[4] = changed(turns[4], gold=())
    turns[2] = changed(turns[2], messages=({"role": "system", "content": "Be kind."}, *turns[2].messages[1:]))
    turns[3] = changed(turns[3], tools=turns[3].tools and turns[3].tools[:1])
    write_turns(two.turns_path, turns)
    found, text = difference(tmp_path, capsys, "one", "two")
    assert found["left_out"] == {"with another conversation or other gold under one id": 2}
    assert found["turns"] == 6
    assert found["notes"] == [
        "server: None against 2",
        "the system prompts differ in 1 of 6 common turns",
        "the catalogs differ in 1 of 6 common turns",
    ]
    assert "differs: server: None against 2" in text


def changed(turn: Turn, **fields: Any) -> Turn:
    return turn.model_copy(update=fields)


def test_an_unfinished_run_is_compared_in_what_it_answered(tmp_path: Path, capsys):
    make_run(tmp_path / "one", 4, {"m": gold})
    two = make_run(tmp_path / "two", 4, {"m": gold})
    two.write_info(two.info().model_copy(update={"finished": None}))
    two.outcomes_path.write_text("".join(two.outcomes_path.read_text().splitlines(keepends=True)[:5]))
    found, _ = difference(tmp_path, capsys, "one", "two")
    assert (found["turns"], found["left_out"]) == (5, {"answered by one side only": 3})
    assert found["notes"] == [f"{two.path} is unfinished"]
    assert found["metrics"]["one"]["turn_exact"]["n"] == 5


def test_the_report_of_a_difference_holds_both_answers_and_the_flips(runs: Path, capsys):
    difference(runs, capsys, "one", "two", "--baseline-model", "clumsy")
    page = (runs / "two" / "diff-one.html").read_text()
    data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
    assert list(data["summary"]["models"]) == ["clumsy", "shy"]
    assert data["summary"]["baseline_model"] == "clumsy"
    assert len(data["turns"]) == 18
    assert all(len(answers) == 2 and None not in answers for answers in data["answers"])
    assert data["run"]["run_id"] == "two against one"


def test_a_blessed_run_can_be_shown_and_compared(runs: Path, capsys):
    assert main(["bless", "one", "--as", "best", "--model", "shy", "--runs", str(runs)]) == 0
    assert shown(runs, capsys, "best", "--model", "shy")[0] == shown(runs, capsys, "one", "--model", "shy")[0]
    found, _ = difference(runs, capsys, "best", "two")
    assert (found["baseline"]["model"], found["differences"]["turn_exact"]["value"]) == ("shy", 0.0)


def test_what_cannot_be_compared_is_one_line(runs: Path, refused):
    make_run(runs / "other", 2, {"m": gold})
    for path in (runs / "other").glob("*.jsonl"):
        path.write_text(path.read_text().replace("weather-", "other-"))
    options = ("--runs", runs)
    assert "has no turn in common with" in refused("diff", "two", "other", *options)
    assert "is held against itself (shy); give another run, or other models" in refused("diff", "two", "two", *options)
    assert "several models (clumsy, shy); choose one with --baseline-model" in refused("diff", "one", "two", *options)
    (runs / "two" / "turns.jsonl").unlink()
    assert "two: holds no turns.jsonl; compare the run that it was copied from" in refused(
        "diff", "one", "two", "--baseline-model", "shy", *options
    )


def test_two_models_of_one_run_can_be_compared(runs: Path, capsys):
    words = ("one", "one", "--baseline-model", "clumsy", "--candidate-model", "shy")
    found, _ = difference(runs, capsys, *words)
    assert found["differences"]["turn_exact"]["value"] == pytest.approx((16 - 8) / 24)
