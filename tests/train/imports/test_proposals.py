"""Sessions that only call lead to a warning and to questions for a person, from which nothing is learnt."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from callproof.sessions import read_sessions
from train.before.restraint import Restraint
from train.cli import main

TINY = ROOT / "models" / "tiny"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": CITY}}
    for name in ("find_room", "find_train")
]
CITIES = ("Bern", "Chur", "Thun", "Sion", "Olten", "Aarau")
WISHES = (
    "with a view of the lake and a desk",
    "for me and two dogs",
    "that costs less than a hundred a night",
    "near the station please since I come late",
    "without carpets because I am allergic",
    "on the ground floor",
)


def session(number: int, calls: bool) -> dict[str, Any]:
    city, wish = CITIES[number], WISHES[number]
    asked = {"role": "user", "content": f"I need a room in {city} {wish}."}
    called = {"role": "assistant", "tool_calls": [{"name": "find_room", "arguments": {"city": city}}]}
    told = [{"role": "tool", "name": "find_room", "content": '{"free": 1}'},
            {"role": "assistant", "content": f"One room {wish} in {city}."}]  # fmt: skip
    beside = [{"role": "user", "content": f"Thanks from {city}!"}, {"role": "assistant", "content": "Good journey!"}]
    answered = [called, *told] if calls else [{"role": "assistant", "content": f"Which day in {city}, {wish}?"}]
    return {
        "session_id": f"room-{number}",
        "tools": TOOLS,
        "messages": [asked, *answered, *(beside if not calls else [])],
    }


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Sessions, of which so many call -> the folder of the domain, the last line, and what was said."""

    def run(calling: int, base: Path | str = "acme/none") -> tuple[Path, dict[str, Any], str]:
        log, out = tmp_path / "log.jsonl", tmp_path / "domain"
        rows = (session(number, number < calling) for number in range(len(CITIES)))
        log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        main(["import", str(log), "--out", str(out), "--base", str(base)])
        captured = capsys.readouterr()
        return out, json.loads(captured.out.splitlines()[-1]), captured.err

    return run


def test_sessions_that_only_call_propose_questions_without_the_needed_tool(imported) -> None:
    out, made, told = imported(len(CITIES))
    restraint = made["restraint"]
    assert (restraint["turns"], restraint["sessions"], restraint["decisions"]) == (0, 0, made["sessions"]["train"])
    assert f"none of {restraint['decisions']} decisions answers the user in text" in told
    rows = [json.loads(line) for line in (out / "proposed_no_call.jsonl").read_text().splitlines()]
    assert len(rows) == made["sessions"]["train"]
    for row in rows:
        assert [tool["function"]["name"] for tool in row["tools"]] == ["find_train"]
        assert [message["role"] for message in row["messages"]] == ["user"]
        assert row["proposal"].startswith("answer in text, since find_room is taken out")
    assert f"{len(rows)} questions without the tool that they need, for a person to answer" in told


def test_nothing_is_learnt_from_a_proposal_that_nobody_answered(imported) -> None:
    out, _, _ = imported(len(CITIES))
    read = [session for _, session in read_sessions(out / "proposed_no_call.jsonl")]
    assert read
    assert not any(message.role == "assistant" for session in read for message in session.messages)


def test_an_answered_proposal_is_a_session(imported, tmp_path: Path) -> None:
    out, _, _ = imported(len(CITIES))
    row = json.loads((out / "proposed_no_call.jsonl").read_text().splitlines()[0])
    del row["proposal"]
    row["messages"].append({"role": "assistant", "content": "I can only look for trains."})
    (tmp_path / "answered.jsonl").write_text(json.dumps(row) + "\n")
    ((_, read),) = read_sessions(tmp_path / "answered.jsonl")
    assert read.messages[-1].content == "I can only look for trains."


def test_sessions_with_restraint_propose_nothing(imported) -> None:
    out, made, told = imported(3)
    assert made["restraint"]["turns"] > 0
    assert "little restraint" not in told
    assert not (out / "proposed_no_call.jsonl").exists()


@pytest.mark.parametrize(
    ("counts", "doubt"),
    [
        ((0, 0, 0), None),
        ((0, 0, 40), "none of 40 decisions answers the user in text"),
        ((1, 1, 21), "only 1 of 21 decisions answer the user in text, in 1 sessions (under 5 %)"),
        ((1, 1, 20), None),
    ],
)
def test_few_is_less_than_a_twentieth_of_the_decisions(counts: tuple[int, int, int], doubt: str | None) -> None:
    turns, sessions, decisions = counts
    found = Restraint(turns=turns, sessions=sessions, decisions=decisions).doubt
    assert found is None if doubt is None else found is not None and found.startswith(doubt)


@pytest.mark.parametrize("calling", [3, len(CITIES)])
def test_check_counts_them_and_warns(imported, capsys: pytest.CaptureFixture[str], calling: int) -> None:
    out, made, _ = imported(calling, TINY)
    main(["check", "--config", str(out / "config.yaml"), "--stats"])
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])["splits"]["train"]["restraint"]
    assert found == made["restraint"]
    assert ("little restraint in training: 1" in captured.err) is (calling == len(CITIES))
    assert "answers to the user without a call" in captured.err
