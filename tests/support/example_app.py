"""The application of examples/, in a process of its own, over real HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from aiohttp.test_utils import unused_port
from programs import ROOT


@contextmanager
def example_app(config: Path, endpoint: str) -> Iterator[str]:
    """The address at which it answers inside the block."""
    port = unused_port()
    command = [sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(ROOT / "examples"), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CONFIG": str(config), "ENDPOINT": endpoint}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                if process.poll() is not None:
                    break
                try:
                    httpx2.get(f"http://127.0.0.1:{port}/openapi.json", timeout=5)
                    break
                except httpx2.TransportError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
