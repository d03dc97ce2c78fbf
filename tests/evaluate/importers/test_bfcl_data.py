"""BFCL's own data and published verdicts, and that docs/bfcl.md tells the truth about them."""

import json
import re
from pathlib import Path

import pytest
from shared_data import BFCL, PUBLISHED, needs_bfcl

from callproof.catalog.schemas import BadSchema
from callproof.scoring import Answer, MatchProfile, catalog_of, judge
from callproof.turns import read_turns
from evaluate.importers.bfcl import read_outputs, read_questions, read_results
from evaluate.importers.turns_file import write_imported

pytestmark = needs_bfcl
DOC = (Path(__file__).parents[3] / "docs" / "bfcl.md").read_text(encoding="utf-8")
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


def disagreements(profile: MatchProfile, replace: tuple[str, str] = ("", "")) -> dict[str, str]:
    """Turn id -> our outcome, where it differs from the published verdict."""
    published = {row["id"]: row["valid"] for row in map(json.loads, PUBLISHED.open(encoding="utf-8"))}
    assert len(published) == 1240
    found = {}
    for imported, output in zip(read_results(PUBLISHED), read_outputs(PUBLISHED), strict=True):
        answer = Answer(text=output["text"].replace(*replace) if replace[0] else output["text"])
        outcome = judge(imported.turn, answer, "m", catalog_of(imported.turn), profile=profile).outcome
        if (outcome == "ok") != published[imported.turn.turn_id]:
            found[imported.turn.turn_id] = outcome
    return found


def section(title: str) -> str:
    return DOC.split(f"### `--match {title}`")[1].split("\n###")[0]


def test_bfcl_verdicts_agree_but_for_those_in_the_doc() -> None:
    found = disagreements("bfcl")
    assert len(found) <= 0.01 * 1240
    assert set(found) == set(TURN_ID.findall(section("bfcl")))
    assert f"{1240 - len(found)} of 1240" in section("bfcl")


def test_the_quotes_of_bfcls_handler_explain_every_disagreement() -> None:
    assert disagreements("bfcl", ("'", '"')) == {}


def test_strict_verdicts_differ_as_the_doc_lists() -> None:
    found = disagreements("strict")
    assert set(found) == set(TURN_ID.findall(section("strict"))) | set(TURN_ID.findall(section("bfcl")))
    assert f"{1240 - len(found)} of 1240" in section("strict")
    causes = re.findall(r"^\| (\d+) \| (?:in)?valid \| `(\w+)`", section("strict"), re.MULTILINE)
    assert len(found) == sum(int(number) for number, _ in causes)
    for outcome in {outcome for _, outcome in causes}:
        assert list(found.values()).count(outcome) == sum(int(number) for number, each in causes if each == outcome)
