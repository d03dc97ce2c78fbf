"""Records stream out of files, folders and globs, each with its place."""

import gzip
import importlib
import json
import tracemalloc
from pathlib import Path

import pytest

from callproof.errors import UserError
from callproof.sessions import read_records, read_sessions
from callproof.sessions.sources import read_raw

ROWS = [{"n": number, "text": "é" * 50} for number in range(2000)]


def records(source: object) -> list[dict]:
    """The records of a source; the first line that holds none is raised."""
    values = []
    for found in read_records(str(source)):
        if isinstance(found.value, UserError):
            raise found.value
        values.append(found.value)
    return values


def numbers(source: object) -> list[int]:
    return [record["n"] for record in records(source)]


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
        records(path)
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
    with pytest.raises(UserError, match=r"holds no file of records"):
        list(read_records(str(tmp_path)))


ONE, TWO = {"n": 1, "text": "é"}, {"n": 2, "text": "x"}


@pytest.mark.parametrize(
    "text",
    [
        "{}\n{}",
        "{}{}",
        "{} {}\n",
        '{{"data": [{}, {}]}}',
        '{{\n "rows": [\n{},\n{}\n],\n "version": 1\n}}\n',
    ],
)
def test_several_objects_in_a_file_are_several_records(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text.replace("{}", "%s").replace("{{", "{").replace("}}", "}") % (json.dumps(ONE), json.dumps(TWO)))
    assert numbers(path) == [1, 2]


def test_printed_objects_one_after_another_are_several_records(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("\n".join(json.dumps(value, indent=2) for value in (ONE, TWO)))
    assert [found.where for found in read_records(str(path))] == [f"{path}:1", f"{path}:5"]
    assert numbers(path) == [1, 2]


def test_records_on_one_line_have_names_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([ONE, TWO]))
    assert [(found.where, found.name) for found in read_records(str(path))] == [
        (f"{path}:1", "rows.json:1"),
        (f"{path}:1", "rows.json:1.1"),
    ]


def test_a_table_is_its_rows_and_an_empty_cell_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('input,context,response\n"a\nb",,c\nd,e,f\n', encoding="utf-8-sig")
    assert [(found.where, found.value) for found in read_records(str(path))] == [
        (f"{path}:2", {"input": "a\nb", "response": "c"}),
        (f"{path}:4", {"input": "d", "context": "e", "response": "f"}),
    ]


def test_a_row_of_another_length_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("a\tb\nc\n")
    with pytest.raises(UserError, match=r"rows.tsv:2: expected 2 cells, got 1"):
        records(path)


def test_parquet_is_read_and_what_arrow_filled_into_its_structs_is_not(tmp_path: Path, capsys) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    good, filled = tmp_path / "good.parquet", tmp_path / "filled.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([ONE, {**TWO, "when": None, "score": float("nan")}]), good)
    assert records(good)[0] == {"n": 1, "text": "é"}
    assert [found.where for found in read_records(str(good))] == [f"{good}:1", f"{good}:2"]
    assert "structs" not in capsys.readouterr().err
    calls = [
        {"calls": [{"name": "f", "id": None, "arguments": {"x": 1, "in": {"a": 1}}}]},
        {"calls": [{"name": "g", "id": "1", "arguments": {"y": [{"b": 2}, {"c": 3}], "in": {"d": 4}}}]},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(calls), filled)
    assert records(filled) == calls
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("null is taken for absent in calls.arguments: structs of Arrow cannot tell them apart")


@pytest.mark.parametrize("module", ["gzip", "bz2", "lzma"])
def test_a_packed_file_is_read_whatever_its_name(tmp_path: Path, module: str) -> None:
    path = tmp_path / "rows.log"
    path.write_bytes(importlib.import_module(module).compress(b'{"n": 1}\n{"n": 2}\n'))
    assert numbers(path) == [1, 2]


def test_a_packed_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"n": 1}\n' * 10_000)[:-20])
    with pytest.raises(UserError, match=r"rows.jsonl.gz: is cut off or damaged"):
        records(path)


