"""Each check of the doctor passes on a sound server, and fails on one that has the fault it looks for."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from fake_endpoint import Script
from fake_vllm import FakeVLLM, weights_answer
from other_servers import OtherServer
from programs import run_program

from callproof.config import RunConfig, load
from callproof.errors import EXIT_INVALID, EXIT_PASS, EXIT_REGRESSION
from serve.operate import diagnose
from serve.operate.checks import CHECKS
from serve.operate.doctor import Diagnosis

ROOT = Path(__file__).resolve().parents[3]
ADAPTERS = {"cars": "/a/cars", "cover": "/a/cover"}


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "cars.yaml"
    values = {"name": "cars", "data": {"domain": str(ROOT / "datasets/car_sales")}, "eval": {"max_sessions": 3}}
    values["serve"] = {"tool_call_parser": "hermes"}
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def config(config_path: Path) -> RunConfig:
    return load(config_path)


def diagnosis_of(config: RunConfig, url: str, adapters: tuple[str, ...] = ("cars", "cover")) -> Diagnosis:
    return asyncio.run(diagnose(url, [config], adapters, turns=6, progress=lambda _: None))


def statuses(diagnosis: Diagnosis) -> dict[str, str]:
    return {finding.check: finding.status for finding in diagnosis.findings}


def seen(diagnosis: Diagnosis, check: str) -> str:
    return next(finding.seen for finding in diagnosis.findings if finding.check == check)


def contaminated(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    """A base whose rows in a batch with others get an adapter's weights."""
    if payload["model"] == fake.base and fake.in_flight > 1:
        payload = {**payload, "model": "cars"}
    return Script(**{**weights_answer(payload, fake).__dict__, "first_delay_s": 0.05})


