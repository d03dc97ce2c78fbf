"""BFCL's data as turns: nothing of a question or its possible answers is lost, and wrong gold is listed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callproof.errors import UserError
from callproof.turns import Turn, read_turns
from evaluate.cli import main
from evaluate.importers.bfcl import MAX_ALTERNATIVES, gold_call, json_schema, read_outputs, read_questions, read_results
from evaluate.importers.turns_file import Import, write_imported

PARAMETERS = {
    "type": "dict",
    "properties": {
        "rate": {"type": "float"},
        "point": {"type": "tuple", "items": {"type": "float"}},
        "extra": {"type": "any", "description": "Whatever."},
        "filter": {"type": "dict", "properties": {"type": {"type": "string"}, "size": {"type": "integer"}}},
    },
    "required": ["rate"],
}
FUNCTION = {"name": "bank.quote", "description": "A quote.", "parameters": PARAMETERS}
MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Rate 2?"}]


def question(turn_id: str, *functions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": turn_id, "question": [MESSAGES], "function": list(functions or (FUNCTION,)), **more}


def answer(turn_id: str, *calls: dict[str, Any]) -> dict[str, Any]:
    return {"id": turn_id, "ground_truth": list(calls)}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def to(name: str, *rows: dict[str, Any]) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return to


@pytest.fixture
def imported(write: Callable[..., Path], tmp_path: Path) -> Callable[..., Turn]:
    """The one turn of a question and its possible answer."""

    def run(row: dict[str, Any], *calls: dict[str, Any]) -> Turn:
        answers = write("a.json", answer(row["id"], *calls)) if calls else None
        write_imported(read_questions(write("q.json", row), answers), tmp_path / "turns.jsonl")
        (turn,) = read_turns(tmp_path / "turns.jsonl")
        return turn

    return run


def test_schemas_become_json_schemas() -> None:
    schema = json_schema(PARAMETERS)
    properties = schema["properties"]
    assert schema["type"] == "object"
    assert properties["rate"] == {"type": "number"}
    assert properties["point"] == {"type": "array", "format": "tuple", "items": {"type": "number"}}
    assert properties["extra"] == {"description": "Whatever."}
    assert properties["filter"]["properties"]["type"] == {"type": "string"}
    assert PARAMETERS["type"] == "dict"


def test_a_question_becomes_a_turn_with_its_messages_tools_and_gold(imported) -> None:
    turn = imported(question("live_multiple_3-1-0"), {"bank.quote": {"rate": [2.0, 2], "extra": ["", "x"]}})
    assert (turn.turn_id, turn.session_id, turn.position) == ("live_multiple_3-1-0", "live_multiple_3-1-0", 1)
    assert turn.messages == tuple(MESSAGES)
    assert turn.tags == ("live_multiple",)
    function = turn.tools[0]["function"]
    assert (function["name"], function["description"]) == ("bank_quote", "A quote.")
    (call,) = turn.gold
    assert (call.name, call.arguments, call.any_of) == ("bank_quote", {"rate": 2.0, "extra": "x"}, {"rate": (2,)})
    assert call.optional == ("extra",)
    assert type(call.arguments["rate"]) is float
    assert type(call.any_of["rate"][0]) is int


def test_renamed_tools_can_be_traced_back_and_never_coincide(imported) -> None:
    functions = [{**FUNCTION, "name": name} for name in ("a.b", "a_b", "a b", "c")]
    turn = imported(question("multiple_0", *functions), {"a_b": {"rate": [1.0]}}, {"a.b": {"rate": [2.0]}})
    names = [tool["function"]["name"] for tool in turn.tools]
    assert len(set(names)) == 4
    assert [turn.source_names.get(name, name) for name in names] == ["a.b", "a_b", "a b", "c"]
    assert [turn.source_names.get(call.name, call.name) for call in turn.gold] == ["a_b", "a.b"]


def test_objects_hold_lists_of_accepted_values_and_each_choice_is_accepted() -> None:
    call = gold_call("t", {"v": [{"a": ["x", "y"], "b": ["", 1]}], "w": [[{"a": [1, 2]}, {"a": [3]}]], "x": [[1, 2]]})
    accepted = [call.arguments["v"], *call.any_of["v"]]
    assert accepted == [{"a": "x", "b": 1}, {"a": "x"}, {"a": "y", "b": 1}, {"a": "y"}]
    assert [call.arguments["w"], *call.any_of["w"]] == [[{"a": 1}, {"a": 3}], [{"a": 2}, {"a": 3}]]
    assert call.arguments["x"] == [1, 2]


def test_deeper_objects_are_taken_as_they_are() -> None:
    assert gold_call("t", {"v": [{"a": [{"b": 1, "c": [2]}]}]}).arguments == {"v": {"a": {"b": 1, "c": [2]}}}


def test_an_argument_that_may_only_be_left_out_has_no_value() -> None:
    call = gold_call("t", {"v": [""], "w": [{"a": [""]}]})
    assert (call.arguments, call.optional) == ({"w": {}}, ("v",))


def test_alternatives_beyond_all_measure_are_refused_with_their_place(write) -> None:
    many = {f"k{n}": [1, 2] for n in range(MAX_ALTERNATIVES.bit_length())}
    answers = write("a.json", answer("simple_python_0", {"bank.quote": {"filter": [many]}}))
    with pytest.raises(UserError, match=r"a.json:1: 2048 alternatives for one argument, 1024 at most"):
        list(read_questions(write("q.json", question("simple_python_0")), answers))


def test_irrelevance_wants_no_call_and_live_relevance_any(imported) -> None:
    assert not imported(question("irrelevance_7")).expects_call
    assert not imported(question("live_irrelevance_7-0-0")).expects_call
    turn = imported(question("live_relevance_7-0-0"))
    assert (turn.any_call, turn.gold) == (True, ())


@pytest.mark.parametrize("key", ["f", "f_1", "f 2", "elsewhere.f"])
def test_gold_of_2024_names_the_only_function_in_several_ways(imported, key: str) -> None:
    turn = imported(question("parallel_0", {**FUNCTION, "name": "f"}), {key: {"rate": [1.0]}})
    assert turn.gold[0].name == "f"


def test_a_number_that_belongs_to_the_name_is_kept(imported) -> None:
    functions = [{**FUNCTION, "name": name} for name in ("f", "f_1")]
    assert imported(question("multiple_0", *functions), {"f_1": {"rate": [1.0]}}).gold[0].name == "f_1"


def lint(write: Callable[..., Path], out: Path, drop: bool) -> Import:
    questions = write("q.json", question("simple_python_0"), question("simple_python_1"))
    good, bad = {"rate": [1.0]}, {"rate": [1.0, "high"], "filter": [{"size": ["big"]}]}
    answers = write("a.json", answer("simple_python_0", {"bank.quote": good}), answer("simple_python_1", {"q": bad}))
    return write_imported(read_questions(questions, answers), out, drop_bad_gold=drop)


def test_gold_that_its_schema_refuses_is_listed_with_its_line_and_kept(write, tmp_path: Path) -> None:
    found = lint(write, tmp_path / "turns.jsonl", drop=False)
    assert (found.turns, found.bad_turns) == (2, 1)
    where = f"{tmp_path}/a.json:2: simple_python_1: bank_quote"
    assert found.bad_gold == [
        f"{where}: filter.size: 'big' is not of type 'integer'",
        f"{where}: rate: 'high' is not of type 'number'",
    ]


def test_bad_gold_is_dropped_on_request(write, tmp_path: Path) -> None:
    found = lint(write, tmp_path / "turns.jsonl", drop=True)
    assert (found.turns, found.bad_turns) == (1, 1)
    assert [turn.turn_id for turn in read_turns(tmp_path / "turns.jsonl")] == ["simple_python_0"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (question("simple_python_0"), r"q.json:1: no possible answer to 'simple_python_0'; give --answers"),
        ({"question": [MESSAGES]}, r"q.json:1: expected an `id`"),
        (question("irrelevance_0", question=[MESSAGES, MESSAGES]), r"q.json:1: holds several turns"),
        (question("irrelevance_0", question=5), r"q.json:1: expected `question`"),
        (question("irrelevance_0", {"parameters": {}}), r"q.json:1: expected `function`"),
        (question("irrelevance_0", FUNCTION, FUNCTION), r"q.json:1: two functions have one name"),
    ],
)
def test_a_row_of_another_form_is_told_with_its_place(write, row: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        list(read_questions(write("q.json", row), None))


def test_an_id_that_occurs_twice_is_refused_and_leaves_no_file(write, tmp_path: Path) -> None:
    rows = read_questions(write("q.json", question("irrelevance_0"), question("irrelevance_0")), None)
    with pytest.raises(UserError, match=r"q.json:2: turn 'irrelevance_0' occurs twice"):
        write_imported(rows, tmp_path / "turns.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.json"]


def test_the_command_imports_questions(write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write("q.json", question("simple_python_0"))
    answers = write("a.json", answer("simple_python_0", {"bank.quote": {"rate": ["high"]}}))
    out = tmp_path / "new" / "turns.jsonl"
    words = ["import", "bfcl", "--questions", str(questions), "--answers", str(answers), "--out", str(out)]
    assert main(words) == 0
    captured = capsys.readouterr()
    counts = {"turns": 1, "sessions": 1, "without_tools": 0, "skipped": 0, "bad_gold": 1}
    assert json.loads(captured.out) == {**counts, "out": str(out)}
    assert f"{answers}:1: simple_python_0: bank_quote: rate: 'high' is not of type 'number'" in captured.err
    assert [turn.tags[-1] for turn in read_turns(out)] == ["bad_gold"]


def test_imported_turns_with_bad_gold_are_scored_and_listed_again(
    write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write("rows.jsonl", result("simple_0", "[]", {"bank.quote": {"rate": ["high"]}}))
    assert main(["import", "bfcl-results", str(rows), "--out", str(tmp_path)]) == 0
    words = ["score", "--turns", str(tmp_path / "turns.jsonl"), "--answers", str(tmp_path / "answers.jsonl")]
    for profile in ("strict", "bfcl"):
        capsys.readouterr()
        assert main([*words, "--match", profile, "--out", str(tmp_path / profile)]) == 0
        assert "breaks its own schema in 1 turns, which are kept" in capsys.readouterr().err


def result(turn_id: str, output: Any, gold: dict[str, Any] | None) -> dict[str, Any]:
    possible = gold and {"id": turn_id, "ground_truth": gold}
    row = {"id": turn_id, "category": "simple", "question": "Rate 2?", "function": FUNCTION}
    return {**row, "possible_answer": possible, "output": output, "valid": True}


def test_joined_rows_become_turns_and_answers_that_score_takes(write, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    right = '<tool_call>\n{"name": "bank_quote", "arguments": {"rate": 2}}\n</tool_call>'
    rows = [result("simple_0", right, {"bank.quote": {"rate": [2.0]}}), result("relevance_0", "No.", None)]
    assert main(["import", "bfcl-results", str(write("hermes.jsonl", *rows)), "--out", "joined"]) == 0
    assert [turn.turn_id for turn in read_turns(Path("joined/turns.jsonl"))] == ["simple_0", "relevance_0"]
    words = ["score", "--turns", "joined/turns.jsonl", "--answers", "joined/answers.jsonl", "--out", "scored"]
    assert main([*words, "--match", "bfcl"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["models"]["hermes"]["turn_exact"] == 1.0
    assert json.loads(Path("scored/run.json").read_text())["identity"]["match"] == "bfcl"


def test_results_without_output_are_refused(write, tmp_path: Path) -> None:
    row = {key: value for key, value in result("simple_0", "", {}).items() if key != "output"}
    assert len(list(read_results(write("r.jsonl", row)))) == 1
    with pytest.raises(UserError, match=r"r.jsonl:1: expected `output` as text or a list of calls"):
        main(["import", "bfcl-results", str(write("r.jsonl", row)), "--out", str(tmp_path / "joined")])
    with pytest.raises(UserError, match=r"r.jsonl:1: expected the items of `output` as calls or text"):
        list(read_outputs(write("r.jsonl", result("simple_0", [5], {}))))


def function(name: Any, arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ("Hm.", {"text": "Hm."}),
        (None, {"text": ""}),
        ([], {"text": "", "tool_calls": []}),
        ([""], {"text": "\n", "tool_calls": []}),
        (
            ["So:", {"bank_quote": '{"rate": 2}'}, "Done."],
            {"text": "So:\nDone.\n", "tool_calls": [function("bank_quote", '{"rate": 2}')]},
        ),
        ({"bank_quote": {"rate": 2}}, {"text": "", "tool_calls": [function("bank_quote", {"rate": 2})]}),
        ([{}], {"text": "", "tool_calls": [function(None, None)]}),
    ],
)
def test_outputs_are_text_or_tool_calls(write, output: Any, answer: dict[str, Any]) -> None:
    (row,) = read_outputs(write("rows.jsonl", result("simple_0", output, {})))
    assert row == {"turn_id": "simple_0", "model": "rows", "answer": answer}