def test_a_folder_of_mixed_files_is_read_and_what_is_not_is_said(tmp_path: Path, capsys) -> None:
    (tmp_path / "a.ndjson").write_text('{"n": 1}')
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(b'[{"n": 2}]'))
    (tmp_path / "c.csv").write_text("n\n3\n")
    (tmp_path / "notes.md").write_text("x")
    assert [str(record["n"]) for record in records(tmp_path)] == ["1", "2", "3"]
    assert capsys.readouterr().err == f"{tmp_path}: 1 file not read: notes.md\n"


def test_a_url_is_read_through_fsspec(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "rows.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    assert numbers(f"file://{tmp_path}/rows.jsonl") == [1, 2]
    assert numbers(f"file://{tmp_path}/*.jsonl") == [1, 2]
    with pytest.raises(UserError, match=r"none.jsonl: cannot be read"):
        records(f"file://{tmp_path}/none.jsonl")


def test_several_sources_are_read_in_turn_and_name_their_sessions_apart(tmp_path: Path) -> None:
    talk = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    sources = [str(tmp_path / name / "log.jsonl") for name in "ab"]
    for source in sources:
        Path(source).parent.mkdir()
        Path(source).write_text(json.dumps(talk))
    assert [(where, session.session_id) for where, session in read_sessions(sources)] == [
        (f"{source}:1", f"{source}:1") for source in sources
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "data": [{"n": 1}, {"n": 2}]}',
        '{"data": [{"n": 1}], "version": 1}\n{"data": [{"n": 2}]}\n',
        '{\n "version": 1,\n "data": [\n  {"n": 1}, {"n": 2}\n ]\n}\n',
        '{"data": [{"n": 1}, {"n": 2}], "version": 1}',
    ],
)
def test_the_other_keys_of_an_object_around_records_are_named(tmp_path: Path, text: str, capsys) -> None:
    path = tmp_path / "wrapped.json"
    path.write_text(text)
    assert numbers(path) == [1, 2]
    assert f"{path}: keys beside its records that are not read: version (1)" in capsys.readouterr().err


def test_rows_of_the_hub_s_viewer_are_records(tmp_path: Path, capsys) -> None:
    path = tmp_path / "rows.json"
    rows = [{"row_idx": n, "row": {"n": n}, "truncated_cells": []} for n in (1, 2)]
    path.write_text(json.dumps({"rows": rows, "num_rows_total": 2}))
    assert numbers(path) == [1, 2]
    said = "not read: row_idx (2), truncated_cells (2), num_rows_total (1)"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("held", [1, 7, 64, 10**6])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lines_keep_their_numbers_wherever_a_part_of_the_file_ends(
    tmp_path: Path, monkeypatch, held: int, mark: bytes
) -> None:
    monkeypatch.setattr("callproof.sessions.sources.json_text._HELD", held)
    path = tmp_path / "rows.jsonl"
    lines = [
        '{"n": 1}',
        "",
        '{"n": 2, "text": "\u2028 \x85 end no line"}',
        "  ",
        '{"n": 3}\r',
        "{",
        '{"n": 4}',
    ]
    path.write_bytes(mark + "\n".join(lines).encode())
    found = [(one.where.rpartition(":")[2], one.value) for one in read_records(str(path))]
    assert [where for where, _ in found] == ["1", "3", "5", "6", "7"]
    assert [value if isinstance(value, UserError) else value["n"] for _, value in found[:3]] == [1, 2, 3]
    assert isinstance(found[3][1], UserError)
    assert found[4][1] == {"n": 4}


def test_a_line_that_is_too_long_comes_behind_those_before_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("callproof.sessions.sources.json_text._HELD", 16)
    monkeypatch.setattr("callproof.sessions.sources.json_text.MAX_RECORD", 100)
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n{"n": 2}\n' + json.dumps({"n": "x" * 100}) + '\n{"n": 4}\n')
    found = read_records(str(path))
    assert [next(found).value, next(found).value] == [{"n": 1}, {"n": 2}]
    with pytest.raises(UserError, match=f"{path.name}:3.*more than 100 bytes"):
        next(found)


def test_a_file_that_became_shorter_while_it_was_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (part, *_) = read_raw(str(path))
    assert part.read()[0][1].record == ROWS[1]
    path.write_text(json.dumps(ROWS[0]) + "\n")
    with pytest.raises(UserError, match="became shorter"):
        part.read()
    path.unlink()
    with pytest.raises(UserError, match="cannot be read any more"):
        part.read()
