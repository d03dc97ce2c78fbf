"""Digests that several processes read are those that one process reads, with the same words for people."""

import json
from pathlib import Path
from typing import Any

import pytest

from callproof.errors import UserError
from callproof.sessions import Session, read_digests, read_sessions

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def bare(_: str, session: Session, *__: Any) -> Session:
    """All but the catalog, whose compiled schemas no process can give another."""
    return session.model_copy(update={"tools": None})


def record(number: int) -> dict[str, Any]:
    said = f"question {number} " * 40
    return {"id": f"s{number}", "messages": [{"role": "user", "content": said}, {"role": "assistant", "content": "a"}],
            "tools": [TOOL]}  # fmt: skip


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in records))
    return path


def answered(source: Path, capfd) -> tuple[Any, str]:
    """What reading gives, or its error, in one process and in several; both must be one and the same."""
    both: list[Any] = []
    for read in (lambda: read_sessions(source), lambda: read_digests(source, bare)):
        try:
            both.append([(where, session.model_dump(exclude={"tools"})) for where, session in read()])
        except UserError as error:
            both.append(str(error))
    assert both[0] == both[1]
    return both[0], capfd.readouterr().err


@pytest.mark.parametrize("count", [3, 2500])
def test_sessions_come_in_order_with_their_places(tmp_path, capfd, count: int) -> None:
    read, said = answered(written(tmp_path / "a.jsonl", list(map(record, range(count)))), capfd)
    assert [session["session_id"] for _, session in read] == [f"s{number}" for number in range(count)]
    assert read[-1][0].endswith(f"a.jsonl:{count}")
    assert said.count("read as: OpenAI messages") == 1


def test_mistakes_of_all_processes_are_named_with_the_first_places(tmp_path, capfd) -> None:
    records: list[Any] = list(map(record, range(2500)))
    for number in (7, 1200, 1201, 2400):
        records[number] = {**records[number], "messages": [{"role": "bogus", "content": "x"}]}
    records[2000] = "{broken"
    read, _ = answered(written(tmp_path / "a.jsonl", records), capfd)
    assert "4 times" in read
    assert all(f"a.jsonl:{number + 1}" in read for number in (7, 1200, 1201, 2000))


def test_growing_histories_are_one_session_wherever_their_lines_were_read(tmp_path, capfd) -> None:
    whole_talk = [
        {"role": role, "content": f"{role} {turn} " * 30} for turn in range(40) for role in ("user", "assistant")
    ]
    histories = [{"messages": whole_talk[: 2 * turn]} for turn in range(1, 41)]
    read, said = answered(written(tmp_path / "log.jsonl", [*histories, *map(record, range(2000)), *histories]), capfd)
    assert len(read) == 2001
    assert "79 are in others" in said


def test_what_stands_beside_records_and_tools_that_cannot_be_used_are_said_once(tmp_path, capfd) -> None:
    bad = {"type": "function", "function": {"name": "g", "parameters": {"type": "nothing"}}}
    records = [{"data": [{**record(number), "tools": [bad]}], "page": number} for number in range(1500)]
    _, said = answered(written(tmp_path / "a.jsonl", records), capfd)
    assert said.count("page (1500)") == 1
    assert said.count("calls of tool 'g' are not checked") == 1
    assert "a.jsonl:1: tools:" in said


def test_an_id_that_occurs_again_is_refused_with_its_first_place(tmp_path, capfd) -> None:
    records = [{**record(number), "session_id": f"s{number % 2400}"} for number in range(2500)]
    read, _ = answered(written(tmp_path / "a.jsonl", records), capfd)
    assert "a.jsonl:2401" in read
    assert "is already at" in read
    assert "a.jsonl:1;" in read
