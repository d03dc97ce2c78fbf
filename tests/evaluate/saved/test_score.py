import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import FakeEndpoint
from weather import Domain, call, right

from callproof.errors import UserError
from evaluate.cli import main
from evaluate.runs import Run, read_outcomes
from evaluate.saved import score as scoring

pytest_plugins = ["weather_plugin"]


@pytest.fixture
def turns(domain: Domain) -> Path:
    """The turns file of a replayed run of three sessions."""
    with FakeEndpoint(right) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--model", "tiny", "--run-id", "r"]
        assert main([*words, "--limit-sessions", "3"]) == 0
    return domain.runs / "r" / "turns.jsonl"


@pytest.fixture
def score(turns: Path, tmp_path: Path) -> Callable[..., int]:
    def run(rows: list[dict[str, Any]], *words: str) -> int:
        answers = tmp_path / "answers.jsonl"
        answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return main(["score", "--turns", str(turns), "--answers", str(answers), "--out", "scored", *words])

    return run


def right_rows() -> list[dict[str, Any]]:
    weather = [{"turn_id": f"weather-{n:03}/1", "text": call("get_weather", city=f"City{n}")} for n in range(3)]
    return weather + [{"turn_id": f"weather-{n:03}/5", "text": "Bye."} for n in range(3)]


def scored() -> dict[str, str]:
    return {outcome.turn_id: outcome.outcome for outcome in read_outcomes(Path("scored/outcomes.jsonl"))}


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_saved_answers_are_scored_without_an_endpoint(score, capsys):
    assert score(right_rows()) == 0
    found = last_line(capsys)
    assert found["models"]["model"]["turn_exact"] == 1.0
    assert (found["missing"], found["unknown"]) == (0, 0)
    assert sorted(path.name for path in Path("scored").iterdir() if path.name[0] != ".") == [
        "metrics.json", "outcomes.jsonl", "report.html", "run.json", "turns.jsonl",
    ]  # fmt: skip


def test_a_turn_without_an_answer_is_unanswered_and_an_answer_without_a_turn_is_counted(score, capsys):
    assert score([*right_rows()[1:], {"turn_id": "elsewhere/1", "text": ""}]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert (found["missing"], found["unknown"]) == (1, 1)
    assert "1 turns without an answer: weather-000/1" in captured.err
    assert "1 answers to unknown turns: elsewhere/1" in captured.err
    assert scored()["weather-000/1"] == "infra_error"
    assert found["models"]["model"]["n"] == 6


def test_chat_completions_are_read_as_the_server_gave_them(score):
    gold = call("get_weather", city="City0")
    completion = {"choices": [{"message": {"role": "assistant", "content": gold}, "finish_reason": "stop"}]}
    cut = {"choices": [{"message": {"content": gold[:30]}, "finish_reason": "length"}], "turn_id": "weather-001/1"}
    assert score([{"turn_id": "weather-000/1", "response": completion}, cut]) == 0
    assert scored()["weather-000/1"] == "ok"
    assert scored()["weather-001/1"] == "truncated"


def test_the_served_channel_scores_the_calls_of_the_server(score):
    function = {"name": "get_weather", "arguments": '{"city": "City0"}'}
    message = {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]}
    row = {"turn_id": "weather-000/1", "response": {"choices": [{"message": message}]}}
    assert score([row], "--channel", "served") == 0
    assert scored()["weather-000/1"] == "ok"
    assert Run(Path("scored")).info().identity.channel == "served"


def test_answers_of_several_models_are_told_apart_and_compared(score, capsys):
    rows = [{**row, "model": "a"} for row in right_rows()] + [{**row, "model": "b"} for row in right_rows()]
    rows[0]["text"] = "Hm."
    assert score(rows, "--baseline-model", "b") == 0
    assert set(last_line(capsys)["models"]) == {"a", "b"}
    metrics = json.loads(Path("scored/metrics.json").read_text())
    assert metrics["baseline_model"] == "b"
    assert metrics["differences"]["a"]["turn_exact"]["value"] == pytest.approx(-1 / 6)


def test_bfcls_comparison_is_chosen_by_name_and_part_of_the_runs_identity(score):
    rows = [{"turn_id": "weather-000/1", "text": call("get_weather", city="CITY 0")}]
    assert score(rows) == 0
    assert (scored()["weather-000/1"], Run(Path("scored")).info().identity.match) == ("wrong_args", "strict")
    assert score(rows, "--match", "bfcl") == 0
    assert (scored()["weather-000/1"], Run(Path("scored")).info().identity.match) == ("ok", "bfcl")


