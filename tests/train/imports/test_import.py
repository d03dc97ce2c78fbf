"""From a growing log to an adapter in three commands: a conversation is on one side, and nothing is learnt twice."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from callproof.errors import UserError
from callproof.sessions import read_sessions
from train.cli import main

TOOL = {
    "type": "function",
    "function": {
        "name": "find_room",
        "description": "Free rooms.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CITIES = ("Bern", "Chur", "Thun", "Sion", "Olten", "Aarau", "Zug", "Genf")
WISHES = ("with a view of the lake and a desk", "for me and two dogs", "that costs less than a hundred a night",
          "near the station please since I come late", "without carpets because I am allergic", "on the ground floor",
          "where smoking on the balcony is fine", "with breakfast and a place for my bicycle")  # fmt: skip
TINY = ROOT / "models" / "tiny"


def growing(number: int) -> list[dict[str, Any]]:
    """Two requests of one conversation: a call, then what the assistant says of its result."""
    city, wish = CITIES[number], WISHES[number]
    asked = {"role": "user", "content": f"I need a room in {city} {wish}."}
    call = {"id": "1", "type": "function", "function": {"name": "find_room", "arguments": json.dumps({"city": city})}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "1", "content": json.dumps({"free": number})}
    answer = {"role": "assistant", "content": f"There are {number} rooms {wish} in {city}."}
    talks = ([asked, called], [asked, called, result, answer])
    return [
        {"request": {"system": f"Now: 10:{minute:02}", "messages": talk[:-1], "tools": [TOOL]}, "response": talk[-1]}
        for minute, talk in enumerate(talks)
    ]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for number in range(len(CITIES)) for row in growing(number)))
    return path


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_three_commands_lead_from_a_growing_log_to_an_adapter(log, tmp_path, capsys, monkeypatch) -> None:
    out = tmp_path / "hotel"
    assert main(["import", str(log), "--out", str(out), "--base", str(TINY)]) == 0
    made = last_line(capsys)
    assert (made["lines"], made["conversations"], made["merged"], made["spoiled"]) == (16, 8, 8, [])
    assert sum(made["sessions"].values()) == 8
    assert sum(made["turns"].values()) == 16
    sides = [{s.messages[0].content for _, s in read_sessions(out / f"{side}.jsonl")} for side in ("train", "eval")]
    assert min(map(len, sides)) > 0
    assert not sides[0] & sides[1]
    monkeypatch.chdir(tmp_path)
    config = str(out / "config.yaml")
    assert main(["check", "--config", config, "--stats"]) == 0
    few = ["train.max_steps=2", "train.gradient_accumulation_steps=1", "train.save_steps=0", "lora.r=4"]
    assert main(["--config", config, f"train.output_dir={tmp_path / 'run'}", "train.bf16=false", *few]) == 0
    assert Path(last_line(capsys)["adapter"], "adapter_model.safetensors").is_file()


def test_what_sessions_have_in_common_is_written_once_and_differences_stay_with_them(tmp_path, capsys) -> None:
    other = {"type": "function", "function": {**TOOL["function"], "description": "New."}}
    rows = [growing(number)[1] for number in range(4)]
    for number, row in enumerate(rows):
        row["request"] |= {"system": "Be brief." if number else "Be polite.", "tools": [other if number == 3 else TOOL]}
    rows[2]["request"]["tools"] = None
    path, out = tmp_path / "log.jsonl", tmp_path / "hotel"
    path.write_text(
        "".join(f"{json.dumps(row)}\n" for row in rows) + '{"request": {"input": "x"}, "response": {}}\n{"a": 1}\n'
    )
    main(["import", str(path), "--out", str(out)])
    printed = capsys.readouterr()
    assert (out / "system_prompt.md").read_text() == "Be brief."
    assert json.loads((out / "tools.json").read_text()) == [other]
    assert f"tool 'find_room' has 2 definitions, first at {path}:1, {path}:4" in printed.err
    assert f"{path}:6: a record of no known form" in printed.err
    records = [json.loads(line) for side in ("train", "eval") for line in (out / f"{side}.jsonl").open()]
    by_city = {record["messages"][-1]["content"].split()[-1]: record for record in records}
    assert (by_city["Bern."]["system"], by_city["Bern."]["tools"]) == ("Be polite.", [TOOL])
    assert by_city["Thun."]["tools"] == []
    assert not {"system", "tools"} & set(by_city["Sion."])
    made = json.loads(printed.out.splitlines()[-1])
    assert (made["without_tools"], made["refused"]) == (1, 1)
    assert made["without_gold"] == {"no chat completion: the request has no messages": 1}
    written = yaml.safe_load((out / "config.yaml").read_text())
    assert written["model"]["base_model"] == "Qwen/Qwen3-4B-Instruct-2507"


def test_the_answers_of_a_log_and_the_turns_that_evaluation_asks_are_told_together() -> None:
    from callproof.sessions import Account
    from train.imports.common import Common
    from train.imports.domain import Made

    made = Made(Account(), Common(), turns={"train": 180, "eval": 54}, decisions=31)
    assert (
        "234 recorded answers: 180 to learn, 54 held out; evaluation asks 31 of these "
        "(replies to the user and calls; eval.turns=all: every one)"
    ) in made.sentences("log.jsonl")


def test_a_folder_that_holds_something_is_left_alone_without_force(log, tmp_path) -> None:
    (tmp_path / "hotel").mkdir()
    (tmp_path / "hotel" / "notes.txt").write_text("mine")
    words = ["import", str(log), "--out", str(tmp_path / "hotel")]
    with pytest.raises(UserError, match="exists and is not empty; give another --out, or --force"):
        main(words)
    assert main([*words, "--force"]) == 0
    assert (tmp_path / "hotel" / "notes.txt").read_text() == "mine"


def test_one_conversation_cannot_be_split_and_that_is_said(tmp_path, capsys) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in growing(0)))
    assert main(["import", str(path), "--out", str(tmp_path / "hotel")]) == 1
    made = last_line(capsys)
    assert made["sessions"] == {"train": 1, "eval": 0}
    assert "nearly alike" in made["spoiled"][0]


def test_check_finds_a_conversation_on_both_sides_where_one_goes_on(tmp_path, capsys) -> None:
    before, after = growing(0)
    domain = tmp_path / "hotel"
    domain.mkdir()
    for name, row in (("train", after), ("eval", before)):
        (domain / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    data = {"domain": str(domain), "train": "train.jsonl", "eval": "eval.jsonl"}
    config = {"name": "hotel", "data": data, "model": {"base_model": str(TINY)}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert main(["check", "--config", str(tmp_path / "c.yaml"), "--stats"]) == 1
    (leak,) = last_line(capsys)["leaks"]
    assert leak == {"session_id": "eval.jsonl:1", "like": "train.jsonl:1", "similarity": 1.0}


def test_eval_share_takes_whole_conversations_of_a_growing_log(log, tmp_path, capsys) -> None:
    data = {"domain": str(tmp_path), "train": str(log), "eval_share": 0.4}
    config = {"name": "hotel", "data": data, "model": {"base_model": str(TINY)}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert main(["check", "--config", str(tmp_path / "c.yaml"), "--stats"]) == 0
    report = last_line(capsys)
    assert sum(split["sessions"] for split in report["splits"].values()) == 8
    assert sum(split["turns"] for split in report["splits"].values()) == 16
    assert report["leaks"] == []
