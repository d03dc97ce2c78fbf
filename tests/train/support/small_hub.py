"""A hub that adapters are pushed to, small, over real HTTP."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Hub(BaseHTTPRequestHandler):
    """What the client asks when it makes a repository and commits small files to it."""

    made: dict[str, Any]
    files: dict[str, bytes]
    refuse = False

    def do_GET(self) -> None:
        self._answer({"error": "there is no such repository"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if type(self).refuse:
            self._answer({"error": "no write access"}, 403)
        elif self.path == "/api/repos/create":
            type(self).made = json.loads(body)
            self._answer({"url": self._repository()})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif "/commit/" in self.path:
            parts = [json.loads(line) for line in body.splitlines()]
            type(self).files = {
                part["value"]["path"]: base64.b64decode(part["value"]["content"])
                for part in parts
                if part["key"] == "file"
            }
            url = f"{self._repository()}/commit/1"
            self._answer({"success": True, "commitOid": "1" * 40, "commitUrl": url, "hookOutput": ""})
        else:
            self._answer({"valid": True})

    def _repository(self) -> str:
        return f"http://{self.headers['Host']}/{type(self).made['organization']}/{type(self).made['name']}"

    def _answer(self, value: object, status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[tuple[str, type[Hub]]]:
    handler = type("OneHub", (Hub,), {"made": {}, "files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
