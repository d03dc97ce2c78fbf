import itertools
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from fake_endpoint import Script
from oracles import ANSWERS
from weather import call, right, wrong

from callproof.config import GateConfig
from callproof.errors import UserError
from callproof.scoring import Answer, judge
from callproof.turns import catalog_of
from evaluate.cli import main
from evaluate.gate.sides import read_side
from evaluate.runs import Run

pytest_plugins = ["weather_plugin", "gate_plugin"]


def gate(*words: object) -> int:
    return main(["gate", *map(str, words)])


def verdict(path: Path) -> dict[str, Any]:
    return json.loads((path / "gate.json").read_text())


def check(result: dict[str, Any], metric: str) -> dict[str, Any]:
    return next(each for each in result["checks"] if each["metric"] == metric)


def test_a_candidate_as_good_as_the_baseline_passes_with_0(run):
    one, other = run("one", "good"), run("other", "good")
    assert gate(one, other) == 0
    result = verdict(other)
    assert result["verdict"] == "pass"
    assert {each["status"] for each in result["checks"]} == {"pass"}
    assert (result["turns"], result["sessions"], result["broken"], result["mended"]) == (80, 40, [], [])


def test_a_candidate_that_got_worse_is_a_regression_with_1_and_every_flip_is_listed(run):
    one, other = run("one", "good"), run("other", "bad")
    assert gate(one, other) == 1
    result = verdict(other)
    assert check(result, "turn_exact")["status"] == "fail"
    assert check(result, "hallucination_rate")["gain"] == -1.0
    assert len(result["broken"]) == 80
    assert result["broken"][0]["turn_id"] == "weather-000/1"
    assert "expected" in result["broken"][0]["reasons"][0]
    assert gate(other, one) == 0
    assert len(verdict(one)["mended"]) == 80


def test_two_models_of_one_run_can_be_compared(run):
    both = run("both", "bad", "good")
    assert gate(both, both, "--baseline-model", "bad", "--candidate-model", "good") == 0
    assert gate(both, both, "--baseline-model", "good", "--candidate-model", "bad") == 1


def test_a_run_of_several_models_needs_to_be_told_which(run):
    both = run("both", "bad", "good")
    with pytest.raises(UserError, match=r"several models \(bad, good\); choose one with --baseline-model"):
        gate(both, both)
    with pytest.raises(UserError, match="choose one of: bad, good"):
        gate(both, both, "--baseline-model", "ugly")


@pytest.mark.parametrize(
    ("words", "differing"),
    [(("--limit-sessions", "35"), "turns:"), (("LLM_EVAL__MAX_TOKENS", "64"), "sampling:")],
)
def test_runs_that_are_not_comparable_are_invalid_with_3(run, monkeypatch, words, differing):
    one = run("one", "good")
    if words[0].startswith("LLM"):
        monkeypatch.setenv(*words)
        words = ()
    other = run("other", "good", words=words)
    assert gate(one, other) == 3
    result = verdict(other)
    assert result["verdict"] == "invalid"
    assert result["checks"] == []
    assert any(differing in problem for problem in result["problems"])


def test_another_prompt_or_catalog_is_named(run, domain):
    one = run("one", "good")
    for path, word in ((domain.root / "system_prompt.md", "kind"), (domain.root / "tools.json", "All cities.")):
        path.write_text(path.read_text().replace(word, "changed"))
    other = run("other", "good")
    assert gate(one, other) == 3
    differing = {problem.split()[4].rstrip(":") for problem in verdict(other)["problems"]}
    assert differing == {"prompt", "catalog"}


