"""Starts a vLLM for a benchmark with `callproof serve`, and stops it in the end."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp.test_utils import unused_port


@contextmanager
def served(*words: str, log: Path) -> Iterator[str]:
    """Run `callproof serve` with these arguments at a free port for the block; gives the URL."""
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
