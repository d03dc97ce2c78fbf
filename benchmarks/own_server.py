"""A vLLM of one's own for a benchmark, started by `python -m serve` and stopped in the end."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(*words: str, log: Path) -> Iterator[str]:
    """The URL of a server that `python -m serve` starts with these words, at a free port."""
    command = [sys.executable, "-m", "serve", *words, "--port", str(_free_port()), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said, _, url = process.stdout.readline().strip().partition(" ")
            if said != "ready":
                sys.exit("error: the server did not start")
            yield url
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