def test_too_many_unanswered_turns_or_an_unfinished_run_are_invalid(run):
    one, other = run("one", "good"), run("other", "good")
    path = other / "outcomes.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:70]))
    assert gate(one, other) == 3
    assert "70 of 80 answers" in verdict(other)["problems"][0]
    asked = {turn.turn_id: turn for turn in Run(other).turns()}[json.loads(lines[0])["turn_id"]]
    lost = judge(asked, Answer(error="gone"), "good", catalog_of(asked))
    path.write_text(lost.model_dump_json() + "\n" + "".join(lines[1:]))
    assert gate(one, other) == 3
    assert "1 of 80 answers never came, above 0.5%" in verdict(other)["problems"][0]
    side = read_side(Run(other), Run(other).info(), "good", "raw")
    assert list(side.faults(GateConfig(max_infra_error_rate=1 / 80))) == []
    assert list(side.faults(GateConfig(max_infra_error_rate=0.012))) == [
        "1 of 80 answers never came, above 1.2% (--resume asks again)"
    ]


def test_a_difference_about_the_margin_is_inconclusive_with_4_and_tells_how_many_turns_it_takes(run):
    one, other = run("one", "good"), run("other", "shaky")
    assert gate(one, other, "--margin", "turn_exact=0.03", "--margin", "name_f1=0.5") == 4
    result = verdict(other)
    found = check(result, "turn_exact")
    assert (result["verdict"], found["status"]) == ("inconclusive", "inconclusive")
    assert found["lower"] < -0.03 < found["gain"] < 0
    assert found["turns_needed"] > 80
    assert gate(one, other, "--margin", "turn_exact=0.2") == 0


def test_few_sessions_never_pass_on_statistics_alone(run):
    few = ("--limit-sessions", "10")
    one, other = run("one", "good", words=few), run("other", "good", words=few)
    assert gate(one, other) == 4
    result = verdict(other)
    assert "10 sessions are too few" in result["warnings"][0]
    assert check(result, "turn_exact")["turns_needed"] == 60
    bad = run("worse", "bad", words=few)
    assert gate(one, bad) == 1


def test_a_metric_that_is_undefined_is_never_a_pass(run):
    one, other = run("one", "silent"), run("other", "silent")
    assert gate(one, other) == 4
    found = check(verdict(other), "parse_rate")
    assert (found["candidate"], found["status"]) == (None, "inconclusive")


def test_a_floor_that_both_sides_break_is_no_regression_but_5_and_says_both_values(run, capsys):
    one, other = run("one", "garbled"), run("other", "garbled")
    capsys.readouterr()
    assert gate(one, other) == 5
    line = "FLOOR: parse_rate is 0.0, below its floor of 98; the baseline has 0.0"
    assert capsys.readouterr().out.splitlines()[0] == line
    result = verdict(other)
    assert result["verdict"] == "floor"
    assert check(result, "parse_rate")["status"] == "fail"
    assert check(result, "parse_rate")["reason"] == "the floor is broken, and the baseline breaks it too"
    assert check(result, "turn_exact")["status"] == "pass"


def test_what_a_model_wrote_cannot_become_markup_in_the_summary(run, tmp_path, monkeypatch):
    hostile = call("get_weather", city="<img src=x> [a](javascript:b) | `c`\u0000")
    monkeypatch.setitem(ANSWERS, "hostile", lambda _: hostile)
    one, other = run("one", "good"), run("other", "hostile")
    assert gate(one, other, "--summary", "gate.md", "--junit", "gate.xml") == 1
    summary = (tmp_path / "gate.md").read_text()
    assert "&lt;img" in summary
    assert "<img" not in summary
    assert "](" not in summary
    ElementTree.parse(tmp_path / "gate.xml")


