"""Hugging Face datasets hold the same records as files, and what Arrow would spoil is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import run_verb

from callproof.errors import UserError
from callproof.sessions import read_sessions
from train.rows.hub_data import read_records

datasets = pytest.importorskip("datasets")

TOOL = {"type": "function", "function": {"name": "find", "description": None, "parameters": {"type": "object"}}}
ROWS: list[dict[str, Any]] = [
    {
        "id": "a",
        "messages": [
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "tool_calls": [{"function": {"name": "find", "arguments": '{"x": null, "n": "42"}'}}],
            },
        ],
        "tools": json.dumps([TOOL]),
        "category": "test",
    },
    {"id": "b", "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hi."}]},
]


def saved(tmp_path: Path, rows: list[dict[str, Any]]) -> str:
    folder = tmp_path / "saved"
    datasets.Dataset.from_list(rows).save_to_disk(str(folder))
    return str(folder)


def test_a_saved_dataset_reads_as_the_same_records_in_a_file(tmp_path: Path, capsys) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    found = list(read_sessions(saved(tmp_path, ROWS), read_records))
    assert [session for _, session in found] == [session for _, session in read_sessions(path)]
    assert found[0][1].messages[1].tool_calls[0].arguments == {"x": None, "n": "42"}
    assert found[1][0] == f"{tmp_path / 'saved'}[1]"
    assert found[0][1].metadata == {"category": "test"}
    assert "saved: keys kept in metadata: category (1)" in capsys.readouterr().err


def test_json_columns_keep_tools_that_differ(tmp_path: Path) -> None:
    tools = [[TOOL], [{"type": "function", "function": {"name": "now", "description": "x", "parameters": {}}}]]
    features = datasets.Features({"input": datasets.Value("string"), "response": datasets.Value("string"),
                                  "tools": datasets.List(datasets.Json())})  # fmt: skip
    rows = {"input": ["a", "b"], "response": ["c", "d"], "tools": tools}
    folder = tmp_path / "saved"
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(folder))
    assert [session.record()["tools"] for _, session in read_sessions(str(folder), read_records)] == tools


def test_what_arrow_fills_into_structs_whose_keys_differ_is_taken_out(tmp_path: Path, capsys) -> None:
    rows = [{"id": str(number), "messages": [{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": [
                {"name": name, "arguments": {key: number}}]}],
             "tools": [{"name": name, "parameters": {"type": "object", "properties": {key: {"type": "integer"}}}}]}
            for number, (name, key) in enumerate([("f", "x"), ("g", "y")])]  # fmt: skip
    sessions = [session for _, session in read_sessions(saved(tmp_path, rows), read_records)]
    assert [session.messages[1].tool_calls[0].arguments for session in sessions] == [{"x": 0}, {"y": 1}]
    schemas = [tool.parameters for session in sessions for tool in session.tools.tools]
    assert [list(schema["properties"]) for schema in schemas] == [["x"], ["y"]]
    assert "null is taken for absent in messages.tool_calls.arguments, tools.parameters" in capsys.readouterr().err


def test_a_dataset_of_several_splits_names_them(tmp_path: Path) -> None:
    one = datasets.Dataset.from_list([{"input": "a", "response": "b"}])
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(str(tmp_path / "both"))
    with pytest.raises(UserError, match=r"holds several splits; name one: .*both/train, .*both/test"):
        list(read_records(str(tmp_path / "both")))
    assert len(list(read_records(str(tmp_path / "both" / "test")))) == 1


def test_a_dataset_that_cannot_be_had_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = ("train", "convert", "hf:nobody/nothing:test", "--out", tmp_path / "out.jsonl")
    error = run_verb(*words, code=2).stderr
    assert error.startswith("error: hf:nobody/nothing:test: cannot be loaded (")
    assert error.count("\n") == 1


def test_a_broken_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be loaded"):
        list(read_records(str(tmp_path)))


def test_convert_writes_a_dataset_as_lines_that_read_the_same(tmp_path: Path) -> None:
    source, out = saved(tmp_path, ROWS), tmp_path / "new" / "sessions.jsonl"
    done = run_verb("train", "convert", source, "--out", out)
    assert json.loads(done.stdout) == {"out": str(out), "sessions": 2}
    assert [s for _, s in read_sessions(out)] == [s for _, s in read_sessions(source, read_records)]


def test_convert_leaves_nothing_behind_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"input": "a", "response": "b"}\n{"input": 1}\n')
    error = run_verb("train", "convert", tmp_path / "bad.jsonl", "--out", tmp_path / "new" / "out.jsonl", code=2).stderr
    assert "bad.jsonl:2: a record of no known form" in error
    assert not (tmp_path / "new").exists()
