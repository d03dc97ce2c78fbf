"""Whatever would spoil a training is found before it, and what is shown of a row is what the loss looks at."""

import html
import io
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from template_tokenizers import LOSE_CALLS, template_tokenizer, trl_template

from callproof.config import ModelConfig, PromptConfig, RunConfig, load
from callproof.console.html import source_hash
from train.before.check import Found, check
from train.before.preview import findings, print_examples, print_report, segments, visible, write_html
from train.cli import main
from train.rows.encode import IGNORED, Encoder

transformers = pytest.importorskip("transformers")

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False},
        },
    }
    for name in ("get_weather", "get_tides")
]
HOSTILE = "</pre><script>alert(1)</script>\x1b[2J\x07\u202e&amp;"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(transformers.AutoTokenizer.from_pretrained(str(ROOT / "models/tiny")))


def session(name: str, user: str, *answers: dict[str, Any]) -> dict[str, Any]:
    messages = [{"role": "user", "content": user}, *({"role": "assistant", **answer} for answer in answers)]
    return {"session_id": name, "messages": messages}


def call(**arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"name": "get_weather", "arguments": arguments}]}


def words(prefix: str, count: int = 30) -> str:
    return " ".join(f"{prefix}{number}" for number in range(count))


GOOD = {
    "train": [
        session("t1", words("a"), {"content": "Which city?"}),
        session("t2", words("b"), call(city="Bern")),
        session("t3", words("c"), {"content": "Let me see.", **call(city="Chur")}),
    ],
    "eval": [session("e1", words("d"), call(city="Thun"))],
}


def write(folder: Path, splits: dict[str, list[dict[str, Any]]], **data: Any) -> RunConfig:
    """A configuration of a domain with these sessions."""
    (folder / "sessions").mkdir(parents=True, exist_ok=True)
    (folder / "system_prompt.md").write_text("You help.\n")
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    for split, sessions in splits.items():
        lines = "".join(json.dumps(each) + "\n" for each in sessions)
        (folder / "sessions" / f"{split}.jsonl").write_text(lines)
    text = json.dumps({"name": "demo", "data": {"domain": str(folder), **data}})
    (folder / "run.yaml").write_text(text)
    return load(folder / "run.yaml")


def found_in(folder: Path, encoder: Encoder | str, splits: dict[str, Any], show: int = 0, **data: Any) -> Found:
    return check(write(folder, splits, **data), encoder, show)


def test_counts_are_those_of_the_sessions(tmp_path: Path, encoder: Encoder) -> None:
    report = found_in(tmp_path, encoder, GOOD).report
    train = report.splits["train"]
    assert (train.sessions, train.turns, train.no_call_share) == (3, 3, 1 / 3)
    assert train.responses == {"text": 1, "calls": 1, "text and calls": 1, "empty": 0}
    assert train.calls == {"get_weather": 2}
    assert report.never_called == ("get_tides",)
    assert report.spoiled == []


def test_token_figures_are_those_of_the_rows_that_training_makes(tmp_path: Path, encoder: Encoder) -> None:
    from train.rows.data import encode_sessions

    config = write(tmp_path, GOOD)
    rows = encode_sessions("train", config, encoder).rows
    tokens = check(config, encoder).report.splits["train"].tokens
    assert tokens is not None
    lengths = sorted(len(row.input_ids) for row in rows)
    assert (tokens.rows, tokens.total) == (3, sum(lengths))
    assert tokens.supervised == sum(row.supervised for row in rows)
    assert tokens.percentiles == {50: lengths[1], 90: lengths[2], 99: lengths[2], 100: lengths[2]}


def test_every_rejected_gold_call_is_listed_with_its_line(tmp_path: Path, encoder: Encoder) -> None:
    bad = [*GOOD["train"], session("t4", "x", call(city=1)), session("t5", "y", call(town="Bern", city=[]))]
    report = found_in(tmp_path, encoder, {**GOOD, "train": bad}).report
    rejected = report.splits["train"].rejected
    assert [line.split(":")[1] for line in rejected] == ["4", "5", "5"]
    assert all(f"{tmp_path / 'sessions/train.jsonl'}:" in line for line in rejected)
    assert report.spoiled == ["gold calls in train that their schema rejects: 3 problems"]


def test_an_eval_session_that_is_nearly_a_training_session_spoils(tmp_path: Path, encoder: Encoder) -> None:
    leaked = session("e2", "today " + words("b"), call(city="Bern"))
    report = found_in(tmp_path, encoder, {**GOOD, "eval": [*GOOD["eval"], leaked]}).report
    assert [(pair.session_id, pair.like) for pair in report.leaks] == [("e2", "t2")]
    assert report.spoiled == ["eval sessions that are nearly training sessions: 1"]