def test_bfcls_handler_is_found_or_named_for_each_model(score, capsys):
    rows = [
        {"turn_id": "weather-000/1", "model": "m", "text": "get_weather(city='City0')"},
        {"turn_id": "weather-000/1", "model": "gpt-4", "text": "[get_weather(city='City0')]"},
    ]
    assert score(rows, "--match", "bfcl") == 0
    captured = capsys.readouterr()
    formats = json.loads(captured.out.splitlines()[-1])["formats"]
    assert formats == Run(Path("scored")).info().formats == {"m": "command_r", "gpt-4": "gpt"}
    assert "m: read as command_r (" in captured.err
    assert [outcome.outcome for outcome in read_outcomes(Path("scored/outcomes.jsonl"))][:2] == ["ok", "ok"]
    assert score(rows, "--match", "bfcl", "--format", "gpt") == 0
    assert last_line(capsys)["formats"] == {"m": "gpt", "gpt-4": "gpt"}


def test_a_handler_that_is_not_known_or_not_asked_for_is_refused(score):
    with pytest.raises(UserError, match=r"--format falcon: is not known with --match bfcl; choose of: auto, strict, "):
        score(right_rows(), "--match", "bfcl", "--format", "falcon")
    with pytest.raises(UserError, match=r"--format gpt: 'gpt' is no format that can be read here"):
        score(right_rows(), "--format", "gpt")


def test_each_repeat_is_an_answer_of_its_own(score):
    rows = [{**row, "repeat": repeat} for row in right_rows() for repeat in (0, 1)]
    assert score(rows) == 0
    found = [(outcome.turn_id, outcome.repeat) for outcome in read_outcomes(Path("scored/outcomes.jsonl"))]
    assert sorted(found) == sorted((row["turn_id"], row["repeat"]) for row in rows)
    with pytest.raises(UserError, match=r"answers.jsonl:13: turn 'weather-000/1' was answered before"):
        score([*rows, rows[0]])


def test_answers_over_the_other_channel_are_left_out_and_counted(score, capsys):
    first, *others = right_rows()
    assert score([{**first, "channel": "served"}, *({**row, "channel": "raw"} for row in others)]) == 0
    assert "1 answers of the other channel are left out" in capsys.readouterr().err
    assert scored()[first["turn_id"]] == "infra_error"


def test_the_outcomes_of_a_run_can_be_scored_again_with_the_same_result(turns):
    answers = str(turns.with_name("outcomes.jsonl"))
    replayed = Run(turns.parent).metrics_path.read_text()
    assert main(["score", "--turns", str(turns), "--answers", answers, "--out", "scored"]) == 0
    assert json.loads(Run(Path("scored")).metrics_path.read_text())["models"] == json.loads(replayed)["models"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": "x"}, "answers.jsonl:2: expected a `turn_id`"),
        ({"turn_id": "weather-001/1", "text": "x", "repeat": "1"}, "answers.jsonl:2: expected `model` as text"),
        ({"turn_id": "weather-001/1", "text": "x", "repeat": 10**12}, "answers.jsonl:2: expected `model` as text"),
        ({"turn_id": "weather-001/1", "text": 5}, "answers.jsonl:2: holds no answer: content is no text but int"),
        ({"turn_id": "weather-001/1", "response": {}}, "answers.jsonl:2: holds no answer: the answer has no choices"),
        ({"turn_id": "weather-001/1", "text": "H", "finish_reason": "abort"}, "answers.jsonl:2: holds no answer: the"),
    ],
)
def test_a_line_that_is_no_answer_is_an_infra_error_told_with_its_place(score, capsys, row, problem):
    assert score([right_rows()[0], row]) == 0
    captured = capsys.readouterr()
    assert problem in captured.err
    assert json.loads(captured.out.splitlines()[-1])["unreadable"] == 1
    assert (scored()["weather-000/1"], scored()["weather-001/1"]) == ("ok", "infra_error")


def test_a_second_answer_to_a_turn_is_refused_with_its_place(score):
    with pytest.raises(UserError, match=r"answers.jsonl:2: turn 'weather-000/1' was answered before"):
        score([right_rows()[0], {"turn_id": "weather-000/1", "text": "x"}])


