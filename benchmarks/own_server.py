"""A vLLM of one's own for a benchmark, started by `callproof serve` and stopped in the end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp.test_utils import unused_port


@contextmanager
def served(*words: str, log: Path) -> Iterator[str]:
    """The URL of a server that `callproof serve` starts with these words, at a free port."""
    command = [sys.executable, "-m", "serve", *words, "--port", str(unused_port()), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said, _, url = process.stdout.readline().strip().partition(" ")
            if said != "ready":
                sys.exit("error: the server did not start")
            yield url
        finally:
            process.terminate()
