"""`callproof bench` as a user calls it."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench_program import HERMES, bench, command, environment, right_for_even_cities, workplace
from fake_endpoint import FakeEndpoint, Script
from other_servers import OtherServer
from raw_server import EVENTS, server

from callproof.calls import ToolCall, render

__all__ = ["workplace"]

LOOKS = 2
"""Requests that ask for the models, before any other."""


def test_goodput_counts_exact_turns_only_and_the_file_holds_every_request(workplace: Path) -> None:
    with FakeEndpoint(right_for_even_cities, models=["tiny", "cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--model", "tiny"]
        done = bench(workplace, *words, "--concurrency", "1,4", "--out", "runs/b.json")
    assert done.returncode == 0, done.stderr
    brief, saved = json.loads(done.stdout.splitlines()[-1]), json.loads((workplace / "runs/b.json").read_text())
    assert [level["concurrency"] for level in brief["levels"]] == [1, 4]
    for level in saved["levels"]:
        for row in (*level["models"].values(), level["overall"]):
            assert row["errors"] == 0
            assert row["turn_exact"] == 0.5
            assert row["correct_per_s"] == pytest.approx(row["req_per_s"] / 2, abs=0.001)
        assert len(level["samples"]) == 20
    assert "correct/s" in done.stdout
    assert saved["versions"]["server"] == "fake"
    assert not saved["partial"]


@pytest.mark.parametrize(("parser", "exact"), [("qwen3_xml", 1.0), ("hermes", 0.0)])
def test_answers_are_judged_in_the_format_that_the_model_writes(parser: str, exact: float, workplace: Path) -> None:
    def in_xml(payload: dict[str, Any]) -> str:
        city = payload["messages"][-1]["content"].removeprefix("Weather in ").removesuffix("?")
        return render([ToolCall(name="weather", arguments={"city": city})], "qwen3_xml")

    with FakeEndpoint(in_xml, models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "2"]
        done = bench(workplace, *words, "--out", "b.json", f"serve.tool_call_parser={parser}")
    assert done.returncode == 0, done.stderr
    saved = json.loads((workplace / "b.json").read_text())
    assert saved["parser"]["server"] == parser
    assert saved["levels"][0]["overall"]["turn_exact"] == exact


@pytest.mark.parametrize(("parses", "channel"), [("never", "raw"), ("auto", "raw"), ("always", "served")])
def test_calls_are_judged_over_the_channel_that_the_server_gives(
    parses: Any, channel: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def right(payload: dict[str, Any]) -> str:
        return right_for_even_cities(payload).text

    monkeypatch.setenv("TEAM_KEY", "s3cret")
    with OtherServer(right, ["cars"], parses=parses, lists=500, api_key="s3cret") as fake:
        words = ["--endpoint", f"{fake.url}/v1/", "--config", "cars.yaml", "--model", "cars", "--concurrency", "2"]
        done = bench(workplace, *words, "--out", "b.json", "eval.api_key_env=TEAM_KEY")
    assert done.returncode == 0, done.stderr
    assert f"channel {channel}" in done.stderr
    saved = json.loads((workplace / "b.json").read_text())
    assert (saved["parser"]["channel"], saved["abilities"]["models"]) == (channel, False)
    assert saved["levels"][0]["overall"]["turn_exact"] == 0.5


def test_a_model_replays_the_turns_of_the_configuration_of_its_name(workplace: Path) -> None:
    (workplace / "cover.yaml").write_text(
        yaml.safe_dump({"name": "cover", "data": {"domain": "domain"}, "eval": {"max_sessions": 3}, **HERMES})
    )
    with FakeEndpoint(models=["cover", "tiny"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--config", "cover.yaml"]
        done = bench(workplace, *words, "--model", "cover", "--model", "tiny", "--concurrency", "2")
    models = json.loads(done.stdout.splitlines()[-1])["levels"][0]["models"]
    assert {name: row["requests"] for name, row in models.items()} == {"cover": 3, "tiny": 10}


def test_a_cpu_is_labelled_functional_not_performance(workplace: Path) -> None:
    with FakeEndpoint(models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "4"]
        done = bench(workplace, *words, "--device", "cpu, 2 cores", "--out", "cpu.json")
        assert json.loads((workplace / "cpu.json").read_text())["note"] == "functional, not performance"
        assert "functional, not performance" in done.stdout
        bench(workplace, *words, "--device", "gpu, H100", "--out", "gpu.json")
        assert json.loads((workplace / "gpu.json").read_text())["note"] is None


def test_ctrl_c_saves_what_there_is_and_labels_it_partial(workplace: Path) -> None:
    with FakeEndpoint(Script("x", first_delay_s=0.3), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "1"]
        process = begin(workplace, *words, "--out", "b.json")
        wait_for_requests(fake, 4)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=20)
    saved = json.loads((workplace / "b.json").read_text())
    assert process.returncode == 130
    assert saved["partial"]
    assert saved["levels"][0]["partial"]
    assert 1 <= saved["levels"][0]["overall"]["requests"] < 10
    assert json.loads(stdout.splitlines()[-1])["partial"]


def test_a_bench_without_a_single_answer_is_invalid(workplace: Path) -> None:
    with FakeEndpoint(Script(status=500, body=b"broken"), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "2"]
        done = bench(workplace, *words, "--out", "b.json")
    assert done.returncode == 3
    assert "no request was answered: HTTP 500: broken" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 3),
        (["gate.max_infra_error_rate=0.2"], 0),
        (["--max-errors", "20%"], 0),
        (["--max-errors", "1"], 3),
        (["--max-errors", "2"], 0),
    ],
)
def test_more_failed_requests_than_allowed_are_exit_code_3(words: list[str], code: int, workplace: Path) -> None:
    scripts = iter([Script("warm-up"), Script(status=500, body=b"broken"), Script(status=500, body=b"broken")])
    with FakeEndpoint(lambda _: next(scripts, Script("x")), models=["cars"]) as fake:
        call = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "2"]
        done = bench(workplace, *call, "--out", "b.json", *words)
    assert done.returncode == code, done.stderr
    line = "2 of 10 requests failed, above 0.5%; most often: HTTP 500: broken (--max-errors)\n"
    assert (line in done.stderr) == (not words)
    assert "2 of 10 requests failed" in done.stdout
    failures = json.loads((workplace / "b.json").read_text())["failures"]
    assert failures == json.loads(done.stdout.splitlines()[-1])["failures"]
    assert (failures["errors"], failures["requests"], failures["above"]) == (2, 10, code == 3)
    assert failures["reason"] == "HTTP 500: broken"


@pytest.mark.parametrize("delay_s", [0.0, 0.03])
def test_a_server_that_closes_each_connection_it_announced_as_kept_fails_no_request(
    workplace: Path, delay_s: float
) -> None:
    models = b'{"data": [{"id": "m"}]}'

    def answer(client: socket.socket, number: int) -> None:
        kept = b"\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5, max=100"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENTS), EVENTS)
        if number < LOOKS:
            kept, body = b"\r\nConnection: close\r\nContent-Length: %d" % len(models), models
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream%s\r\n\r\n%s" % (kept, body))
        time.sleep(delay_s if number >= LOOKS else 0)

    with server(answer) as (url, _):
        words = ["--endpoint", url, "--config", "cars.yaml", "--model", "m", "--concurrency", "1,4"]
        done = bench(workplace, *words, "--max-errors", "0")
    assert done.returncode == 0, done.stderr
    assert [level["overall"]["errors"] for level in json.loads(done.stdout.splitlines()[-1])["levels"]] == [0, 0]


def test_a_role_event_long_before_the_first_text_is_warned_of(workplace: Path) -> None:
    with FakeEndpoint(Script("x", chunks=("x",), chunk_delay_s=0.3), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "5"]
        done = bench(workplace, *words, "--out", "b.json")
    assert done.returncode == 0, done.stderr
    brief = json.loads(done.stdout.splitlines()[-1])
    row = brief["levels"][0]["overall"]
    assert row["ttfc_p50_ms"] - row["ttft_p50_ms"] > 200
    assert "the first event carries no content: p50 of TTFT" in brief["warnings"][0]


def test_an_open_loop_saves_its_schedule_and_both_latencies(workplace: Path) -> None:
    with FakeEndpoint(right_for_even_cities, models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--out", "b.json"]
        done = bench(workplace, *words, "--rate", "20,40", "--arrival", "constant", "--slo", "e2e=60000")
    assert done.returncode == 0, done.stderr
    saved = json.loads((workplace / "b.json").read_text())
    assert saved["loop"] == "open"
    assert [(level["rate"], level["concurrency"]) for level in saved["levels"]] == [(20.0, None), (40.0, None)]
    for level in saved["levels"]:
        row = level["overall"]
        assert row["e2e_from_schedule_p50_ms"] >= row["e2e_p50_ms"]
        assert row["request_goodput"] == pytest.approx(2 * row["correct_goodput"], abs=0.001)
        assert row["ttfvc_p50_ms"] >= row["ttft_p50_ms"]
        dues = sorted(sample["due_s"] for sample in level["samples"])
        assert dues == pytest.approx([number / level["rate"] for number in range(10)])
    assert saved["levels"][1]["turn_exact_vs_lowest"]["overall"]["value"] == 0.0
    assert "E2E from schedule" in done.stdout


def test_the_search_for_a_rate_ends_with_the_rate_and_its_trials(workplace: Path) -> None:
    def slow_when_busy(_: dict[str, Any]) -> Script:
        return Script("x", first_delay_s=0.02 if fake.in_flight < 3 else 1.5)

    with FakeEndpoint(slow_when_busy, models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--rate", "2", "--seed", "1"]
        done = bench(workplace, *words, "--find-rate", "--arrival", "constant", "--slo", "e2e=1000")
    assert done.returncode == 0, done.stderr
    search = json.loads(done.stdout.splitlines()[-1])["find_rate"]
    assert len(search["trials"]) >= 2
    shares = {trial["rate"]: trial["share"] for trial in search["trials"]}
    assert search["rate"] is None or shares[search["rate"]] >= 0.95
    assert search["words"] in done.stdout.replace("\n", " ")


def test_a_server_that_dies_is_exit_code_3_and_a_partial_file(workplace: Path) -> None:
    with FakeEndpoint(Script("x", first_delay_s=0.3), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--concurrency", "1,2"]
        process = begin(workplace, *words, "--out", "b.json")
        wait_for_requests(fake, 4)
    stdout, _ = process.communicate(timeout=120)
    saved = json.loads((workplace / "b.json").read_text())
    assert process.returncode == 3
    assert "the server is gone" in saved["stopped"]
    assert saved["partial"]
    assert len(saved["levels"]) == 1
    assert saved["levels"][0]["samples"][0]["error"] is None
    assert json.loads(stdout.splitlines()[-1])["partial"]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_hung_open_loop_saves_what_there_is(workplace: Path, kind: signal.Signals) -> None:
    scripts = iter([Script("warm-up"), Script("x"), Script("x")])
    with FakeEndpoint(lambda _: next(scripts, Script(hang=True)), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--rate", "50"]
        process = begin(workplace, *words, "--out", "b.json")
        wait_for_requests(fake, 11)
        time.sleep(1)
        process.send_signal(kind)
        process.communicate(timeout=120)
    saved = json.loads((workplace / "b.json").read_text())
    assert process.returncode == 130
    assert saved["stopped"] == "interrupted"
    assert saved["levels"][0]["overall"]["requests"] == 2
    assert saved["levels"][0]["planned"] == 10


def begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*words), cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)


def wait_for_requests(fake: FakeEndpoint, number: int) -> None:
    until = time.monotonic() + 120
    while len(fake.requests) < number and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "nope"], "--model nope: is not served at"),
        (["--endpoint", "http://127.0.0.1:9"], "no endpoint answers"),
        (["--endpoint", "localhost:1"], "is no http URL"),
        (["--concurrency", "1,x"], "--concurrency 1,x: is no list of whole numbers"),
        (["--concurrency", "0"], "--concurrency 0: is no list"),
        (["--requests", "0"], "--requests 0: is less than 1"),
        (["--rate", "0"], "--rate 0: is no list of numbers above 0"),
        (["--rate", "2", "--concurrency", "4"], "--concurrency: is of a closed loop"),
        (["--arrival", "constant"], "--arrival constant: has no rate"),
        (["--rate", "2", "--arrival", "often"], "--arrival often: is no pattern of arrivals"),
        (["--max-in-flight", "4"], "--max-in-flight: is of an open loop"),
        (["--slo", "ttft=x"], "--slo ttft=x: expected each of ttft, tpot, e2e"),
        (["--find-rate"], "--find-rate: has no service level"),
        (["--max-errors", "few"], "--max-errors few: is neither a share nor a count"),
        (["--mix", "boats=2"], "--mix boats=2: expected each --model once (cars)"),
        (["--live", "1,2"], "--live 1,2: only 1 --model are given"),
        (["--config", "none.yaml"], "none.yaml: cannot be read"),
        (["--out", "domain"], "--out domain: is a folder"),
        (["--out", "cars.yaml/b.json"], "--out cars.yaml/b.json: cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words: list[str], message: str, workplace: Path) -> None:
    with FakeEndpoint(models=["cars"]) as fake:
        done = bench(workplace, "--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", *words)
        assert not fake.requests
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
