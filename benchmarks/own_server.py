"""A vLLM of one's own for a benchmark, started by `python -m serve` and stopped in the end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(*words: str, log: Path) -> Iterator[str]:
    """The URL of a server that `python -m serve` starts with these words."""
    command = [sys.executable, "-m", "serve", *words, "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said, _, url = process.stdout.readline().strip().partition(" ")
            assert said == "ready", "the server did not start"
            yield url
        finally:
            process.terminate()
