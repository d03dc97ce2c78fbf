"""What a request may not do: each has its code and a reason, nothing of it stays, and the service goes on."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service_client import QUICK, SKY, Part, Service, form

pytest_plugins = ["service_plugin"]
LIMIT = 100_000
"""Bytes of a file, as the service of these tests takes it."""
WHOLE: dict[str, Any] = {"name": "whole", "model": {"base_model": "tiny"}}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service with a small limit; beside a base and an adapter it holds a link that leads out of it."""
    base = tmp_path_factory.mktemp("bad") / "base"
    for folder in ("tiny", "adapter", "empty", "notes"):
        (base / folder).mkdir(parents=True)
    (base / "tiny" / "config.json").write_text("{}")
    (base / "adapter" / "adapter_config.json").write_text('{"r": 16, "lora_alpha": 16, "peft_type": "LORA"}')
    outside = base.parent / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    (base / "link").symlink_to(outside)
    running = Service(base, "--max-upload", str(LIMIT / 2**30))
    yield running
    running.close()


@pytest.fixture(autouse=True)
def nothing_stays(service: Service) -> Iterator[None]:
    """After each request the folder is as before it, and the service still answers."""
    before = sorted(service.base.rglob("*"))
    yield
    assert service.status()["status"] == "idle"
    slot = service.base / ".jobs" / "slot"
    assert sorted(path for path in service.base.rglob("*") if path != slot) == [path for path in before if path != slot]


def told(service: Service, config: Any, data: bytes = SKY, file_name: str = "data.jsonl", code: int = 422) -> str:
    """All that the refusal of an upload says."""
    answer = service.train(config, data, file_name)
    assert answer.code == code, answer
    return "\n".join(answer.body["detail"])


