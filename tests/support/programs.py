"""Command lines as a user runs them, `python -m ...`, each in a process of its own.

A process that has imported the third-party libraries that are installed waits, and forks for each command: what a
command does is the same, and a test of it does not pay for the same second of imports again. Signals, kills and what is
imported are tested on processes that are started anew; so is everything where no process can fork.
"""

import atexit
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("aiohttp.web", "jsonschema", "numpy", "openai", "pandas", "pydantic_settings", "rich.console", "yaml")
HEAVY = ("torch", "datasets", "peft", "transformers.models.qwen3.modeling_qwen3", "trl.trainer.sft_trainer")
"""What `train` needs besides; importing it starts no thread, so that forking is safe."""
STREAMS = ("stdin", "stdout", "stderr")


def run_program(
    *words: object, cwd: Path = ROOT, said: str = "", timeout: float = 580, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What `python -m <words>` answers when `said` is typed; `environment` is added to this process's own.

    A test that trains is skipped where torch is not installed.
    """
    if words[0] == "train" and not find_spec("torch"):
        pytest.skip("torch is not installed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    if not hasattr(os, "fork"):
        command = [sys.executable, "-m", *map(str, words)]
        options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "timeout": timeout}
        return subprocess.run(command, cwd=cwd, env=environment, input=said, check=False, **options)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in STREAMS}
        files["stdin"].write_text(said, encoding="utf-8")
        code = _nursery(LIBRARIES + HEAVY if words[0] == "train" else LIBRARIES).run(
            {
                "words": [str(word) for word in words],
                "cwd": str(cwd),
                "environment": environment,
                "streams": {name: str(path) for name, path in files.items()},
            },
            timeout,
        )
        out, err = (files[name].read_text(encoding="utf-8") for name in STREAMS[1:])
    return subprocess.CompletedProcess([str(word) for word in words], code, out, err)


class Nursery:
    """The process that has imported these libraries, and forks; one command at a time."""

    def __init__(self, libraries: tuple[str, ...]) -> None:
        pipe, quiet = subprocess.PIPE, {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, *libraries], stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=os.environ | quiet
        )
        self._lock = threading.Lock()
        atexit.register(self._process.kill)

    def run(self, job: dict[str, Any], timeout: float) -> int:
        """The exit code; that of SIGKILL after `timeout` seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            child = int(self._process.stdout.readline())
            alarm = threading.Timer(timeout, os.kill, (child, signal.SIGKILL))
            alarm.start()
            try:
                return int(self._process.stdout.readline())
            except BaseException:  # a test out of time: the next command needs another process, which owes no answer
                os.kill(child, signal.SIGKILL)
                self._process.kill()
                _nursery.cache_clear()
                raise
            finally:
                alarm.cancel()


@cache
def _nursery(libraries: tuple[str, ...]) -> Nursery:
    return Nursery(libraries)


def _wait_for_jobs(libraries: list[str]) -> None:
    for library in libraries:
        if find_spec(library.partition(".")[0]):
            importlib.import_module(library)
    jobs = os.fdopen(os.dup(0), encoding="utf-8")  # a program may still set how it reads its own input
    while line := jobs.readline():
        child = os.fork()
        if child == 0:
            return _become(json.loads(line))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(job: dict[str, Any]) -> None:
    """Run the module of a job as `python -m` does; ends as that ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, name in enumerate(STREAMS):
        stream = os.open(job["streams"][name], os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, number)
        os.close(stream)
    sys.path[:1] = [job["cwd"], *job["environment"]["PYTHONPATH"].split(os.pathsep)]
    sys.argv = job["words"]
    importlib.invalidate_caches()
    runpy.run_module(job["words"][0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _wait_for_jobs(sys.argv[1:])
