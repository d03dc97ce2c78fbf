"""A gated model or dataset says how to be let in; sessions on the hub are asked for although the base is local."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from programs import ROOT


class Gate(BaseHTTPRequestHandler):
    """A hub on which everything is gated."""

    def do_GET(self) -> None:
        body = json.dumps({"error": "Access to this resource is restricted."}).encode()
        self.send_response(403)
        for name, value in (("X-Error-Code", "GatedRepo"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def error_of(hub: str, folder: Path, *words: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment |= {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub, "HF_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "train", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 2, done.stderr
    return done.stderr.splitlines()[-1]


def test_a_gated_base_says_how_to_be_let_in(hub: str, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("name: x\ndata: {domain: datasets/car_sales}\nmodel: {base_model: owner/base}\n")
    assert error_of(hub, tmp_path, "format", "--config", str(config)) == (
        "error: owner/base: is gated, and this token, or none, may not read it; accept its terms on "
        "https://huggingface.co/owner/base, then run: hf auth login, or set HF_TOKEN"
    )


def test_sessions_on_the_hub_are_asked_for_beside_a_local_base(hub: str, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("name: x\ndata: {domain: datasets/car_sales, train: 'hf:owner/talks:train'}\n")
    for words in (("--dry-run",), ("check",)):
        verb = [word for word in words if word == "check"]
        text = error_of(hub, tmp_path, *verb, "--config", str(config), *(word for word in words if word != "check"))
        assert "hf:owner/talks:train: is gated" in text
        assert "accept its terms on https://huggingface.co/datasets/owner/talks" in text