def test_an_eval_session_that_stands_inside_a_training_session_spoils(tmp_path: Path, capsys) -> None:
    inside = session("e2", words("inside"), {"content": words("answer", 12)})
    asked, answer = inside["messages"]
    longer = [{"role": "user", "content": words("x", 90)}, {"role": "assistant", "content": "Well."}, asked, answer]
    train = [*GOOD["train"], {"session_id": "t4", "messages": longer}]
    write(tmp_path, {"train": train, "eval": [*GOOD["eval"], inside]})
    words_ = ["check", "--config", str(tmp_path / "run.yaml"), "--stats", f"model.base_model={ROOT / 'models/tiny'}"]
    assert main(words_) == 1
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(leak["session_id"], leak["like"]) for leak in report["leaks"]] == [("e2", "t4")]
    assert report["spoiled"] == ["eval sessions that are nearly training sessions: 1"]


def test_catalogs_that_no_call_fits_are_told_in_a_line_each_with_counts(tmp_path: Path) -> None:
    bad = [session(f"t{number}", words(f"q{number}"), call(city=number)) for number in range(4, 9)]
    strange = session("t9", words("z"), {"tool_calls": [{"name": "cook", "arguments": {}}]})
    report = found_in(tmp_path, "none", {**GOOD, "train": [*bad, GOOD["train"][0], strange]}).report
    file = tmp_path / "sessions/train.jsonl"
    assert report.splits["train"].misfits == (
        f"get_weather: its schema refuses all 5 recorded calls of it, first at {file}:1, {file}:2, {file}:3 ...",
        f"1 of 6 sessions with calls have a catalog that holds no tool they call (cook), first at {file}:7",
    )
    assert report.splits["eval"].misfits == ()
    assert len(dict(findings(report))["catalogs that no call fits"]) == 2


def test_a_tool_of_which_one_call_fits_is_no_misfit(tmp_path: Path) -> None:
    train = [*GOOD["train"], session("t4", words("q"), call(city=4))]
    assert found_in(tmp_path, "none", {**GOOD, "train": train}).report.splits["train"].misfits == ()


def test_duplicates_within_training_are_told_and_spoil_nothing(tmp_path: Path, encoder: Encoder) -> None:
    again = session("t4", words("b"), call(city="Bern"))
    report = found_in(tmp_path, encoder, {**GOOD, "train": [*GOOD["train"], again]}).report
    assert [(pair.session_id, pair.like, pair.similarity) for pair in report.duplicates] == [("t4", "t2", 1.0)]
    assert report.spoiled == []


def test_sessions_that_are_too_long_are_dropped_with_the_reason(tmp_path: Path, encoder: Encoder) -> None:
    long = session("t4", words("z", 900), {"content": "ok"})
    report = found_in(tmp_path, encoder, {**GOOD, "train": [*GOOD["train"], long]}, max_context_length=500).report
    (dropped,) = report.splits["train"].dropped
    assert dropped.session_id == "t4"
    assert re.fullmatch(r"\d+ tokens, over data.max_context_length 500", dropped.reason)
    assert report.splits["train"].tokens.rows == 3


def test_invented_dates_are_counted_where_a_date_line_is_asked_for(tmp_path: Path) -> None:
    dated = {**GOOD["train"][0], "session_id": "t4", "at": "2026-05-04"}
    own_prompt = {**GOOD["train"][0], "session_id": "t5", "system": "I help."}
    config = write(tmp_path, {**GOOD, "train": [*GOOD["train"], dated, own_prompt]})
    assert [split.invented_dates for split in check(config, "none").report.splits.values()] == [0, 0]
    asked = config.model_copy(update={"prompt": PromptConfig(date_line=True)})
    report = check(asked, "none").report
    assert [split.invented_dates for split in report.splits.values()] == [3, 1]
    assert report.spoiled == []
    kinds = dict(findings(report))
    told = kinds["prompts with an invented date (prompt.date_line, and the session has none)"]
    assert told == ["train: 3 of 5 sessions", "eval: 1 of 1 sessions"]


def test_a_row_for_each_answer_is_told_with_what_one_row_would_cost(tmp_path: Path) -> None:
    """Qwen3's template writes an empty think block into the last answer alone."""
    pytest.importorskip("trl")
    talk = [message for number in range(4) for message in session("", f"q{number}", {"content": "Yes."})["messages"]]
    config = write(tmp_path, {**GOOD, "train": [{"session_id": "t9", "messages": talk}]})
    tokenizer = template_tokenizer("qwen3", trl_template("qwen3"))
    split = check(config, Encoder(tokenizer)).report.splits["train"]
    assert split.many_rows is not None
    assert split.tokens is not None
    bundled = ModelConfig(chat_template="hermes").template_file
    assert bundled is not None
    tokenizer.chat_template = bundled.read_text()
    one_row = check(config, Encoder(tokenizer)).report.splits["train"]
    assert one_row.tokens is not None
    assert one_row.many_rows is None
    assert (split.many_rows.sessions, split.many_rows.rows, one_row.tokens.rows) == (1, 4, 1)
    assert (split.many_rows.tokens, split.many_rows.with_hermes) == (split.tokens.total, one_row.tokens.total)
    assert split.many_rows.sentence() == (
        f"a row for each answer: 4 rows of {split.tokens.total:,} tokens (sessions: 1); "
        f"with model.chat_template: hermes a row for each session, {one_row.tokens.total:,} tokens"
    )