CONFIGS: list[tuple[Any, str]] = [
    (b"", "config: malformed JSON"),
    (b"{", "config: malformed JSON"),
    (b"[]", "config: expected a JSON object, got list"),
    (b'"x"', "config: expected a JSON object, got str"),
    (b"\xff", "config: is not UTF-8 (byte 0)"),
    (b'{"epochs": 1, "epochs": 2}', "config: malformed JSON"),
    (b'{"learning_rate": NaN}', "config: malformed JSON"),
    (b'{"learning_rate": 1e999}', "config: malformed JSON"),
    (b"[" * 100_000, "config: malformed JSON"),
    ({"epoch": 3}, "config.epoch: unknown key; did you mean 'epochs'?"),
    ({"epochs": "3"}, "config.epochs: Input should be a valid integer, got '3'"),
    ({"epochs": 0}, "config.epochs: Input should be greater than or equal to 1, got 0"),
    ({"epochs": True}, "config.epochs: Input should be a valid integer, got True"),
    ({"lora_rank": 513}, "config.lora_rank"),
    ({"lora_dropout": 1.0}, "config.lora_dropout"),
    ({"learning_rate": -1}, "config.learning_rate"),
    ({"max_length": 0}, "config.max_length"),
    ({"lora_target_modules": 3}, "config.lora_target_modules"),
    ({"lora_modules_to_save": ["lm_head"]}, "config.lora_modules_to_save: vLLM serves no adapter"),
    ({"attn_implementation": "magic"}, "config.attn_implementation"),
    ({"model_save_path": "../out"}, "config.model_save_path: expected one name"),
    ({"model_save_path": ".."}, "config.model_save_path: expected one name"),
    ({"model_save_path": "/tmp/out"}, "config.model_save_path: expected one name"),
    ({"model_save_path": "a/b"}, "config.model_save_path: expected one name"),
    ({"model_save_path": ".jobs"}, "config.model_save_path: expected one name"),
    ({"model_save_path": "a\n"}, "config.model_save_path: expected one name"),
    ({"model_save_path": "x" * 101}, "config.model_save_path: expected one name"),
    ({"model_save_path": "tiny"}, "is the name of something under --base-path that this service has not made"),
    ({"model_save_path": "link"}, "is the name of something under --base-path that this service has not made"),
    ({"model_name": "../outside"}, "config.model_name: expected a path under --base-path"),
    ({"model_name": "/etc"}, "config.model_name: expected a path under --base-path"),
    ({"model_name": "link"}, "config.model_name: 'link' leads out of --base-path"),
    ({"model_name": "models/none"}, "config.model_name: there is no folder 'models/none' under --base-path"),
    ({"model_name": "notes"}, "config.model_name: the folder 'notes' holds no model"),
    ({"model_name": ""}, "config.model_name: expected a path under --base-path"),
    ({"lora_path": "/etc"}, "config.lora_path: expected a path under --base-path"),
    ({"lora_path": "adapter/../../outside"}, "config.lora_path: expected a path under --base-path"),
    ({"lora_path": "link"}, "config.lora_path: 'link' leads out of --base-path"),
    ({"lora_path": "empty"}, "config.lora_path: the folder 'empty' holds no adapter"),
    ({**WHOLE, "data": {"load_module": "os"}}, "config.data.load_module: is not taken from a request"),
    ({**WHOLE, "data": {"train": "/etc/passwd"}}, "config.data.train: is not taken from a request"),
    ({**WHOLE, "data": {"prepared": "rows"}}, "config.data.prepared: is not taken from a request"),
    ({**WHOLE, "data": {"eval": "hf:owner/name"}}, "config.data.eval: names a file of data.domain, and there is none"),
    ({**WHOLE, "data": {"domain": "empty", "eval": "../../x"}}, "config.data.eval: expected a file of data.domain"),
    ({**WHOLE, "data": {"domain": "../outside"}}, "config.data.domain: expected a path under --base-path"),
    ({**WHOLE, "prompt": {"preamble": "/etc/passwd"}}, "config.prompt.preamble: is not taken from a request"),
    (
        {**WHOLE, "model": {"base_model": "tiny", "chat_template": "/etc/passwd"}},
        "config.model.chat_template: a request may name hermes only, no file",
    ),
    ({**WHOLE, "model": {"base_model": "tiny", "trust_remote_code": True}}, "config.model.trust_remote_code"),
    ({**WHOLE, "model": {}}, "config.model.base_model: expected a model, got none"),
    ({**WHOLE, "train": {"output_dir": "/tmp/x"}}, "config.train.output_dir: is not taken from a request"),
    ({**WHOLE, "train": {"report_to": "wandb"}}, "config.train.report_to: is not taken from a request"),
    ({**WHOLE, "train": {"push_to_hub": True}}, "config.train.push_to_hub: is not taken from a request"),
    ({**WHOLE, "train": {"hub_model_id": "a/b"}}, "config.train.hub_model_id: is not taken from a request"),
    ({**WHOLE, "eval": {"api_key_env": "HOME"}}, "config.eval.api_key_env: is not taken from a request"),
    ({**WHOLE, "name": "../x"}, "config.name: expected one name"),
    ({**WHOLE, "lora": {"modules_to_save": ["x"]}}, "config.lora.modules_to_save: no such key: vLLM refuses"),
    ({**WHOLE, "lora": 3}, "config.lora"),
    ({**WHOLE, "epochs": 3}, "config.epochs: unknown key"),
]


@pytest.mark.parametrize(("config", "says"), CONFIGS, ids=lambda value: str(value)[:50])
def test_a_bad_configuration_is_refused_by_the_name_of_its_key(service: Service, config: Any, says: str) -> None:
    assert says in told(service, config)


def test_all_faults_are_named_at_once(service: Service) -> None:
    faults = told(service, {"epoch": 1, "batch_size": 0, "lora_rank": "8", "model_save_path": 3}).splitlines()
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "config.batch_size", "config.epoch", "config.lora_rank", "config.model_save_path",
    ]  # fmt: skip
    config = {
        "name": "..",
        "data": {"load_module": "x", "domain": "/etc"},
        "model": {"base_model": "link"},
        "train": {"push_to_hub": True},
        "extra": 1,
    }
    faults = told(service, config).splitlines()
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "config.data.domain", "config.data.load_module", "config.extra", "config.model.base_model", "config.name",
        "config.train.push_to_hub",
    ]  # fmt: skip


