"""BFCL's own data and published verdicts, and that docs/explanation/bfcl.md tells the truth about them."""

import json
import re
from pathlib import Path

import pytest
from shared_data import BFCL, PUBLISHED, PUBLISHED_FILES, needs_bfcl

from callproof.catalog.schemas import BadSchema
from callproof.scoring import Answer, judge
from callproof.scoring.bfcl import HandlerCounter
from callproof.turns import Turn, catalog_of, read_turns
from evaluate.cli import main
from evaluate.importers.bfcl import read_outputs, read_questions, read_results
from evaluate.importers.turns_file import write_imported

pytestmark = needs_bfcl
DOC = (Path(__file__).parents[3] / "docs" / "explanation" / "bfcl.md").read_text(encoding="utf-8")
TURN_ID = re.compile(r"`((?:simple|multiple|parallel|relevance)[a-z_]*_\d+)`")


@pytest.mark.parametrize("questions", sorted(BFCL.glob("*.json")), ids=lambda path: path.stem)
def test_every_category_imports_and_its_bad_gold_is_counted(questions: Path, tmp_path: Path) -> None:
    answers = BFCL / "possible_answer" / questions.name
    found = write_imported(read_questions(questions, answers if answers.exists() else None), tmp_path / "turns.jsonl")
    assert found.turns == len(questions.read_text(encoding="utf-8").splitlines())
    assert f"| `{questions.name}` | {found.turns} | {found.bad_turns} |" in DOC
    assert all(line.startswith((str(answers), str(questions))) for line in found.bad_gold)
    for turn in read_turns(tmp_path / "turns.jsonl"):
        assert not any(isinstance(tool.compiled, BadSchema) for tool in catalog_of(turn).tools)
        assert turn.expects_call != ("irrelevance" in questions.name)


def published(path: Path) -> list[tuple[Turn, Answer, bool]]:
    """Each row: the turn, the model's answer, and whether BFCL found it valid."""
    verdicts = [json.loads(line)["valid"] for line in path.open(encoding="utf-8")]
    rows = zip(read_results(path), read_outputs(path), verdicts, strict=True)
    return [(imported.turn, Answer.model_validate(output["answer"]), valid) for imported, output, valid in rows]


def disagreements(rows: list[tuple[Turn, Answer, bool]], model: str) -> tuple[str, set[str]]:
    """The handler that is chosen for a model of this name, and the turns that `--match bfcl` judges otherwise."""
    counter = HandlerCounter()
    for turn, answer, _ in rows:
        counter.add(turn, model, answer.text, answer.tool_calls)
    choice = counter.choices()[model]
    judged = (
        (turn, judge(turn, answer, model, catalog_of(turn), profile="bfcl", reading=choice.reading), valid)
        for turn, answer, valid in rows
    )
    return choice.name, {turn.turn_id for turn, outcome, valid in judged if (outcome.outcome == "ok") != valid}


def section(title: str) -> str:
    return DOC.split(f"### `--match {title}`")[1].split("\n###")[0]


@pytest.mark.parametrize("path", PUBLISHED_FILES, ids=lambda path: path.stem)
def test_bfcl_verdicts_agree_with_the_published_ones(path: Path) -> None:
    rows = published(path)
    assert len(rows) == 1240
    name, wrong = disagreements(rows, path.stem)
    blind_name, blind_wrong = disagreements(rows, "model")
    assert len(blind_wrong) <= 0.01 * 1240
    row = f"| `{path.stem}` | `{name}` | {1240 - len(wrong)} | `{blind_name}` | {1240 - len(blind_wrong)} |"
    assert row in section("bfcl")
    assert wrong == set()


@pytest.mark.parametrize("model", ["gemini-1.5-flash-fc", "xlam-7b-fc-r"])
def test_the_commands_find_the_handler_and_the_published_accuracy(model: str, tmp_path: Path, capsys) -> None:
    path = PUBLISHED.with_name(f"{model}.jsonl")
    assert main(["import", "bfcl-results", str(path), "--out", str(tmp_path)]) == 0
    words = ["score", "--turns", str(tmp_path / "turns.jsonl"), "--answers", str(tmp_path / "answers.jsonl")]
    assert main([*words, "--match", "bfcl", "--out", str(tmp_path / "run")]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    accuracy = sum(valid for _, _, valid in published(path)) / 1240
    assert found["models"][model]["turn_exact"] == pytest.approx(accuracy)
    handler = model.split("-")[0]
    assert found["formats"] == {model: handler}
    assert f"{model}: read as {handler} (" in captured.err


def test_strict_verdicts_differ_as_the_doc_lists() -> None:
    judged = [(turn, judge(turn, answer, "m", catalog_of(turn)), valid) for turn, answer, valid in published(PUBLISHED)]
    found = {turn.turn_id: outcome.outcome for turn, outcome, valid in judged if (outcome.outcome == "ok") != valid}
    assert set(found) == set(TURN_ID.findall(section("strict")))
    assert f"{1240 - len(found)} of 1240" in section("strict")
    causes = re.findall(r"^\| (\d+) \| (?:in)?valid \| `(\w+)`", section("strict"), re.MULTILINE)
    assert len(found) == sum(int(number) for number, _ in causes)
    for outcome in {outcome for _, outcome in causes}:
        assert list(found.values()).count(outcome) == sum(int(number) for number, each in causes if each == outcome)
