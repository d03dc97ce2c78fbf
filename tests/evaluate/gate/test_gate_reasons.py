"""What the gate says where it cannot tell, where a metric is dropped, and where a floor alone is broken."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from callproof.errors import UserError
from evaluate.cli import main

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"x": {"type": "integer"}}}}}
Answered = Callable[..., Path]


def call(x: int) -> str:
    return f'<tool_call>{{"name": "f", "arguments": {{"x": {x}}}}}</tool_call>'


@pytest.fixture
def scored(tmp_path: Path) -> Answered:
    """Run id, number of sessions, and the answers to their turns, -> the scored run.

    `gold`: a letter a turn of each session (or of every one), `c` for a call and `n` for none; `answers` likewise,
    with `w` for a wrong argument and `!` for a malformed call; `odd`: session -> its own answers.
    """

    def score(name: str, sessions: int, gold: str | list[str], answers: str, odd: dict[int, str] | None = None) -> Path:
        texts = {"c": call(1), "n": "No.", "w": call(2), "!": "<tool_call>{</tool_call>"}
        turns, given = [], []
        for session in range(sessions):
            for position, letter in enumerate(gold if isinstance(gold, str) else gold[session]):
                turn_id = f"s{session}/{position}"
                turns.append({
                    "turn_id": turn_id, "session_id": f"s{session}", "position": position, "tools": [TOOL],
                    "messages": [{"role": "user", "content": turn_id}],
                    "gold": [{"name": "f", "arguments": {"x": 1}}] if letter == "c" else [],
                })  # fmt: skip
                given.append({"turn_id": turn_id, "text": texts[(odd or {}).get(session, answers)[position]]})
        for path, rows in ((tmp_path / "turns.jsonl", turns), (tmp_path / "answers.jsonl", given)):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        words = ["--turns", str(tmp_path / "turns.jsonl"), "--answers", str(tmp_path / "answers.jsonl")]
        assert main(["score", *words, "--out", str(tmp_path / name)]) == 0
        return tmp_path / name

    return score


def gate(*words: object) -> int:
    return main(["gate", *map(str, words)])


def checks(run: Path) -> dict[str, dict[str, Any]]:
    return {check["metric"]: check for check in json.loads((run / "gate.json").read_text())["checks"]}


def test_one_turn_in_forty_sessions_is_no_evidence(scored: Answered, capsys: pytest.CaptureFixture[str]):
    one, two = (scored(name, 40, "nc", "nc", {}) for name in ("one", "two"))
    assert gate(one, two) == 4
    found = checks(two)["hallucination_rate"]
    assert (found["status"], found["n"], found["turns"], found["sessions"]) == ("inconclusive", 40, 40, 40)
    assert (found["discordant"], found["discordant_sessions"]) == (0, 0)
    # t at 95 % with 39 degrees of freedom is 1.6849: squared and divided by 40 it is 0.07097
    assert (found["lower"], found["upper"]) == pytest.approx((-0.07097, 0.07097), rel=1e-3)
    assert (found["turns_needed"], found["sessions_needed"], found["margin_needed"]) == (138, 138, 0.071)
    out = " ".join(capsys.readouterr().out.split())
    assert "0 of 40 differ, 40 sessions" in out
    assert gate(one, two, "--margin", "hallucination_rate=0.08", "--margin", "turn_exact=0.08") == 4
    assert checks(two)["hallucination_rate"]["status"] == "pass"
    assert gate(one, two, *(f"--margin={name}=0.08" for name in ("hallucination_rate", "turn_exact", "name_f1"))) == 0


def test_the_sessions_that_carry_a_metric_are_counted_not_all(scored: Answered):
    gold = ["cn"] * 20 + ["cc"] * 40
    one, two = (scored(name, 60, gold, "cc", dict.fromkeys(range(20), "cn")) for name in ("one", "two"))
    assert gate(one, two, *(f"--margin={name}=0.5" for name in ("turn_exact", "name_f1", "hallucination_rate"))) == 4
    statuses = {name: (check["status"], check["sessions"]) for name, check in checks(two).items()}
    assert statuses["turn_exact"] == ("pass", 60)
    assert statuses["hallucination_rate"] == ("inconclusive", 20)
    found = checks(two)["hallucination_rate"]
    assert found["reason"].startswith("20 sessions carry it, too few to pass on (gate.min_sessions is 30)")
    assert (found["sessions_needed"], found["turns_needed"]) == (30, 30)


def test_turns_that_all_expect_a_call_can_pass(scored: Answered, capsys: pytest.CaptureFixture[str]):
    one, two = (scored(name, 150, "c", "c", {3: "w"}) for name in ("one", "two"))
    capsys.readouterr()
    assert gate(one, two, "--junit", two / "gate.xml") == 0
    line = "PASS: every check passes; not applicable to these turns: hallucination_rate"
    assert capsys.readouterr().out.splitlines()[0] == line
    assert checks(two)["hallucination_rate"]["status"] == "not applicable"
    suite = ElementTree.parse(two / "gate.xml").getroot()
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")


def test_turns_that_all_expect_no_call_can_pass(scored: Answered):
    one, two = (scored(name, 150, "n", "n") for name in ("one", "two"))
    assert gate(one, two) == 0
    statuses = {name: check["status"] for name, check in checks(two).items()}
    assert statuses == {
        "turn_exact": "pass", "hallucination_rate": "pass",
        "name_f1": "not applicable", "parse_rate": "not applicable", "schema_valid": "not applicable",
    }  # fmt: skip


def test_a_metric_that_the_candidate_has_lost_is_no_pass(scored: Answered):
    one, two = scored("one", 150, "c", "c"), scored("two", 150, "c", "n")
    assert gate(one, two, "--margin", "turn_exact=1", "--margin", "name_f1=1") == 4
    assert "the candidate has lost this metric" in checks(two)["parse_rate"]["reason"]


@pytest.mark.parametrize("way", ["null", "config"])
def test_a_margin_of_null_is_dropped_and_said(
    scored: Answered, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
):
    one, two = (scored(name, 150, "cn", "cn") for name in ("one", "two"))
    (tmp_path / "gate.yaml").write_text(
        "gate:\n  margins: {turn_exact: 0.02, name_f1: 0.02, hallucination_rate: null}\n"
    )
    words = ("--margin", "hallucination_rate=null") if way == "null" else ("--config", tmp_path / "gate.yaml")
    assert gate(one, two, *words, "--summary", tmp_path / "gate.md") == 0
    assert "hallucination_rate" not in checks(two)
    said = "hallucination_rate has no margin: the configuration drops it, so a worse one passes"
    assert said in capsys.readouterr().out
    assert said in (tmp_path / "gate.md").read_text().replace("\\", "")
    assert json.loads((two / "gate.json").read_text())["warnings"] == [said]


def test_a_file_that_holds_only_gate_is_enough_and_a_wrong_one_is_refused(scored: Answered, tmp_path: Path):
    one, two = (scored(name, 150, "c", "c") for name in ("one", "two"))
    path = tmp_path / "gate.yaml"
    path.write_text("gate:\n  margins: {turn_exact: 0.03}\n  floors: {parse_rate: null}\n")
    assert gate(one, two, "--config", path) == 0
    assert list(checks(two)) == ["turn_exact"]
    for text, problem in (
        ("gates: {}\n", r"unknown key 'gates'.*did you mean 'gate'"),
        ("gate: {margin: {}}\n", r"gate\.yaml:1: unknown key 'gate.margin'"),
        ("name: x\ngate: {}\n", "data: Field required"),
        ("gate: {margins: {turn_exact: 2}}\n", "less than or equal to 1"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=problem):
            gate(one, two, "--config", path)


def test_a_margin_of_0_on_runs_that_agree_is_told_for_what_it_is(scored: Answered, capsys: pytest.CaptureFixture[str]):
    one, two = (scored(name, 150, "c", "c") for name in ("one", "two"))
    assert gate(one, two, "--margin", "turn_exact=0") == 4
    found = checks(two)["turn_exact"]
    assert found["reason"].startswith("a margin of 0 asks for a proven gain")
    assert "a margin of null leaves the metric out" in found["reason"]
    assert (found["turns_needed"], found["margin_needed"]) == (None, 0.019)
    assert (
        "\n  turn_exact: a margin of 0 asks for a proven gain, which no number of turns without one can give; a margin "
        "of null leaves the metric out; these turns pass a margin of 1.9\n"
    ) in capsys.readouterr().out
    assert gate(one, two, "--margin", "turn_exact=null") == 0


def test_what_would_settle_a_check_is_one_line(scored: Answered, capsys: pytest.CaptureFixture[str]):
    """Without a difference, 2 points take 138 sessions; 40 sessions of 3 turns hold 120, so 414 turns would do."""
    one, two = (scored(name, 40, "ccc", "ccc") for name in ("one", "two"))
    assert gate(one, two) == 4
    assert (
        "\n  turn_exact: too few turns to tell; about 414 such turns in 138 sessions would settle it, or these turns "
        "pass a margin of 7.1\n"
    ) in capsys.readouterr().out


def test_one_session_tells_nothing(scored: Answered):
    one, two = scored("one", 1, "ccccc", "ccccc"), scored("two", 1, "ccccc", "ccccw")
    assert gate(one, two) == 4
    found = checks(two)["turn_exact"]
    assert (found["gain"], found["lower"], found["upper"]) == (pytest.approx(-0.2), -1.0, 1.0)


def test_a_floor_that_the_baseline_holds_is_told_with_its_value_and_a_regression_comes_first(
    scored: Answered, capsys: pytest.CaptureFixture[str]
):
    one, two = scored("one", 150, "cn", "cn"), scored("two", 150, "cn", "!n")
    words = [f"--margin={name}=1" for name in ("turn_exact", "name_f1", "hallucination_rate")]
    capsys.readouterr()
    assert gate(one, two, *words) == 5
    line = "FLOOR: parse_rate is 0.0, below its floor of 98; the baseline has 100.0"
    assert capsys.readouterr().out.splitlines()[0] == line
    assert gate(one, two) == 1
    line = "REGRESSION: turn_exact is 50.0 points worse than the baseline's, the margin is 2, and 1 more"
    assert capsys.readouterr().out.splitlines()[0] == line


def test_a_floor_that_is_met_exactly_holds_and_a_ceiling_too(scored: Answered, tmp_path: Path):
    odd = dict.fromkeys(range(10), "wn") | dict.fromkeys(range(10, 15), "cc")
    one = scored("one", 40, "cn", "cn", odd)
    path = tmp_path / "gate.yaml"
    exact = "{turn_exact: 0.8125, hallucination_rate: 0.125}"
    path.write_text(f"gate:\n  margins: {{}}\n  floors: {exact}\n")
    assert gate(one, one, "--config", path) == 0
    for floors in ("{turn_exact: 0.8126}", "{hallucination_rate: 0.1249}"):
        path.write_text(f"gate:\n  margins: {{}}\n  floors: {floors}\n")
        assert gate(one, one, "--config", path) == 5


def test_n_is_that_of_the_candidate(scored: Answered):
    odd = dict.fromkeys(range(10), "nn")
    one, two = scored("one", 40, "cn", "cn", odd), scored("two", 40, "cn", "cn")
    assert gate(one, two) == 4
    assert checks(two)["parse_rate"]["n"] == 40
    assert gate(two, one) == 1
    assert checks(one)["parse_rate"]["n"] == 30


def test_a_report_of_a_run_that_has_lost_lines_is_refused_unless_it_may_be_partial(
    scored: Answered, capsys: pytest.CaptureFixture[str]
):
    one = scored("one", 40, "cn", "cn")
    lines = (one / "outcomes.jsonl").read_text().splitlines(keepends=True)
    (one / "outcomes.jsonl").write_text("".join(lines[:70]))
    with pytest.raises(UserError, match=r"holds 70 of 80 answers of model, and the rest is lost; .*--partial"):
        main(["report", str(one)])
    assert main(["report", str(one), "--partial"]) == 0
    assert "the figures of model are those of 70 of 80 answers" in capsys.readouterr().err
    assert json.loads((one / "metrics.json").read_text())["models"]["model"]["turns"] == 70
