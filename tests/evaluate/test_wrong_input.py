"""What is no input for `score`, `import`, `bless` and `noise`: one line with its place, and nothing is left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rows import answer, exported, joined, lines, logged, possible, question, turn
from weather import Refused

from callproof.turns import read_turns
from evaluate.cli import main
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]

DEEP = "[" * 5000 + "]" * 5000
LONG = "9" * 5000


COMMANDS: dict[str, tuple[str, list[str]]] = {
    "turns": (lines(turn), ["score", "--turns", "bad", "--answers", "answers.jsonl", "--out", "new/out"]),
    "answers": (lines(answer), ["score", "--turns", "turns.jsonl", "--answers", "bad", "--out", "new/out"]),
    "questions": (
        lines(question),
        ["import", "bfcl", "--questions", "bad", "--answers", "possible.json", "--out", "new/out/turns.jsonl"],
    ),
    "possible answers": (
        lines(possible),
        ["import", "bfcl", "--questions", "questions.json", "--answers", "bad", "--out", "new/out/turns.jsonl"],
    ),
    "results": (lines(joined), ["import", "bfcl-results", "bad", "--out", "new/out"]),
    "run": (lines(exported), ["import", "runs", "bad", "--out", "new/out"]),
    "log": (lines(logged), ["import", "openai-log", "bad", "--out", "new/out/turns.jsonl"]),
}
SPOILT: dict[str, Callable[[str], bytes | None]] = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "binary": lambda _: bytes(range(256)),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "truncated": lambda text: text[:-20].encode(),
    "an array": lambda text: f"[{','.join(text.splitlines())}]".encode(),
    "a number": lambda text: (text + "5\n").encode(),
    "deep": lambda text: (text + f'{{"deep": {DEEP}}}\n').encode(),
    "long number": lambda text: (text + f'{{"long": {LONG}}}\n').encode(),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with good files."""
    monkeypatch.chdir(tmp_path)
    for name, row in {"turns.jsonl": turn, "answers.jsonl": answer}.items():
        (tmp_path / name).write_text(lines(row))
    for name, row in {"questions.json": question, "possible.json": possible}.items():
        (tmp_path / name).write_text(lines(row))
    return tmp_path


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


ODD_LINE = ("truncated", "a number", "deep", "long number")
"""These spoil one line; of saved answers that is no reason to score none."""


@pytest.mark.parametrize(
    ("command", "spoilt"),
    [(command, spoilt) for command in COMMANDS for spoilt in SPOILT if command != "answers" or spoilt not in ODD_LINE],
)
def test_a_file_that_is_no_input_is_one_line_and_leaves_nothing(
    folder: Path, refused: Refused, command: str, spoilt: str
):
    text, words = COMMANDS[command]
    if (content := SPOILT[spoilt](text)) is not None:
        Path("bad").write_bytes(content)
    before = tree(folder)
    assert refused(*words).startswith("error: bad")
    assert tree(folder) == before


@pytest.mark.parametrize("spoilt", ODD_LINE)
def test_one_odd_line_of_saved_answers_is_counted_and_told(
    folder: Path, capsys: pytest.CaptureFixture[str], spoilt: str
):
    text, words = COMMANDS["answers"]
    (folder / "bad").write_bytes(SPOILT[spoilt](text) or b"")
    assert main(words) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["unreadable"] == 1
    number = 3 if spoilt == "truncated" else 4
    assert f"bad:{number}: " in captured.err
    assert "1 lines hold no answer that can be read" in captured.err


def test_a_byte_order_mark_is_called_by_its_name(folder: Path, refused: Refused):
    (folder / "bad").write_bytes(b"\xef\xbb\xbf" + lines(turn).encode())
    assert "bad:1: begins with a byte order mark; save the file as UTF-8" in refused(*COMMANDS["turns"][1])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({}, "expected `text`, `response`, `message`, `answer` or `error`"),
        ({"answer": []}, "expected `text`, `response`, `message`, `answer` or `error`"),
        ({"error": None}, "expected `text`, `response`, `message`, `answer` or `error`"),
        ({"text": "Hm.", "model": ""}, "expected `model` as text"),
        ({"text": "Hm.", "repeat": True}, "`repeat` as a number"),
        ({"text": "Hm.", "model": "\ud800"}, "model: holds half a surrogate pair"),
    ],
)
def test_a_row_that_says_nothing_is_no_empty_answer(folder: Path, refused: Refused, row: dict[str, Any], problem: str):
    Path("bad").write_text(json.dumps({"turn_id": "s0/1", **row}) + "\n")
    before = tree(folder)
    line = refused(*COMMANDS["answers"][1])
    assert line.startswith("error: bad:1: ")
    assert problem in line
    assert tree(folder) == before


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path, refused: Refused):
    before = tree(folder)
    words = ["score", "--turns", "turns.jsonl", "--answers", "answers.jsonl", "--out"]
    for place in ("turns.jsonl", "turns.jsonl/under", "long" * 100):
        assert f"{place}: cannot be written" in refused(*words, place)
    place = "turns.jsonl/under/turns.jsonl"
    assert f"{place}: cannot be written" in refused("import", "openai-log", "answers.jsonl", "--out", place)
    assert "is no run and no baseline" in refused("bless", "long" * 100)
    assert tree(folder) == before


