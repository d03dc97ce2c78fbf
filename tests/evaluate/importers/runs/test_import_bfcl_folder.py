"""Result folders of BFCL, built as its own `write` and `save_eval_results` lay them out."""

from typing import Any

import pytest
from runs_plugin import Command, read_lines, write_lines

from callproof.errors import UserError

pytest_plugins = ["runs_plugin"]

CITY = {"type": "dict", "properties": {"city": {"type": "string"}}, "required": ["city"]}
MODEL = "result/tiny-fc"


def question(turn_id: str, city: str) -> dict[str, Any]:
    function = {"name": "weather.get", "description": "Weather.", "parameters": CITY}
    return {"id": turn_id, "question": [[{"role": "user", "content": f"Weather in {city}?"}]], "function": [function]}


def write_data() -> None:
    write_lines("data/BFCL_v4_simple_python.json", *(question(f"simple_python_{n}", city) for n, city in
                                                      enumerate(("Rome", "Paris", "Oslo"))))  # fmt: skip
    accepted = ([{"weather.get": {"city": [city]}}] for city in ("Rome", "Paris", "Oslo"))
    rows = ({"id": f"simple_python_{number}", "ground_truth": truth} for number, truth in enumerate(accepted))
    write_lines("data/possible_answer/BFCL_v4_simple_python.json", *rows)
    write_lines("data/BFCL_v4_live_irrelevance.json", question("live_irrelevance_0-0-0", "my heart"))


def result(turn_id: str, output: Any) -> dict[str, Any]:
    return {"id": turn_id, "result": output, "input_token_count": 3, "output_token_count": 2, "latency": 0.1}


def write_results(model: str = MODEL) -> None:
    write_lines(f"{model}/non_live/BFCL_v4_simple_python_result.json",
                result("simple_python_0", [{"weather_get": '{"city": "Rome"}'}]),
                result("simple_python_1", [{"weather_get": '{"city": "Milan"}'}]),
                result("simple_python_2", "Error during inference: timeout"))  # fmt: skip
    write_lines(f"{model}/live/BFCL_v4_live_irrelevance_result.json", result("live_irrelevance_0-0-0", "I cannot."))
    write_lines(f"{model}/multi_turn/BFCL_v4_multi_turn_base_result.json", result("multi_turn_base_0", [["ls()"]]))


def write_scores() -> None:
    header = {"accuracy": 0.33, "correct_count": 1, "total_count": 3}
    wrong = [{"id": f"simple_python_{number}", "valid": False, "error": ["..."]} for number in (1, 2)]
    write_lines("score/tiny-fc/non_live/BFCL_v4_simple_python_score.json", header, *wrong)


def test_a_folder_of_several_categories_is_read_at_once(evaluate: Command, score: Command) -> None:
    write_data()
    write_results()
    write_scores()
    said = evaluate("import", "runs", "result", "--data", "data", "--out", "imported")
    assert said.counts | {"out": ""} == {
        "form": "bfcl", "turns": 4, "sessions": 4, "without_tools": 0, "answers": {"tiny-fc": 4}, "errors": 1,
        "verdicts": 3, "left_out": 1, "bad_gold": 0, "out": "",
    }  # fmt: skip
    assert "1 records are left out: its category has several turns, or is no Python" in said.told
    found = score("imported", "--match", "bfcl").counts
    assert found["models"]["tiny-fc"]["turn_exact"] == 0.5
    assert found["verdicts"]["tiny-fc"] == {"same": 3, "right_there": 0, "right_here": 0}
    assert score("imported").counts["models"]["tiny-fc"]["turn_exact"] == 0.5
    turns = {turn["turn_id"]: turn for turn in read_lines("imported/turns.jsonl")}
    assert turns["simple_python_0"]["source_names"] == {"weather_get": "weather.get"}
    assert turns["live_irrelevance_0-0-0"]["gold"] == []


def test_two_models_of_one_folder_share_their_turns(evaluate: Command, score: Command) -> None:
    write_data()
    write_results()
    write_results("result/other")
    write_lines("result/other/non_live/BFCL_v4_simple_python_result.json", result("simple_python_0", "Hm."))
    said = evaluate("import", "runs", "result", "--data", "data", "--out", "both")
    assert (said.counts["turns"], said.counts["answers"]) == (4, {"other": 2, "tiny-fc": 4})
    assert "2 records are left out: the model has no result for a question of its category" in said.told
    assert score("both").counts["missing"] == 2
    sides = ["runs/both", "runs/both", "--baseline-model", "tiny-fc", "--candidate-model", "other"]
    assert evaluate("diff", *sides).counts["turns"] == 4


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], r"holds answers without their questions; give --data"),
        (["--data", "elsewhere"], r"elsewhere/BFCL_v4_live_irrelevance.json: cannot be read"),
        (["--data", "data"], r"answers 'simple_python_7', which data does not ask; give the data of this run"),
    ],
)
def test_answers_without_their_questions_are_refused(evaluate: Command, words: list[str], problem: str) -> None:
    write_data()
    write_lines("result/a/live/BFCL_v4_live_irrelevance_result.json", result("live_irrelevance_0-0-0", "I cannot."))
    write_lines("result/a/non_live/BFCL_v4_simple_python_result.json", result("simple_python_7", "Hm."))
    with pytest.raises(UserError, match=problem):
        evaluate("import", "runs", "result", *words, "--out", "imported")


def test_a_file_of_another_name_is_refused(evaluate: Command) -> None:
    write_lines("answers.jsonl", result("simple_python_0", "Hm."))
    with pytest.raises(UserError, match=r"answers.jsonl: is not named BFCL_v4_<category>_result.json"):
        evaluate("import", "runs", "answers.jsonl", "--out", "imported")
