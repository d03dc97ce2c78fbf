"""Which tool made a file is told by its shape, and what is of no form, or of several, is said."""

from pathlib import Path

import pytest
from rows import exported
from runs_plugin import Command, write_json, write_lines

from callproof.errors import UserError
from evaluate.importers.runs import FORMS

pytest_plugins = ["runs_plugin"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            '{"a": 1}\n',
            r"bad.json: is not, and does not hold, a run of a known form; give one of these: inspect: logs of",
        ),
        ("[1, 2]\n", r"bad.json: is not, and does not hold, a run of a known form"),
        ("", r"bad.json: is empty; give a run that has ended"),
        ("{\n", r"bad.json:2: malformed JSON"),
        ('{"eval": {"task": "t"}}\n{"eval": {"task": "t"}}\n', r"bad.json:2: expected one JSON value"),
        ('{"eval": {"task": "t"}, "samples": 5}', r"bad.json: has another shape than logs of inspect_ai.*TypeError"),
        (
            '{"results": {"results": [5]}}',
            r"no turns are left; the first skipped line is bad.json:results.0: it has another shape",
        ),
        ('{"resourceSpans": [{"scopeSpans": 5}]}', r"bad.json: has another shape than OTLP JSON lines"),
        ('{"info": 5, "tasks": [], "simulations": [{}]}', r"bad.json:simulations.0: is of task 'None'"),
    ],
)
def test_what_is_no_run_is_one_line(evaluate: Command, content: str, problem: str) -> None:
    Path("bad.json").write_text(content)
    with pytest.raises(UserError, match=problem):
        evaluate("import", "runs", "bad.json", "--out", "imported")
    assert not Path("imported").exists()


def test_a_zip_of_something_else_is_refused(evaluate: Command) -> None:
    Path("bad.eval").write_bytes(b"PK\5\6" + bytes(18))
    with pytest.raises(UserError, match=r"bad.eval: is a zip without header"):
        evaluate("import", "runs", "bad.eval", "--out", "imported")


def test_a_folder_of_several_forms_asks_which_is_meant(evaluate: Command) -> None:
    write_lines("runs/spans.jsonl", exported(0))
    write_lines("runs/samples_a.jsonl", {"doc_id": 0, "resps": [["Hi!"]]})
    write_json("runs/notes.json", {"a": 1})
    with pytest.raises(UserError, match=r"holds runs of several forms \(lm-eval, otel\); choose by --form"):
        evaluate("import", "runs", "runs", "--out", "imported")
    said = evaluate("import", "runs", "runs", "--form", "otel", "--out", "imported")
    assert said.counts["turns"] == 1
    assert "2 files of no such form are left out, such as runs/notes.json" in said.told


def test_a_forced_form_takes_no_other_file(evaluate: Command) -> None:
    write_lines("spans.jsonl", exported(0))
    with pytest.raises(UserError, match="is not, and does not hold, results of tau2-bench"):
        evaluate("import", "runs", "spans.jsonl", "--form", "tau2", "--out", "imported")


def test_the_command_line_names_every_form(evaluate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate("import", "runs", "--help")
    assert f"{{{','.join(('auto', *FORMS))}}}" in capsys.readouterr().out


def test_a_model_that_is_not_there_is_no_gold(evaluate: Command) -> None:
    write_lines("spans.jsonl", exported(0))
    with pytest.raises(UserError, match="--gold-from other: answers nothing here; choose of: model"):
        evaluate("import", "runs", "spans.jsonl", "--gold-from", "other", "--out", "imported")