DATA: list[tuple[bytes, str]] = [
    (b"", "sky.jsonl: is empty"),
    (b"\n\n", "sky.jsonl: is empty"),
    (b"{", "sky.jsonl:1: malformed JSON"),
    (SKY + b"[1]\n", "sky.jsonl:7: expected a JSON object, got list"),
    (SKY + b"\xff\n", "sky.jsonl:7: is not UTF-8 (byte 0)"),
    (b'{"messages": []}', "sky.jsonl:1: messages"),
    (b'{"messages": [{"role": "assistant", "content": "x"}]}', "sky.jsonl:1"),
    (b'{"messages": [{"role": "robot", "content": "x"}]}', "sky.jsonl:1"),
    (b'{"prompt": "x"}', "sky.jsonl:1: a record of no known form"),
    (b'{"messages": [{"role": "user", "content": "x"}]}', "holds no tool-eval turns"),
    (b'[{"messages": 3}]', "sky.jsonl:1: messages"),
    (b'[{"messages": ', "sky.jsonl:1: malformed JSON"),
    (b"PK\x03\x04" + bytes(1000), "sky.jsonl:1"),
    (SKY.replace(b'{"messages"', b'{"id": 1, "messages"'), "session_id '1' is already at sky.jsonl:1"),
]


@pytest.mark.parametrize(("data", "says"), DATA, ids=lambda value: str(value)[:40])
def test_bad_data_is_refused_with_file_and_line(service: Service, data: bytes, says: str) -> None:
    faults = told(service, QUICK, data, "sky.jsonl")
    assert says in faults
    assert str(service.base) not in faults


def test_every_bad_line_is_named(service: Service) -> None:
    lines = SKY.splitlines()
    lines[1], lines[3], lines[5] = b"{", b'{"messages": 1}', b"[]"
    places = [fault.partition(": ")[0] for fault in told(service, QUICK, b"\n".join(lines), "sky.json").splitlines()]
    assert places == ["sky.json:2", "sky.json:4", "sky.json:6"]


def test_endless_faults_are_cut(service: Service) -> None:
    faults = told(service, QUICK, b"5\n" * 5000).splitlines()
    assert len(faults) == 101
    assert faults[-1] == "no more than the first 100 faults are listed"


CONFIG, FILE = Part("config", json.dumps(QUICK).encode()), Part("file", SKY, "data.jsonl")
FORMS: list[tuple[tuple[Part, ...], str]] = [
    ((), "got no config and no file"),
    ((CONFIG,), "expected the parts config and file, got no file"),
    ((FILE,), "expected the parts config and file, got no config"),
    ((CONFIG, FILE, FILE), "the part file is given twice"),
    ((CONFIG, FILE, Part("\U0008f75a\x9d", b"x")), "expected the parts config and file, got"),
    ((CONFIG, Part("file", SKY, "\U0008f75a.exe")), "file: expected an uploaded file"),
    ((CONFIG, CONFIG, FILE), "the part config is given twice"),
    ((CONFIG, FILE, Part("more", b"x")), 'expected the parts config and file, got "more"'),
    ((Part("config", b"{}", kind="text/html"), FILE), "config: expected application/json"),
    ((CONFIG, Part("file", SKY)), "file: expected an uploaded file"),
    ((CONFIG, Part("file", SKY, "data.parquet")), "file: expected an uploaded file"),
    ((CONFIG, Part("file", SKY, "../../.jsonl/evil.sh")), "file: expected an uploaded file"),
    ((CONFIG, Part("file", SKY, "x\x1b[31m.jsonl")), "file: expected an uploaded file"),
    ((CONFIG._replace(name="c" * 9000), FILE), "malformed multipart/form-data"),
]


@pytest.mark.parametrize(("parts", "says"), FORMS, ids=lambda value: str(value)[:40])
def test_a_bad_form_is_refused(service: Service, parts: tuple[Part, ...], says: str) -> None:
    body, kind = form(*parts)
    answer = service.ask("POST", "/train", body, Content_Type=kind)
    assert answer.code == 422
    assert says in answer.body["detail"][0]


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x", ""]
)
def test_what_is_no_form_is_refused(service: Service, kind: str) -> None:
    answer = service.ask("POST", "/train", b'{"config": {}}', Content_Type=kind)
    assert answer.code == 422
    assert "expected multipart/form-data" in answer.body["detail"][0]