def test_an_error_that_was_saved_is_an_infra_error_with_its_words(score):
    error = {"error": {"message": "CUDA out of memory", "code": 500}}
    assert (
        score([right_rows()[0], {"turn_id": "weather-001/1", **error}, {"turn_id": "weather-002/1", "response": error}])
        == 0
    )
    reasons = {outcome.turn_id: outcome.reasons for outcome in read_outcomes(Path("scored/outcomes.jsonl"))}
    assert "CUDA out of memory" in reasons["weather-001/1"][0]
    assert "CUDA out of memory" in reasons["weather-002/1"][0]


CALLED = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "City0"}'}}


@pytest.mark.parametrize(
    "row",
    [
        {"response": {"choices": [{"message": {"content": None, "tool_calls": [CALLED]}}]}},
        {"message": {"role": "assistant", "content": None, "tool_calls": [CALLED]}},
        {"content": [], "tool_calls": [CALLED]},
        {"text": "", "tool_calls": [CALLED]},
    ],
)
def test_saved_tool_calls_are_scored_on_the_raw_channel_too_and_told(score, capsys, row):
    assert score([{"turn_id": "weather-000/1", **row}]) == 0
    captured = capsys.readouterr()
    assert scored()["weather-000/1"] == "ok"
    assert "1 answers bring tool_calls though raw text was asked for" in captured.err
    assert "calls as tool_calls of the server in 1 answers" in captured.out


def mistral(city: str) -> str:
    return f'[TOOL_CALLS] [{{"name": "get_weather", "arguments": {{"city": "{city}"}}}}]'


def test_the_format_of_saved_answers_is_the_one_that_reads_most_of_them(score, capsys):
    rows = [{"turn_id": f"weather-{n:03}/1", "text": mistral(f"City{n}")} for n in range(2)]
    rows += [{"turn_id": "weather-002/1", "text": call("get_weather", city="City2")}]
    assert score(rows) == 0
    captured = capsys.readouterr()
    assert "format: mistral, which reads calls in 2 of 3 answers" in captured.err
    assert "1 answers write calls otherwise than mistral does (in hermes 1)" in captured.err
    assert "calls in mistral in 2 answers, in hermes in 1; no call in 0" in captured.out
    assert [scored()[f"weather-{n:03}/1"] for n in range(3)] == ["ok", "ok", "parse_error"]
    assert Run(Path("scored")).info().identity.format == "mistral"


def test_a_format_that_is_named_is_scored_whatever_the_answers_look_like(score):
    rows = [{"turn_id": "weather-000/1", "text": mistral("City0")}, {"turn_id": "weather-000/5", "text": mistral("X")}]
    assert score(rows, "--format", "hermes") == 0
    assert (scored()["weather-000/1"], scored()["weather-000/5"]) == ("parse_error", "hallucinated_call")


def test_an_unknown_format_is_refused_unless_the_server_reads_the_calls(score):
    with pytest.raises(UserError, match=r"--format other: .* --channel served, or one of: .*hermes.*mistral"):
        score(right_rows(), "--format", "other")
    assert (
        score(
            [{"turn_id": "weather-000/1", "text": "", "tool_calls": [CALLED]}],
            "--format",
            "other",
            "--channel",
            "served",
        )
        == 0
    )
    assert (scored()["weather-000/1"], Run(Path("scored")).info().identity.format) == ("ok", "other")


def test_without_a_call_there_is_no_format_to_find(score, capsys):
    assert score([{"turn_id": "weather-000/5", "text": "Bye."}]) == 0
    assert "format: hermes, for lack of any call in 1 answers" in capsys.readouterr().err


def test_answers_to_other_turns_altogether_are_refused(score):
    with pytest.raises(UserError, match="answers no turn of"):
        score([{"turn_id": "elsewhere", "text": ""}])


def test_a_model_that_has_answered_none_of_the_turns_is_refused(score):
    with pytest.raises(UserError, match=r"'b' answers no turn of .*; leave its answers out, or give the turns"):
        score([*right_rows(), {"turn_id": "elsewhere", "text": "", "model": "b"}])
    assert not Path("scored").exists()


