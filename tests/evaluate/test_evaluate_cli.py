import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_endpoint import FakeEndpoint
from programs import run_program
from weather import Domain, Refused, right, session

from callproof.errors import UserError
from evaluate.cli import main

pytest_plugins = ["weather_plugin"]

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "pandas", "vllm", "datasets", "openai")


def test_help_answers_in_under_a_second_with_nothing_heavy():
    code = (
        "import sys; from evaluate.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    )
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 1
    modules = done.stdout.splitlines()[-1].split()
    assert not set(modules) & {*HEAVY, "numpy", "pydantic", "aiohttp", "rich"}


def test_what_asks_nobody_imports_no_client():
    code = "import sys, evaluate.saved.command, evaluate.gate; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & {*HEAVY, "aiohttp", "rich", "jinja2"}


def test_a_replay_imports_nothing_heavy(domain: Domain):
    code = "import sys; from evaluate.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    with FakeEndpoint(right) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--model", "tiny", "--limit-sessions", "2"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert not set(done.stdout.splitlines()[-1].split()) & set(HEAVY)


def test_the_command_exits_with_2_after_one_line_and_no_traceback():
    done = run_program("evaluate", "--config", "nowhere.yaml", "--model", "tiny", cwd=Path.cwd())
    assert (done.returncode, done.stdout) == (2, "")
    problem = "error: nowhere.yaml: cannot be read (No such file or directory); check the path: it is relative to"
    assert done.stderr.startswith(f"{problem} the working directory, /")


def test_a_dead_endpoint_is_told_in_one_line_before_anything_is_written(domain: Domain, refused: Refused):
    line = refused("--endpoint", "http://127.0.0.1:9", "--config", domain.config, "--model", "tiny")
    assert "http://127.0.0.1:9/v1/models" in line
    assert "callproof serve" in line
    assert not domain.runs.exists()


def test_an_unknown_model_name_is_told_with_those_that_are_served(domain: Domain, refused: Refused):
    with FakeEndpoint(right, models=["tiny", "car_sales"]) as fake:
        line = refused("--endpoint", fake.url, "--config", domain.config, "--model", "tyni")
    assert "--model tyni" in line
    assert "served there: tiny, car_sales" in line
    assert not domain.runs.exists()


def _unknown_key(domain: Domain) -> str:
    domain.config.write_text(domain.config.read_text() + "evla: {}\n")
    return "unknown key 'evla'; did you mean 'eval'?"


def _no_sessions(domain: Domain) -> str:
    domain.sessions.unlink()
    return f"{domain.sessions}: cannot be read"


def _malformed_line(domain: Domain) -> str:
    domain.sessions.write_text(json.dumps(session(1)) + "\n{not json\n")
    return f"{domain.sessions}:2: malformed JSON"


def _bad_schema(domain: Domain) -> str:
    path = domain.root / "tools.json"
    path.write_text(path.read_text().replace('"integer"', '"number of days"'))
    return f"{path}: the calls of tool 'get_weather' are not checked"


def _bad_gold(domain: Domain) -> str:
    bad = session(2)
    bad["messages"][1]["tool_calls"][0]["arguments"] = {"town": "Bern"}
    domain.sessions.write_text(json.dumps(session(1)) + "\n" + json.dumps(bad) + "\n")
    return f"{domain.sessions}:2: message 1: call of 'get_weather' is rejected"


@pytest.mark.parametrize("spoil", [_unknown_key, _no_sessions, _malformed_line, _bad_gold])
def test_a_mistake_in_a_file_is_one_line_with_its_place(
    domain: Domain, refused: Refused, spoil: Callable[[Domain], str]
):
    assert spoil(domain) in refused("--config", domain.config, "--model", "tiny")


def test_a_tool_whose_schema_cannot_be_used_is_named_once_and_its_gold_is_listed(
    domain: Domain, capsys: pytest.CaptureFixture[str]
):
    place = _bad_schema(domain)
    with pytest.raises(UserError, match="endpoint"):
        main(["--config", str(domain.config), "--model", "tiny", "--endpoint", "http://127.0.0.1:9"])
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith(place) for line in lines) == 1
    calls = sum("get_weather" in line for line in domain.sessions.read_text().splitlines())
    assert sum("is not checked" in line for line in lines) == calls


def test_an_unknown_verb_is_told_with_the_nearest_one_and_all_others(refused: Refused):
    verbs = "verbs: replay, score, report, import, gate, noise, bless, runs, show, diff, rerun, prune, parity"
    assert refused("scroe", "--out", "x") == (
        f"error: callproof evaluate scroe: unknown verb; did you mean 'score'? {verbs}"
    )
    assert refused("frobnicate") == f"error: callproof evaluate frobnicate: unknown verb; {verbs}"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "replay: the following arguments are required: --config; see callproof evaluate replay --help"),
        (["--limit-sessions", "0"], "--limit-sessions: expected a whole number from 1"),
        (["score", "--turns", "t", "--answers", "a", "--out", "o", "--match", "fuzzy"], "invalid choice: 'fuzzy'"),
        (["score", "--turns", "t"], "score: the following arguments are required: --answers, --out"),
        (["import", "bflc"], "invalid choice: 'bflc'"),
        (["import"], "import: the following arguments are required"),
    ],
)
def test_wrong_usage_is_one_line(refused: Refused, words: list[str], problem: str):
    assert problem in refused(*words)


def test_mistakes_on_the_command_line_are_one_line_each(domain: Domain, refused: Refused):
    config = ["--config", domain.config]
    assert "cannot be read" in refused("--config", "nowhere.yaml", "--model", "tiny")
    assert "given twice" in refused(*config, "--model", "a", "--model", "a")
    assert "--baseline-model b" in refused(*config, "--model", "a", "--baseline-model", "b")
    assert "is no http URL" in refused(*config, "--model", "a", "--endpoint", "localhost:8000")
    assert "is given twice" in refused(*config, "--model", "a", "--endpoint", "http://h", "--endpoint", "http://h/v1")
    assert "--run-id" in refused(*config, "--model", "a", "--resume")
    assert "no name for a folder" in refused(*config, "--model", "a", "--run-id", "../x")
    assert "no name for a folder" in refused(*config, "--model", "a", "--run-id", "a" * 300)
    assert "is no run and no baseline" in refused("gate", "nothing", "nowhere")
    assert "is no run and no baseline" in refused("bless", "nothing")


def test_a_run_cannot_be_overwritten_or_resumed_as_another(domain: Domain, refused: Refused):
    with FakeEndpoint(right, models=["tiny", "good"]) as fake:
        words = ["--endpoint", fake.url, "--config", str(domain.config), "--run-id", "r", "--limit-sessions", "2"]
        assert main([*words, "--model", "tiny"]) == 0
        assert "there is a run already" in refused(*words, "--model", "tiny")
        assert "other models; resume it with --model tiny" in refused(*words, "--model", "good", "--resume")
        longer = [*words[:-1], "3", "--model", "tiny", "--resume"]
        assert "was begun with another turns" in refused(*longer)