def test_a_blessed_run_is_the_baseline_by_its_name(run, capsys):
    one = run("one", "bad", "good")
    assert main(["bless", str(one), "--as", "best", "--model", "good"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"baseline": "best", "run": "runs/baselines/best"}
    other = run("other", "bad")
    assert gate("best", other) == 1
    assert verdict(other)["baseline"] == {"run": "runs/baselines/best", "run_id": "one", "model": "good"}
    assert main(["bless", str(other), "--as", "best"]) == 0
    assert gate("best", "other") == 0


def test_bless_says_what_it_replaces_and_keeps_it_as_a_baseline_with_another_name(run, capsys):
    one, other = run("one", "good"), run("other", "bad")
    assert main(["bless", str(one), "--as", "best"]) == 0
    assert "replaces" not in capsys.readouterr().err
    assert main(["bless", str(other), "--as", "best"]) == 0
    told = capsys.readouterr()
    kept = Path(json.loads(told.out.splitlines()[-1])["kept"])
    assert f"it replaces good of one, which is kept as '{kept.name}'" in told.err
    assert kept.name.startswith("best.20")
    assert sorted(path.name for path in Path("runs/baselines").iterdir()) == ["best", kept.name]
    assert (kept / "outcomes.jsonl").read_bytes() == (one / "outcomes.jsonl").read_bytes()
    assert (gate(kept.name, other), gate("best", other)) == (1, 0)
    assert main(["bless", str(one), "--as", "best"]) == 0
    assert len(list(Path("runs/baselines").iterdir())) == 3


def test_a_baseline_that_cannot_be_read_is_replaced_and_kept_all_the_same(run, capsys):
    one = run("one", "good")
    assert main(["bless", str(one), "--as", "best"]) == 0
    Path("runs/baselines/best/baseline.json").write_text("{")
    assert main(["bless", str(one), "--as", "best"]) == 0
    assert "it replaces a baseline that cannot be read, which is kept as 'best.20" in capsys.readouterr().err
    assert gate("best", one) == 0


def test_an_unfinished_run_cannot_be_blessed(run):
    one = Run(run("one", "good"))
    one.write_info(one.info().model_copy(update={"finished": None}))
    with pytest.raises(UserError, match="unfinished"):
        main(["bless", str(one.path)])


@pytest.mark.parametrize("text", ["turn_exact", "turn_exact=x", "turn_exact=-1", "turn_exact=nan", "no_such=0.1"])
def test_a_margin_that_makes_no_sense_is_refused(run, text):
    one = run("one", "good")
    with pytest.raises(UserError, match=r"expected METRIC=X|is unknown"):
        gate(one, one, "--margin", text)


def test_the_configuration_sets_margins_and_floors(run, make_domain):
    one, other = run("one", "good"), run("other", "shaky")
    lenient = make_domain("lenient", sessions=1, gate={"margins": {"turn_exact": 0.3}, "floors": {"name_f1": 0.5}})
    assert gate(one, other, "--config", lenient.config) == 0
    assert [each["metric"] for each in verdict(other)["checks"]] == ["turn_exact", "name_f1"]


def test_without_a_configuration_the_one_that_the_candidate_ran_with_is_taken(run, monkeypatch):
    one = run("one", "good")
    monkeypatch.setenv("LLM_GATE__MARGINS", '{"turn_exact": 0.3}')
    other = run("other", "shaky")
    assert gate(one, other) == 0
    assert check(verdict(other), "turn_exact")["limit"] == 0.3


def slice_floors(make_domain, name: str, floors: dict[str, dict[str, float]]) -> Path:
    return make_domain(name, sessions=1, gate={"margins": {}, "floors": {}, "slice_floors": floors}).config


def test_a_slice_has_floors_of_its_own(run, make_domain):
    one, other = run("one", "good"), run("other", "shaky")
    held = {"tag=even": {"turn_exact": 0.97}, "gold_calls=0": {"hallucination_rate": 0.0}}
    assert gate(one, other, "--config", slice_floors(make_domain, "lenient", held)) == 0
    broken = slice_floors(make_domain, "strict", {"tag=*": {"turn_exact": 0.98}})
    assert gate(one, other, "--config", broken) == 5
    found = {each["slice"]: each for each in verdict(other)["checks"]}
    assert {name: each["status"] for name, each in found.items()} == {"tag=even": "fail", "tag=odd": "fail"}
    assert (found["tag=odd"]["baseline"], found["tag=odd"]["candidate"], found["tag=odd"]["n"]) == (1.0, 0.975, 40)


def test_a_slice_that_holds_no_turn_is_never_a_pass(run, make_domain):
    one = run("one", "good")
    other = run("other", "good")
    assert gate(one, other, "--config", slice_floors(make_domain, "sliced", {"tool=gone*": {"turn_exact": 0.1}})) == 4
    found = check(verdict(other), "turn_exact")
    assert (found["slice"], found["n"]) == ("tool=gone*", 0)
    assert "no turn is in this slice" in found["reason"]


def test_floors_of_slices_are_test_cases_and_rows(run, make_domain, tmp_path):
    one, other = run("one", "good"), run("other", "bad")
    floors = slice_floors(make_domain, "sliced", {"tool=get_weather": {"arg_exact": 0.5}})
    assert gate(one, other, "--config", floors, "--junit", "g.xml", "--summary", "g.md") == 5
    failed = ElementTree.parse(tmp_path / "g.xml").findall("testcase[failure]")
    assert [(case.get("classname"), case.get("name")) for case in failed] == [
        ("gate.floor", "arg_exact of tool=get_weather")
    ]
    row = "| ✗ | `arg_exact` of `tool=get_weather` | 100.0 | 0.0 |  | floor 50 | n 40 | the floor is broken |"
    assert row in (tmp_path / "g.md").read_text()


def test_repeats_count_within_their_turn_and_flip_it_where_one_is_wrong(run, monkeypatch):
    numbers = itertools.count()
    monkeypatch.setitem(ANSWERS, "moody", lambda payload: wrong(payload) if next(numbers) % 40 == 0 else right(payload))
    twice = ("--repeats", "2")
    one, other = run("one", "good", words=twice), run("other", "moody", words=twice)
    margins = [f"{name}=0.2" for name in ("turn_exact", "name_f1", "hallucination_rate")]
    assert gate(one, other, *(word for margin in margins for word in ("--margin", margin))) == 0
    result = verdict(other)
    assert (result["turns"], check(result, "turn_exact")["n"]) == (80, 80)
    assert check(result, "turn_exact")["candidate"] == pytest.approx(1 - 4 / 160)
    assert len(result["broken"]) == 4
    assert gate(one, run("once", "good")) == 3


def test_a_lost_repeat_is_an_unfinished_run(run):
    twice = ("--repeats", "2")
    one, other = run("one", "good", words=twice), run("other", "good", words=twice)
    path = other / "outcomes.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert gate(one, other) == 3
    assert "159 of 160 answers" in verdict(other)["problems"][0]


def test_of_a_run_with_both_channels_the_raw_one_is_compared_unless_told(run, monkeypatch):
    function = {"name": "get_weather", "arguments": '{"city": "Nowhere"}'}
    served = ({"id": "1", "type": "function", "function": function},)

    def answer(payload):
        return Script(tool_calls=served) if payload["tool_choice"] == "auto" else right(payload)

    both = ("--channel", "both")
    one = run("one", "good", words=both)
    monkeypatch.setitem(ANSWERS, "split", answer)
    other = run("other", "split", words=both)
    assert gate(one, other, "--margin", "turn_exact=1") == 0
    assert verdict(other)["turns"] == 80
    assert gate(one, other, "--channel", "served") == 1
    raw = run("raw", "good")
    assert gate(one, raw) == 3
    assert any("channel: both against raw" in problem for problem in verdict(raw)["problems"])
    with pytest.raises(UserError, match="leave it out: the run has raw"):
        gate(raw, raw, "--channel", "served")


@pytest.mark.parametrize(("field", "value"), [("scorer", 99), ("channel", "served"), ("match", "bfcl")])
def test_another_scorer_channel_or_comparison_is_invalid(run, field, value):
    one, other = run("one", "good"), run("other", "good")
    path = other / "run.json"
    info = json.loads(path.read_text())
    info["identity"][field] = value
    path.write_text(json.dumps(info))
    assert gate(one, other) == 3
    assert any(f"differ in {field}: " in problem for problem in verdict(other)["problems"])