def test_a_form_that_ends_early_is_refused(service: Service) -> None:
    body, kind = form(CONFIG, FILE)
    answer = service.ask("POST", "/train", body[:-30], Content_Type=kind)
    assert (answer.code, answer.body["detail"][0]) == (422, "the form is not complete: its last boundary is missing")


@pytest.mark.parametrize("size", [LIMIT + 1, 5_000_000, 40_000_000])
def test_a_file_over_the_limit_is_too_large(service: Service, size: int) -> None:
    assert "--max-upload" in told(service, QUICK, b"x" * size, code=413)


def test_a_configuration_over_its_limit_is_too_large(service: Service) -> None:
    assert "--max-upload" in told(service, b" " * (2**20 + 1), code=413)


def test_a_file_of_unknown_length_is_measured_as_it_comes(service: Service) -> None:
    body, kind = form(CONFIG, Part("file", b"x" * (LIMIT + 1), "data.jsonl"))
    host, _, port = service.address.partition(":")
    with socket.create_connection((host, int(port))) as line:
        head = f"POST /train HTTP/1.1\r\nHost: {service.address}\r\nContent-Type: {kind}\r\n"
        line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8001"},
        {"Host": ""},
        {"Sec_Fetch_Site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/train"), ("GET", "/status"), ("DELETE", "/jobs/x")])
def test_other_sites_are_refused(service: Service, method: str, path: str, headers: dict[str, str]) -> None:
    assert service.ask(method, path, **headers).code == 403


def test_the_service_s_own_page_is_not(service: Service) -> None:
    assert service.ask("GET", "/status", Origin=f"http://{service.address}", Sec_Fetch_Site="same-origin").code == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", 404),
        ("GET", "/train", 405),
        ("PUT", "/status", 405),
        ("GET", "/jobs/nope", 404),
        ("GET", "/jobs/..%2f..%2fetc", 404),
        ("GET", "/jobs/../../etc/passwd", 404),
        ("GET", "/jobs/slot", 404),
        ("GET", "/jobs/20260101-000000-00000000/log", 404),
        ("DELETE", "/jobs/20260101-000000-00000000", 404),
        ("POST", "/jobs/20260101-000000-00000000/resume", 404),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
    ],
)
def test_paths_that_are_there_and_that_are_not(service: Service, method: str, path: str, code: int) -> None:
    assert service.ask(method, path).code == code


def test_an_upload_that_cannot_be_stored_is_the_one_500(service: Service) -> None:
    jobs = service.base / ".jobs"
    jobs.rename(service.base / "moved")
    try:
        answer = service.train(QUICK)
    finally:
        (service.base / "moved").rename(jobs)
    assert (answer.code, answer.body) == (
        500,
        {"detail": ["the upload could not be stored (No such file or directory)"]},
    )


KEY = "of-this-test"


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}"]
)
def test_without_the_key_nothing_is_let_in(start: Callable[..., Service], base: Path, given: str | None) -> None:
    keyed = start("--host", "0.0.0.0", "--api-key", KEY)
    keyed.address = keyed.address.replace("0.0.0.0", "127.0.0.1")
    headers = {} if given is None else {"Authorization": given}
    for method, path in (
        ("GET", "/status"),
        ("POST", "/train"),
        ("GET", "/jobs"),
        ("DELETE", "/jobs/x"),
        ("GET", "/x"),
    ):
        assert keyed.ask(method, path, **headers).code == 401
    assert keyed.train(QUICK, **headers).code == 401
    assert [path.name for path in (base / ".jobs").iterdir()] == []
    assert keyed.ask("GET", "/status", Authorization=f"Bearer {KEY}").code == 200
    assert keyed.ask("GET", "/status", Authorization=f"Bearer {KEY}", Host="trainer.example").code == 200
    assert keyed.ask("GET", "/status", Authorization=f"Bearer {KEY}", Origin="http://evil.example").code == 403
    assert keyed.ask("GET", "/docs").code == 200