@pytest.fixture
def many_turns(turns: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often each turn stands in the turns file now, under names of its own; processes share the work."""
    monkeypatch.setattr(scoring, "_BYTES_AT_ONCE", 2**16)
    times = 200
    rows = [json.loads(line) for line in turns.read_text().splitlines()]
    renamed = ({**row, "turn_id": f"{row['turn_id']}#{n}"} for n in range(times) for row in rows)
    turns.write_text("".join(json.dumps(row) + "\n" for row in renamed))
    return times


def test_many_turns_are_scored_in_the_order_of_their_file(score, many_turns, turns, capsys):
    rows = [{**row, "turn_id": f"{row['turn_id']}#{n}"} for n in range(many_turns) for row in right_rows()]
    assert score(rows[::-1][1:]) == 0
    found = last_line(capsys)
    assert (found["missing"], found["models"]["model"]["n"]) == (1, 6 * many_turns)
    assert list(scored()) == [json.loads(line)["turn_id"] for line in turns.read_text().splitlines()]
    assert Path("scored/turns.jsonl").read_bytes() == turns.read_bytes()
    assert list(scored().values()).count("ok") == 6 * many_turns - 1


@pytest.mark.parametrize("line", [3, 1100])
def test_a_bad_line_among_many_turns_is_told_with_its_place(score, many_turns, turns, line):
    lines = turns.read_text().splitlines(keepends=True)
    assert len(lines) == 6 * many_turns
    lines[line - 1] = lines[line - 1].replace('"messages"', '"mesages"')
    turns.write_text("".join(lines))
    with pytest.raises(UserError, match=rf"turns.jsonl:{line}: messages: Field required"):
        score([{"turn_id": "weather-000/1#0", "text": "Hm."}])
    assert not Path("scored").exists()


def test_answers_in_any_order_give_the_same_figures(score):
    assert score(right_rows()) == 0
    figures = Run(Path("scored")).metrics_path.read_text()
    assert score(right_rows()[::-1]) == 0
    assert Run(Path("scored")).metrics_path.read_text() == figures


@pytest.fixture
def bad_gold(turns: Path) -> Path:
    """The turns file with a gold call in its third line that its own schema refuses."""
    rows = [json.loads(line) for line in turns.read_text().splitlines()]
    rows[2]["gold"][0]["arguments"] = {"city": 5}
    turns.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return turns


BAD = "turns.jsonl:3: {}get_weather: city: 5 is not of type 'string'"


@pytest.mark.usefixtures("bad_gold")
def test_gold_that_breaks_its_own_schema_is_an_error_with_its_line(score):
    with pytest.raises(UserError, match=re.escape(BAD.format("gold of turn 'weather-001/1' breaks its own schema: "))):
        score(right_rows())
    assert not Path("scored").exists()


def test_bad_gold_is_left_out_with_its_answers_and_counted(bad_gold, score, capsys):
    assert score(right_rows(), "--drop-bad-gold") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert (found["bad_gold"], found["missing"], found["unknown"]) == (1, 0, 0)
    assert (found["models"]["model"]["n"], found["models"]["model"]["turn_exact"]) == (5, 1.0)
    assert BAD.format("weather-001/1: ") in captured.err
    assert "1 turns, which are left out" in captured.err
    info = Run(Path("scored")).info()
    assert info.warnings == ("the gold of 1 turns breaks its own schema, and is left out",)
    assert (info.turns, len(list(Run(Path("scored")).turns()))) == (5, 5)
    assert info.identity.turns != Run(bad_gold.parent).info().identity.turns


@pytest.mark.usefixtures("bad_gold")
def test_bad_gold_counts_where_that_is_asked_for(score, capsys):
    assert score(right_rows(), "--keep-bad-gold") == 0
    found = last_line(capsys)
    assert (found["bad_gold"], found["models"]["model"]["n"]) == (1, 6)
    assert found["models"]["model"]["turn_exact"] == pytest.approx(5 / 6)


def test_a_turns_file_never_loses_turns(bad_gold, score):
    before = bad_gold.read_bytes()
    bad_gold.with_name("run.json").unlink()
    with pytest.raises(UserError, match="would lose the turns that are dropped; choose another --out"):
        score(right_rows(), "--drop-bad-gold", "--out", str(bad_gold.parent))
    assert bad_gold.read_bytes() == before


def test_a_file_of_nothing_but_bad_gold_is_refused(bad_gold, score):
    bad_gold.write_text(bad_gold.read_text().splitlines(keepends=True)[2])
    with pytest.raises(UserError, match="holds no turns but 1 with bad gold"):
        score(right_rows(), "--drop-bad-gold")


def test_a_replayed_run_is_not_overwritten(turns):
    answers = str(turns.with_name("outcomes.jsonl"))
    with pytest.raises(UserError, match="holds a replayed run"):
        main(["score", "--turns", str(turns), "--answers", answers, "--out", str(turns.parent)])
