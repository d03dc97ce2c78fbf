"""One server process from start to stop: its port, its log and its health. No process is left behind."""

import errno
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from callproof.errors import UserError, cause_of

POLL_S = 0.25
GUARD = Path(__file__).with_name("guard.py")
_DECORATION = re.compile(
    r"\x1b\[[0-9;]*m"  # colours
    r"|^\(\w+ pid=\d+\)\s*"  # (APIServer pid=123)
    r"|^(DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d [\d:]+ \[[^\]]*\]\s*"
)
_CAUSE = re.compile(r"^([\w.]*(Error|Exception)\b|\S+: error:)")
_CONSEQUENCE = ("Engine core initialization failed", "WorkerProc initialization failed", "see above", "DeprecationWarn")


PHASES = (
    ("starting its processes", re.compile(r"(?!)")),
    ("loading weights", re.compile(r"Starting to load model|loading weights|Loading \w+ checkpoint", re.IGNORECASE)),
    ("profiling and compiling", re.compile(r"Loading weights took|Compiling a graph|torch\.compile takes|profiling")),
    ("warming up", re.compile(r"KV cache size|Capturing CUDA graph|Warming up", re.IGNORECASE)),
    ("loading adapters", re.compile(r"init engine \(|Loaded new LoRA adapter")),
    ("opening the port", re.compile(r"Starting vLLM (API )?server|Application startup complete")),
)
"""How vLLM starts, in this order: what people read, and a line of its log that says that the phase has begun."""


class Server:
    """A context manager that runs a command; when it exits, all of the command's processes are gone.

    Args:
        command: program and arguments.
        environment: variables to set, except those that the user has set.
        log: file for the command's output; overwritten.
        grace_s: seconds between TERM and KILL when the server is stopped.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path, grace_s: float = 15.0) -> None:
        self.log, self._grace_s = log, grace_s
        self._command, self._environment = list(command), {**environment, **os.environ}

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-P", str(GUARD), str(self._grace_s), *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                process_group=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()

    def wait_until_healthy(self, url: str, timeout_s: float, progress: Callable[[float, str], None]) -> float:
        """Wait until GET <url>/health succeeds; returns the seconds that took.

        Args:
            progress: called again and again with the seconds so far and the phase that the log tells of (`PHASES`).

        Raises:
            UserError: the process ended, or took longer than `timeout_s`. Names the log and quotes it.
        """
        begun, reached = time.monotonic(), 0
        while not _healthy(url):
            self._check_alive("ended before it was ready")
            seconds = time.monotonic() - begun
            if seconds > timeout_s:
                mend = f"see {self.log}, or allow more time with --timeout"
                raise UserError(url, f"the server was not ready after {timeout_s:.0f} s", mend)
            reached = max(reached, phase_of(_lines(self.log)))
            progress(seconds, PHASES[reached][0])
            time.sleep(POLL_S)
        self._check_alive("ended before it was ready")
        return time.monotonic() - begun

    def wait(self) -> None:
        """Wait until the process ends by itself, and raise a UserError then."""
        self._guard.wait()
        self._check_alive("ended")

    def _check_alive(self, problem: str) -> None:
        code = self._guard.poll()
        if code is not None:
            raise UserError(self.log, f"the server {problem} (exit code {code}): {cause(self.log)}", "see the log")


def check_port(host: str, port: int) -> None:
    """Raise a UserError unless `host:port` can be bound."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"{host}:{port}", "is in use", "stop the server there, or give another --port") from None
        raise UserError(f"{host}:{port}", f"cannot be bound ({cause_of(error)})", "correct --host or --port") from None


def last_line(log: Path) -> str:
    """The last line of a log that is not blank, without colours, process name and time."""
    return (_lines(log) or [""])[-1]


def phase_of(lines: Sequence[str]) -> int:
    """The furthest of `PHASES` that a log tells of, by its number."""
    return max((number for number, (_, begun) in enumerate(PHASES) for line in lines if begun.search(line)), default=0)


def cause(log: Path) -> str:
    """The line of a log that best explains why the process ended: the last error that does not just report another."""
    lines = _lines(log)
    for at in reversed(range(len(lines))):
        if _CAUSE.match(lines[at]) and not any(echo in lines[at] for echo in _CONSEQUENCE):
            follows = lines[at + 1] if at + 1 < len(lines) and "validation error" in lines[at] else ""
            return f"{lines[at]} {follows}".strip()[:400]
    return last_line(log)[:400] or "it said nothing"


def _lines(log: Path, tail: int = 65536) -> list[str]:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - tail))
        text = file.read().decode("utf-8", "replace")
    plain = (_plain(line) for line in text.splitlines())
    return [line for line in plain if re.search(r"\w", line)]


def _plain(line: str) -> str:
    before = None
    while before != line:
        before, line = line, _DECORATION.sub("", line).strip()
    return line


def _healthy(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/health", timeout=5) as response:
            return response.status == 200
    except (OSError, ValueError):
        return False
