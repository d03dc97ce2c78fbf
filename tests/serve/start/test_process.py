"""A real child program in vLLM's place: health, death, stopping, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from callproof.errors import UserError
from serve.start import Server, check_port
from serve.start.process import PHASES, cause, last_line, phase_of

REPOSITORY = Path(__file__).resolve().parents[3]

PROGRAM = """
import http.server, os, signal, subprocess, sys, time
port, pids, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", stubborn if mode == "stubborn" else "import time; time.sleep(600)"])
open(pids, "w").write(f"{os.getpid()} {child.pid}")
print("loading weights", flush=True)
time.sleep(0.3)
if mode == "dies":
    print("ValueError: no such weights\\nRuntimeError: Engine core initialization failed.")
    sys.exit(3)
if mode == "slow":
    time.sleep(600)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if mode == "dies later":
            os._exit(4)
http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""

OWNER = """
import sys
from pathlib import Path
from serve.start.lifetime import run_server
from serve.start.plan import Plan
from serve.start.process import Server
from callproof.errors import exit_with
port, log, command = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
plan = Plan(base="b", served_name="b", host="127.0.0.1", port=port, device="cpu", adapters=(), options={})
exit_with(lambda: run_server(plan, Server(command, {}, log, grace_s=1.0), 30.0))
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def command(tmp_path: Path, port: int) -> Callable[[str], list[str]]:
    (tmp_path / "program.py").write_text(PROGRAM)
    return lambda mode: [sys.executable, str(tmp_path / "program.py"), str(port), str(tmp_path / "pids"), mode]


def pids(folder: Path) -> list[int]:
    until = time.monotonic() + 10
    while not (folder / "pids").is_file() or len((folder / "pids").read_text().split()) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def all_gone(folder: Path, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while any(alive(pid) for pid in pids(folder)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def nothing(_: float, __: str) -> None:
    pass


def test_a_server_is_ready_when_it_is_healthy_and_its_progress_names_the_phase(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    lines: list[str] = []
    with Server(command("good"), {}, tmp_path / "log") as server:
        seconds = server.wait_until_healthy(f"http://127.0.0.1:{port}", 30, lambda _, line: lines.append(line))
    assert 0.2 < seconds < 20
    assert "loading weights" in lines
    assert all_gone(tmp_path, 0)


def test_a_server_has_a_group_of_its_own_and_the_session_of_its_caller(
    command: Callable[[str], list[str]], tmp_path: Path
) -> None:
    with Server(command("good"), {}, tmp_path / "log"):
        program = pids(tmp_path)[0]
        assert os.getsid(program) == os.getsid(0)
        assert os.getpgid(program) != os.getpgid(0)


def test_a_process_that_ignores_term_is_killed_after_the_grace_period(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    with Server(command("stubborn"), {}, tmp_path / "log", grace_s=0.5) as server:
        server.wait_until_healthy(f"http://127.0.0.1:{port}", 30, nothing)
    assert all_gone(tmp_path, 1)


def test_a_server_that_dies_at_the_start_says_why(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    with (
        pytest.raises(UserError, match=r"log: the server ended before .*exit code 3.*: ValueError: no such weights"),
        Server(command("dies"), {}, tmp_path / "log", grace_s=0.5) as server,
    ):
        server.wait_until_healthy(f"http://127.0.0.1:{port}", 30, nothing)
    assert all_gone(tmp_path, 1)


def test_a_server_that_dies_later_is_noticed(command: Callable[[str], list[str]], port: int, tmp_path: Path) -> None:
    with Server(command("dies later"), {}, tmp_path / "log", grace_s=0.5) as server:
        server.wait_until_healthy(f"http://127.0.0.1:{port}", 30, nothing)
        with pytest.raises(UserError, match="exit code 4"):
            server.wait()
    assert all_gone(tmp_path, 1)


def test_a_start_that_takes_too_long_is_given_up(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    with (
        pytest.raises(UserError, match="not ready after 1 s"),
        Server(command("slow"), {}, tmp_path / "log", grace_s=0.5) as server,
    ):
        server.wait_until_healthy(f"http://127.0.0.1:{port}", 1.0, nothing)
    assert all_gone(tmp_path, 1)


def start_owner(command: list[str], port: int, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", OWNER, str(port), str(folder / "log"), *command]
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ctrl_c_and_sigterm_stop_every_process_and_are_a_good_end(
    number: signal.Signals, command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    owner = start_owner(command("stubborn"), port, tmp_path)
    assert owner.stdout is not None
    assert owner.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
    owner.send_signal(number)
    assert owner.wait(10) == 0
    assert all_gone(tmp_path, 0.5)


def test_sigterm_during_the_start_stops_every_process(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    owner = start_owner(command("slow"), port, tmp_path)
    pids(tmp_path)
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(10) == 130
    assert all_gone(tmp_path, 0.5)


def test_no_process_outlives_a_serve_that_was_killed(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    owner = start_owner(command("good"), port, tmp_path)
    pids(tmp_path)
    owner.kill()
    owner.wait(10)
    assert all_gone(tmp_path, 5)


def test_a_port_in_use_is_a_user_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"127.0.0.1:{port}: is in use; .*--port"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(UserError, match="cannot be bound"):
        check_port("192.0.2.1", 8000)


LOGS = {
    "(APIServer pid=7) INFO 11-21 01:02:03 [a.py:1] started\n": "started",
    "(EngineCore pid=8) ValueError: bad rank\n(APIServer pid=7) RuntimeError: Engine core initialization failed. See": (
        "ValueError: bad rank"
    ),
    "x.ValidationError: 1 validation error for ModelConfig\n  Value error, too long [type=value_error]\n    For more": (
        "x.ValidationError: 1 validation error for ModelConfig Value error, too long [type=value_error]"
    ),
    "usage: api_server\napi_server.py: error: unrecognized arguments: --x\n": (
        "api_server.py: error: unrecognized arguments: --x"
    ),
    "\x1b[0;36m(APIServer pid=7)\x1b[0;0m \x1b[31mERROR 11-21 01:02:03 [a.py:1] OSError: x\x1b[0m\n\n": "OSError: x",
    "": "it said nothing",
}


@pytest.mark.parametrize(("text", "expected"), LOGS.items())
def test_the_cause_is_the_error_that_began_it(text: str, expected: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert cause(log) == expected
    assert last_line(log) in text


LOG = [
    "non-default args: {'lora_modules': [..]}",
    "Initializing a V1 LLM engine (v0.32.0) with config: model='models/tiny'",
    "Starting to load model models/tiny...",
    "Loading safetensors checkpoint shards: 100% Completed | 1/1",
    "Loading weights took 0.01 seconds",
    "torch.compile takes 12.1 s in total",
    "CPU KV cache size: 262,144 tokens, Maximum concurrency for 4,096 tokens per request: 64.00x",
    "init engine (profile, create kv cache, warmup model) took 0.89 s",
    "Loaded new LoRA adapter: name 'car_sales', path 'outputs/car_sales/adapter'",
    "Starting vLLM server on http://127.0.0.1:8000",
    "Route: /docs, Methods: GET, HEAD",
]


def test_the_phases_of_a_start_are_read_from_vllms_log_by_name() -> None:
    names = [PHASES[phase_of(LOG[: end + 1])][0] for end in range(len(LOG))]
    assert names == [
        *["starting its processes"] * 2,
        *["loading weights"] * 2,
        *["profiling and compiling"] * 2,
        "warming up",
        *["loading adapters"] * 2,
        *["opening the port"] * 2,
    ]


def test_a_start_tells_its_phases_and_how_long_they_took(
    command: Callable[[str], list[str]], port: int, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", OWNER, str(port), str(tmp_path / "log"), *command("good")]
    owner = subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
    owner.send_signal(signal.SIGINT)
    told = owner.communicate(timeout=20)[1]
    assert "starting vLLM: loading weights (after " in told
    assert "\nstarting vLLM: " in told.replace("(after", "")
    assert "ready after " in told