def unapplied(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    """An adapter whose weights match no module of the base."""
    return weights_answer({**payload, "model": fake.base if payload["model"] == "cover" else payload["model"]}, fake)


def misparsed(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    """A server whose parser finds no calls."""
    return weights_answer({**payload, "tool_choice": "none"}, fake)


def other_when_streamed(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    script = weights_answer(payload, fake)
    return Script(**{**script.__dict__, "text": "Well. " + script.text}) if payload.get("stream") else script


def broken_call(payload: dict[str, Any], _: FakeVLLM) -> Script:
    """A call that breaks off: vLLM's parser streams its beginning, and leaves it as text when it sees it whole."""
    begun = {"id": "c", "type": "function", "function": {"name": "note", "arguments": '{"x": '}}
    if payload.get("tool_choice") == "auto" and payload.get("stream"):
        return Script(text="", tool_calls=(begun,), finish_reason="tool_calls")
    return Script(text='<tool_call>\n{"name": "note", "arguments": {"x": }\n</tool_call>')


def slow(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    return Script(**{**weights_answer(payload, fake).__dict__, "first_delay_s": 0.05})


def unparsed(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    return weights_answer({**payload, "tool_choice": "none"}, fake)


def without_tokens(payload: dict[str, Any], fake: FakeVLLM) -> Script:
    return Script(**{**unapplied(payload, fake).__dict__, "logprob": None})


FAULTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "an adapter is missing": ("models_and_parents", {"adapters": {"cars": "/a/cars"}}, "cover not served"),
    "another parent": ("models_and_parents", {"parent": "other"}, "parent 'other', not 'tiny'"),
    "typos are answered": ("unknown_model_refused", {"skip_names": True}, "HTTP 200"),
    "no tools in the prompt": ("catalog_in_prompt", {"template": "without tools"}, "lacks the"),
    "another limit": ("length_limit", {"max_model_len": 2048}, "max_model_len is 2048, planned 4096"),
    "prompts are cut": ("length_limit", {"truncates": True}, "HTTP 200, as one of 10 tokens"),
    "an adapter without effect": ("adapters_applied", {"answer": unapplied}, "all 6 turns exactly like the base"),
    "base rows with other weights": ("isolation", {"answer": contaminated}, "of tiny (on a CPU, keep"),
    "a parser that finds nothing": ("channels_agree", {"answer": misparsed}, "have other calls"),
    "a parser of another format": ("channels_agree", {"answer": unparsed, "probed": None}, "have other calls"),
    "streams that differ": ("streaming_agrees", {"answer": other_when_streamed}, "differ when streamed"),
    "a cache that never hits": ("prefix_cache", {"cached": False}, "0 of 10 prompt tokens"),
}


def test_a_sound_server_passes_every_check(config: RunConfig) -> None:
    with FakeVLLM(adapters=ADAPTERS, answer=slow) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    assert statuses(diagnosis) == {check.__name__: "ok" for check in CHECKS}
    assert diagnosis.exit_code == EXIT_PASS
    assert fake.most_in_flight >= 6, "isolation was not asked in one batch"


def test_a_malformed_call_is_compared_in_the_raw_text_alone(config: RunConfig) -> None:
    with FakeVLLM(adapters=ADAPTERS, answer=broken_call) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    assert statuses(diagnosis)["streaming_agrees"] == "ok"
    assert seen(diagnosis, "streaming_agrees").startswith("12 answers")


@pytest.mark.parametrize(("check", "options", "pattern"), FAULTS.values(), ids=FAULTS)
def test_a_fault_fails_its_check_and_tells_what_was_seen(
    check: str, options: dict[str, Any], pattern: str, config: RunConfig
) -> None:
    with FakeVLLM(**{"adapters": ADAPTERS, **options}) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    assert statuses(diagnosis)[check] == "failed"
    assert pattern in seen(diagnosis, check)
    assert diagnosis.exit_code == EXIT_REGRESSION


def test_every_check_has_a_fault_that_fails_it() -> None:
    assert {check for check, _, _ in FAULTS.values()} == {check.__name__ for check in CHECKS}


@pytest.mark.parametrize(
    ("check", "options"),
    [
        ("prefix_cache", {"cached": None}),
        ("catalog_in_prompt", {"template": None}),
        ("adapters_applied", {"answer": without_tokens}),
    ],
)
def test_what_the_server_does_not_tell_is_unknown_and_no_failure(
    check: str, options: dict[str, Any], config: RunConfig
) -> None:
    with FakeVLLM(adapters=ADAPTERS, **options) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    assert statuses(diagnosis)[check] == "unknown"
    assert diagnosis.exit_code == EXIT_PASS


def test_a_server_of_another_make_fails_no_check_for_what_it_lacks(config: RunConfig) -> None:
    def answer(payload: dict[str, Any]) -> str:
        arguments = {"weights": payload["model"]}
        return f"<tool_call>{json.dumps({'name': 'note', 'arguments': arguments})}</tool_call>"

    with OtherServer(answer, ["tiny", *ADAPTERS], parses="always", lists=404, streams=False) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    found = statuses(diagnosis)
    assert {check for check, status in found.items() if status == "failed"} <= {"unknown_model_refused", "length_limit"}
    assert (found["adapters_applied"], found["isolation"]) == ("ok", "ok")
    assert {found[check] for check in ("models_and_parents", "channels_agree", "streaming_agrees")} == {"unknown"}
    assert "calls come parsed although tool_choice is none" in seen(diagnosis, "channels_agree")


@pytest.mark.parametrize(
    ("usage", "status"), [("none", "unknown"), ("counted", "unknown"), ("constant", "failed")], ids=str
)
def test_a_long_prompt_that_is_answered_was_cut_only_where_fewer_tokens_are_counted(
    config: RunConfig, usage: Literal["none", "counted", "constant"], status: str
) -> None:
    with OtherServer(lambda _: "Hello.", ["tiny", *ADAPTERS], usage=usage) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    assert statuses(diagnosis)["length_limit"] == status


def test_a_server_that_cannot_be_asked_is_no_failed_check(config: RunConfig) -> None:
    diagnosis = diagnosis_of(config, "http://127.0.0.1:9")
    assert (diagnosis.findings, diagnosis.exit_code) == ((), EXIT_INVALID)
    assert "no endpoint answers" in (diagnosis.error or "")


def test_server_errors_fail_a_check_and_the_others_go_on(config: RunConfig) -> None:
    def sick(payload: dict[str, Any], fake: FakeVLLM) -> Script:
        return Script(status=500, body=b"boom") if payload.get("logprobs") else weights_answer(payload, fake)

    with FakeVLLM(adapters=ADAPTERS, answer=sick) as fake:
        diagnosis = diagnosis_of(config, fake.url)
    assert "HTTP 500: boom" in seen(diagnosis, "isolation")
    assert statuses(diagnosis)["channels_agree"] == "ok"


def doctor(config_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("serve", "doctor", "--config", config_path, "--turns", "4", *words)


def test_the_command_prints_a_table_for_people_and_json_last(config_path: Path) -> None:
    with FakeVLLM(adapters=ADAPTERS) as fake:
        done = doctor(config_path, "--endpoint", fake.url, "--model", "cover")
    assert done.returncode == EXIT_PASS, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["models"] == ["tiny", "cars", "cover"]
    assert [finding["status"] for finding in result["findings"]] == ["ok"] * len(CHECKS)
    assert "adapters applied" in done.stderr


@pytest.mark.parametrize(("words", "code"), [(["--endpoint", "http://127.0.0.1:9"], 3), (["--endpoint", "ftp://x"], 2)])
def test_the_exit_code_tells_an_unreachable_endpoint_from_wrong_usage(
    words: list[str], code: int, config_path: Path
) -> None:
    assert doctor(config_path, *words).returncode == code


def test_calls_of_a_catalog_in_the_text_are_not_expected_of_the_server(config: RunConfig) -> None:
    text = config.model_copy(update={"prompt": config.prompt.model_copy(update={"catalog": "text"})})
    with FakeVLLM(adapters=ADAPTERS) as fake:
        diagnosis = diagnosis_of(text, fake.url)
    assert statuses(diagnosis)["channels_agree"] == "unknown"
    assert "the server parses no calls" in seen(diagnosis, "channels_agree")
