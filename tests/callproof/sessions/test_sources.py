"""Records stream out of files, folders and globs, each with its place."""

import json
import tracemalloc
from pathlib import Path

import pytest

from callproof.errors import UserError
from callproof.sessions import read_records, read_sessions

ROWS = [{"n": number, "text": "é" * 50} for number in range(2000)]


def numbers(source: object) -> list[int]:
    return [found.value["n"] for found in read_records(str(source))]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_an_array_is_read_like_lines(tmp_path: Path, indent: int | None, mark: bytes) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(mark + f" {json.dumps(ROWS, indent=indent, ensure_ascii=False)}\n".encode())
    assert numbers(path) == list(range(2000))


def test_an_array_names_the_line_of_each_item(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text('[\n{"a":\n 1},\n\n{"a": 2}, {"a": 3}]')
    assert [found.where for found in read_records(str(path))] == [f"{path}:{line}" for line in (2, 5, 5)]


@pytest.mark.parametrize("form", ["lines", "array"])
def test_a_large_file_is_never_held_as_a_whole(tmp_path: Path, form: str) -> None:
    path = tmp_path / "large.json"
    rows = (json.dumps({"n": number, "text": "x" * 10_000}) for number in range(2000))
    path.write_text("\n".join(rows) if form == "lines" else f"[{', '.join(rows)}]")
    tracemalloc.start()
    assert sum(1 for _ in read_records(str(path))) == 2000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 10


def test_a_folder_is_its_json_files_in_order_without_hidden_ones(tmp_path: Path) -> None:
    for name, number in {"b.jsonl": 2, "a/z.json": 1, ".git/c.json": 9, "notes.txt": 9, "c.jsonl": 3}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"n": number}))
    assert numbers(tmp_path) == [1, 2, 3]
    assert [found.name for found in read_records(str(tmp_path))] == ["a/z.json:1", "b.jsonl:1", "c.jsonl:1"]


def test_a_glob_is_the_files_that_it_names(tmp_path: Path) -> None:
    for name, number in {"agent-1.jsonl": 1, "agent-2.jsonl": 2, "other.jsonl": 9}.items():
        (tmp_path / name).write_text(json.dumps({"n": number}))
    assert numbers(tmp_path / "agent-*.jsonl") == [1, 2]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "log[1].jsonl").write_text('{"n": 1}')
    assert numbers(tmp_path / "log[1].jsonl") == [1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"n": 1}', ":1: malformed JSON (expected , or ], got the end of the file)"),
        ('[{"n": 1} {"n": 2}]', ":1: malformed JSON (expected , or ], got {)"),
        ('[{"n": 1},\n{"n": }]', ":2: malformed JSON (Expecting value)"),
        ('[{"n": 1},]', ":1: malformed JSON (Expecting value)"),
        ('[{"n": 1}]\n[', ":2: malformed JSON (text after the array)"),
        ('[{"n": 1}, 2]', ":1: expected a JSON object, got int"),
        ("[[]]", ":1: expected a JSON object, got list"),
        ('[{"n": "no end', ":1: malformed JSON (Unterminated string"),
        ('[\n{"n": NaN}]', ":2: malformed JSON (NaN is no JSON)"),
        ("[]", ": is empty, holds no sessions"),
    ],
)
def test_a_malformed_array_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        list(read_records(str(path)))
    assert f"{path}{problem}" in str(caught.value)


def test_an_error_early_in_a_large_array_is_found_without_reading_on(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text('[{"a": 1 "b"}, ' + ", ".join(json.dumps({"n": "x" * 1000}) for _ in range(20_000)) + "]")
    tracemalloc.start()
    with pytest.raises(UserError, match="Expecting ',' delimiter"):
        list(read_records(str(path)))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_hugging_face_dataset_that_cannot_be_had_is_one_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(UserError, match="saved: cannot be read by callproof train convert") as caught:
        list(read_sessions("saved"))
    assert "\n" not in str(caught.value)


def test_a_saved_dataset_is_read_as_training_reads_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    from train.rows import hub_data

    rows = [{"input": "a", "response": "b", "context": ["c", "d"]}, {"input": "e", "response": "f", "context": None}]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    here = list(read_sessions(tmp_path / "saved"))
    assert here == list(read_sessions(tmp_path / "saved", hub_data.read_records))
    assert [where for where, _ in here] == [f"{tmp_path}/saved[0]", f"{tmp_path}/saved[1]"]
    assert here[0][1].messages[0].content == "c\n\nd\n\na"


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no \*.jsonl or \*.json file"):
        list(read_records(str(tmp_path)))