def test_answers_that_evaluation_would_cut_are_named(tmp_path: Path, encoder: Encoder) -> None:
    long = session("e2", "tell all", {"content": words("w", 200)})
    report = found_in(tmp_path, encoder, {**GOOD, "eval": [*GOOD["eval"], long]}).report
    said = len(encoder.tokenizer(words("w", 200) + "<|im_end|>", add_special_tokens=False)["input_ids"])
    assert said > 256
    assert report.splits["eval"].cut_answers == (f"e2 (an answer of {said} tokens, over eval.max_tokens 256)",)


def test_nothing_left_spoils(tmp_path: Path, encoder: Encoder) -> None:
    report = found_in(tmp_path, encoder, GOOD, max_context_length=5).report
    assert report.spoiled == ["nothing is left of train", "nothing is left of eval"]
    unanswered = {**GOOD, "train": [session("t1", "hello")]}
    for each in (encoder, "no tokenizer here"):
        assert found_in(tmp_path, each, unanswered).report.spoiled == ["nothing is left of train"]


def test_without_a_tokenizer_everything_else_is_told(tmp_path: Path) -> None:
    report = found_in(tmp_path, "no tokenizer here", GOOD, show=2).report
    assert report.splits["train"].tokens is None
    assert report.splits["train"].calls == {"get_weather": 2}
    stream = io.StringIO()
    print_report(report, console(stream))
    assert "no tokenizer here" in stream.getvalue()
    assert "supervised" not in stream.getvalue()


def test_statistics_need_neither_torch_nor_transformers(tmp_path: Path) -> None:
    """In a process in which importing them fails, as it does where they are not installed."""
    write(tmp_path, GOOD)
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tokenizers', 'datasets', 'trl']));"
        f"sys.argv = ['train', 'check', '--config', '{tmp_path}/run.yaml'];"
        "from train.cli import main; sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["splits"]["train"]["turns"] == 3
    assert "pip install" in found["no_tokens"]
    assert "no figures in tokens" in done.stderr


def test_a_hub_that_nobody_answers_at_is_asked_once(tmp_path: Path) -> None:
    """Where its own library would try for the better part of a minute, and say each try."""
    write(tmp_path, GOOD)
    words = ("--config", str(tmp_path / "run.yaml"), "model.base_model=nobody/nothing")
    with socket.socket() as refusing:  # bound, but it listens to nobody
        refusing.bind(("127.0.0.1", 0))
        hub = f"http://127.0.0.1:{refusing.getsockname()[1]}"
        environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0"}
        checked, trained = (
            subprocess.run(
                [sys.executable, "-m", "train", *command, *words],
                cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
            )
            for command in (["check", "--stats"], [])
        )  # fmt: skip
    told = f"nobody/nothing: is not on this machine, and nobody answers at {hub} ("
    assert json.loads(checked.stdout)["no_tokens"].startswith(told)
    assert (checked.returncode, trained.returncode) == (0, 2)
    assert trained.stderr.splitlines()[-1].startswith(f"error: {told}")
    assert "Retrying" not in checked.stderr + trained.stderr


def run_check(*words: str | Path) -> int:
    return main(["check", *map(str, words)])