def test_an_unknown_baseline_model_leaves_nothing(folder: Path, refused: Refused):
    before = tree(folder)
    words = ["score", "--turns", "turns.jsonl", "--answers", "answers.jsonl", "--out", "new"]
    assert "--baseline-model other: is not in run new; choose one of: model" in refused(
        *words, "--baseline-model", "other"
    )
    assert tree(folder) == before


def test_a_failed_score_leaves_an_earlier_one_alone(folder: Path, refused: Refused):
    words = ["score", "--turns", "turns.jsonl", "--out", "old", "--answers"]
    assert main([*words, "answers.jsonl"]) == 0
    before = tree(folder)
    assert "cannot be read" in refused(*words, "nowhere.jsonl")
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("command", "row", "problem"),
    [
        ("questions", question, "bad:4: turn 'simple_0' occurs twice"),
        ("possible answers", possible, "bad:4: the possible answer to 'simple_0' occurs twice"),
        ("results", lambda n: {**joined(n + 3), "output": 5}, "bad:4: expected `output` as text"),
        ("results", lambda n: {**joined(n + 3), "model": 5}, "bad:4: expected `model` as text"),
    ],
)
def test_a_row_that_cannot_be_imported_is_named_with_its_own_file(
    folder: Path, refused: Refused, command: str, row: Callable[[int], dict[str, Any]], problem: str
):
    text, words = COMMANDS[command]
    Path("bad").write_text(text + json.dumps(row(0)) + "\n")
    before = tree(folder)
    assert problem in refused(*words)
    assert tree(folder) == before


def test_json_text_inside_a_log_is_read_like_the_log(folder: Path):
    half = {**logged(1), "request": json.dumps({"messages": [{"role": "user", "content": "\ud800"}]})}
    nested = f'{{"messages": [{{"role": "user", "content": {"[" * 90}{"]" * 90}}}]}}'
    deep = {**logged(2), "request": nested}
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (logged(0), half, deep)))
    assert main(["import", "openai-log", "log.jsonl", "--out", "turns.jsonl"]) == 0
    assert [turn.messages[0]["content"] for turn in read_turns(Path("turns.jsonl"))] == ["Hello 0", "\ufffd"]


Spoil = Callable[..., str]


@pytest.fixture
def spoil(folder: Path) -> Spoil:
    """Changes run.json of a scored run, and gives the run's folder."""

    def change(**values: Any) -> str:
        assert main(["score", "--turns", "turns.jsonl", "--answers", "answers.jsonl", "--out", "runs/next"]) == 0
        path = folder / "runs" / "next" / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
        return "runs/next"

    return change


@pytest.mark.parametrize("verb", ["gate", "bless", "noise"])
@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"identity": None}, "identity: "),
        ({"models": []}, "models: "),
        ({"turns": 0}, "turns: "),
        ({"sessions": 0}, "sessions: "),
    ],
)
def test_a_run_that_cannot_be_is_refused_by_all_who_read_it(
    spoil: Spoil, refused: Refused, verb: str, values: dict[str, Any], problem: str
):
    run = spoil(**values)
    words = [verb, run] if verb == "bless" else [verb, run, run]
    assert f"runs/next/run.json: {problem}" in refused(*words)


def test_a_number_of_sessions_that_was_edited_is_no_licence_to_pass(spoil: Spoil, capsys: pytest.CaptureFixture[str]):
    run = spoil(sessions=300)
    assert main(["gate", run, run]) == 3
    assert "holds answers of 3 sessions, where 300 were asked" in capsys.readouterr().out


def test_repeats_that_are_no_number_are_refused(spoil: Spoil, refused: Refused):
    identity = Run(Path(spoil())).info().identity.model_dump() | {"sampling": {"repeats": "two"}}
    assert "identity.sampling: Value error, repeats: expected a number from 1" in refused(
        "bless", spoil(identity=identity)
    )


def test_a_baseline_keeps_inside_its_folder(spoil: Spoil, folder: Path, refused: Refused):
    run = spoil()
    before = tree(folder)
    for name in ("../../elsewhere", "..", "a/b"):
        assert f"--as {name}: is no name for a folder" in refused("bless", run, "--as", name)
        assert tree(folder) == before


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("outcomes.jsonl", "", "holds no outcomes"),
        ("outcomes.jsonl", "{\n", "runs/next/outcomes.jsonl:1: "),
        ("outcomes.jsonl", None, "holds no outcomes"),
        ("metrics.json", None, "metrics.json"),
    ],
)
def test_a_run_that_no_gate_could_compare_takes_no_baselines_place(
    spoil: Spoil, folder: Path, refused: Refused, name: str, content: str | None, problem: str
):
    assert main(["bless", spoil(), "--as", "base"]) == 0
    path = Path(spoil()) / name
    path.unlink() if content is None else path.write_text(content)
    before = tree(folder)
    assert problem in refused("bless", "runs/next", "--as", "base")
    assert tree(folder) == before
