"""A real training service in a process of its own, and a client that can also say what no library would."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from conftest import ROOT

TALK = [
    {
        "messages": [
            {"role": "user", "content": f"What color is the sky at {hour} o'clock?"},
            {"role": "assistant", "content": "It's blue on Earth."},
        ]
    }
    for hour in range(6)
]
SKY = "\n".join(map(json.dumps, TALK)).encode() + b"\n"
QUICK = {"model_name": "tiny", "epochs": 1, "batch_size": 6}
"""One step."""


class Answer(NamedTuple):
    code: int
    body: Any


class Part(NamedTuple):
    name: str
    content: bytes
    file_name: str | None = None
    kind: str | None = "application/json"


def form(*parts: Part, boundary: str = "") -> tuple[bytes, str]:
    """The body of a form, and its content type."""
    boundary = boundary or uuid.uuid4().hex
    body = b""
    for part in parts:
        name = f'; filename="{part.file_name}"' if part.file_name is not None else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"{name}\r\n'.encode()
        body += f"Content-Type: {part.kind}\r\n".encode() if part.kind is not None else b""
        body += b"\r\n" + part.content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


class Service:
    """`callproof train service` on a folder, in a process of its own; leaves nothing behind when it is closed."""

    def __init__(self, base: Path, *options: str) -> None:
        words = ["service", "--base-path", str(base), *options]
        port = [] if "--port" in options else ["--port", _free_port()]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.base = base
        self.process = subprocess.Popen(
            [sys.executable, "-m", "train", *words, *port], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready.startswith("ready "), ready
        self.address = ready.removeprefix("ready http://").strip()

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """One request; header names are written with `_` for `-`."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            sent = {"Content_Length": str(len(body)), **headers} if body or method == "POST" else headers
            for name, value in sent.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = response.headers.get_content_type() == "application/json"
        return Answer(response.status, json.loads(text) if is_json else text.decode())

    def train(self, config: Any, data: bytes = SKY, file_name: str = "training_data.json", **headers: str) -> Answer:
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        body, kind = form(Part("config", text), Part("file", data, file_name))
        return self.ask("POST", "/train", body, Content_Type=kind, **headers)

    def started(self, config: Any, **more: Any) -> str:
        """Start a training; its id."""
        code, body = self.train(config, **more)
        assert code == 202, body
        return body["job_id"]

    def status(self) -> dict[str, Any]:
        return self.ask("GET", "/status").body

    def job(self, job_id: str) -> dict[str, Any]:
        return self.ask("GET", f"/jobs/{job_id}").body

    def wait_for(self, job_id: str, *states: str) -> dict[str, Any]:
        """The job once it is in one of these states."""
        until = time.monotonic() + 120
        while (job := self.job(job_id))["status"] not in states:
            assert time.monotonic() < until, job
            time.sleep(0.1)
        return job

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Stop the service, and a training that would go on."""
        self.process.terminate()
        self.process.wait(timeout=30)
        if group := group_of(self.base):
            os.killpg(group, signal.SIGKILL)


def group_of(base: Path) -> int | None:
    """The process group of the training on a folder; None where none lives."""
    try:
        group = json.loads((base / ".jobs" / "slot").read_bytes())["group"]
        os.killpg(group, 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return group


def _free_port() -> str:
    from aiohttp.test_utils import unused_port

    return str(unused_port())
