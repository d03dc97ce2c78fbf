"""`serve ui` in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp.test_utils import unused_port
from programs import ROOT


@contextmanager
def ui_page(folder: Path, *words: str) -> Iterator[str]:
    """The address of the page; SIGINT ends it well, and it prints nothing but that address to stdout."""
    command = [sys.executable, "-m", "serve", "ui", *words, "--port", str(unused_port())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready http://127.0.0.1:"), process.communicate(timeout=30)
        yield ready.split()[1]
    finally:
        process.send_signal(signal.SIGINT)
        out, problem = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), problem
    assert "Traceback" not in problem