def test_the_exit_code_tells_whether_something_spoils(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    write(tmp_path, GOOD)
    assert run_check("--config", tmp_path / "run.yaml", "--stats") == 0
    assert json.loads(capsys.readouterr().out)["spoiled"] == []
    write(tmp_path, {**GOOD, "eval": GOOD["train"]})
    assert run_check("--config", tmp_path / "run.yaml", "--stats") == 1
    assert len(json.loads(capsys.readouterr().out)["leaks"]) == 3


def test_a_pattern_takes_the_place_of_the_training_sessions(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    write(tmp_path, {**GOOD, "other": [session("o1", words("q"), {"content": "Hm."})]})
    run_check("--config", tmp_path / "run.yaml", "--pattern", "sessions/other.jsonl", "--num-examples", "1")
    printed = capsys.readouterr()
    assert json.loads(printed.out)["splits"]["train"]["path"].endswith("other.jsonl")
    assert "o1 (" in printed.err


def test_rows_can_be_shown_without_the_catalog(tmp_path: Path, encoder: Encoder) -> None:
    config = write(tmp_path, GOOD)
    assert "get_tides" in check(config, encoder, 1).examples[0].row.text
    assert "get_tides" not in check(config, encoder, 1, with_catalog=False).examples[0].row.text


@pytest.mark.parametrize("name", ["car_sales", "insurance"])
def test_what_is_marked_is_exactly_what_the_assistant_says_with_its_end(
    name: str, encoder: Encoder, monkeypatch
) -> None:
    monkeypatch.chdir(ROOT)
    config = load(f"configs/{name}.yaml", ["data.train=sessions/eval.jsonl"])
    for example in check(config, encoder, 20).examples:
        pieces = segments(example.row, encoder.tokenizer)
        assert "".join(piece.text for piece in pieces) == example.row.text
        marked = [piece.text for piece in pieces if piece.supervised]
        turns = example.row.text.split("<|im_start|>assistant\n")[1:]
        assert marked == [turn[: turn.index("<|im_end|>") + len("<|im_end|>")] for turn in turns]
        learnt = [
            token for token, label in zip(example.row.input_ids, example.row.labels, strict=True) if label != IGNORED
        ]
        assert encoder.tokenizer("".join(marked), add_special_tokens=False)["input_ids"] == learnt


def console(stream: io.StringIO, colours: bool = False) -> Any:
    from rich.console import Console

    return Console(file=stream, force_terminal=colours, color_system="standard" if colours else None, width=100)


def test_supervised_text_is_coloured_and_bracketed_where_there_are_no_colours(tmp_path: Path, encoder: Encoder) -> None:
    examples = found_in(tmp_path, encoder, GOOD, show=1).examples
    plain, coloured = io.StringIO(), io.StringIO()
    print_examples(examples, encoder.tokenizer, console(plain))
    print_examples(examples, encoder.tokenizer, console(coloured, colours=True))
    assert "⟦Which city?<|im_end|>⟧" in plain.getvalue()
    assert "\x1b[1;32mWhich city?<|im_end|>" in coloured.getvalue()


def test_hostile_sessions_command_no_terminal_and_no_browser(tmp_path: Path, encoder: Encoder) -> None:
    markup = "</pre><script>alert(1)</script>&amp;"
    hostile = session(f"id{markup}", f"{HOSTILE} [bold red]x[/]", {"content": HOSTILE})
    found = found_in(tmp_path, encoder, {**GOOD, "train": [hostile, hostile | {"session_id": markup}]}, show=2)
    stream = io.StringIO()
    print_examples(found.examples, encoder.tokenizer, console(stream))
    print_report(found.report, console(stream))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", stream.getvalue())
    assert "[bold red]x[/]" in stream.getvalue()
    write_html(tmp_path / "page.html", found, encoder.tokenizer)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page)
    assert html.escape(visible(HOSTILE)) in page


def test_the_page_admits_its_own_style_alone_and_marks_what_is_learnt(tmp_path: Path, encoder: Encoder) -> None:
    write_html(tmp_path / "page.html", found_in(tmp_path, encoder, GOOD, show=3), encoder.tokenizer)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    assert f"default-src 'none'; style-src {source_hash(style)};" in page
    marked = [html.unescape(text) for text in re.findall("<mark>(.*?)</mark>", page, re.DOTALL)]
    assert marked[0] == "Which city?<|im_end|>"
    assert len(marked) == 3
    assert not re.search(r"<[^>]*\s(src|href|on\w+)\s*=", page)


@pytest.mark.parametrize("name", LOSE_CALLS)
def test_a_template_that_loses_calls_is_refused_and_the_bundled_one_is_not(name: str, tmp_path: Path) -> None:
    pytest.importorskip("trl")
    tokenizer = template_tokenizer(name, trl_template(name))
    config = write(tmp_path, GOOD)
    report = check(config, Encoder(tokenizer)).report
    refused = [*report.splits["train"].unrenderable, *report.splits["eval"].unrenderable]
    named = [re.findall(r"\.jsonl:\d: session '(\w\d)'.*model\.chat_template: hermes", line) for line in refused]
    assert named[-3:] == [["t2"], ["t3"], ["e1"]]  # and those that write no tools write not even t1
    count = len(named) - 1
    assert report.spoiled[0].startswith(f"sessions in train that the chat template cannot write: {count} (")
    assert report.spoiled[0].count("train.jsonl:") == count
    bundled = ModelConfig(chat_template="hermes").template_file
    assert bundled is not None
    tokenizer.chat_template = bundled.read_text()
    assert check(config, Encoder(tokenizer)).report.spoiled == []
