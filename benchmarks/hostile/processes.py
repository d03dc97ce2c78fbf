"""Programs of the product that are started, and killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from . import ROOT
from .trial import Trial

LONGEST_S = 900.0
"""For a program that nobody kills, on a crowded machine."""


@cache
def workplace() -> Path:
    """A folder that is removed when this process ends."""
    _FOLDERS.append(tempfile.TemporaryDirectory(prefix="callproof-campaign-"))
    return Path(_FOLDERS[-1].name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


class Program:
    """`python -m WORDS` in a folder, what it says in a file beside it."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.words = words
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (for as long as the process)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=folder, env=environment, stdout=self._log, stderr=subprocess.STDOUT
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process, and wait for its end."""
        self._process.send_signal(number)
        self.wait()

    def wait(self) -> int:
        """The exit code, once it has one; raises subprocess.TimeoutExpired after `LONGEST_S`."""
        try:
            return self._process.wait(LONGEST_S)
        finally:
            self._process.kill()

    def said(self) -> str:
        """All that it has said so far."""
        self._log.seek(0)
        return self._log.read()


def finished(done: Trial, words: list[str], folder: Path, codes: tuple[int, ...] = (0,)) -> bool:
    """Run a program to its end; whether it ended as it should."""
    program = Program(words, folder)
    code = program.wait()
    good = code in codes and "Traceback" not in program.said()
    done.expect(good, f"exit code {code}: {program.said()[-500:]!a}", words)
    return good


def killed(
    done: Trial,
    words: list[str],
    folder: Path,
    moment_s: float,
    number: int = signal.SIGKILL,
    ready: Callable[[], bool] = lambda: True,
) -> None:
    """Start a program and end it by a signal `moment_s` after it is `ready`."""
    program = Program(words, folder)
    while not ready() and not program.ended:
        time.sleep(0.01)
    stop = time.monotonic() + moment_s
    while time.monotonic() < stop and not program.ended:
        time.sleep(0.005)
    done.counts["inputs"] += 1
    done.counts["ended before" if program.ended else "kills"] += 1
    program.kill(number)
    done.expect("Traceback" not in program.said(), f"a traceback: {program.said()[-500:]!a}", words)
