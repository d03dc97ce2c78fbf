"""A server that writes bytes as a test says: endless bodies, bombs, connections that close early."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENTS = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
)


@contextmanager
def server(answer: Callable[[socket.socket, int], None]) -> Iterator[tuple[str, list[int]]]:
    """A server that answers one request a connection with what `answer` writes, then closes it; counts connections."""
    connections: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                connections.append(len(connections))
                threading.Thread(target=one, args=(client, connections[-1]), daemon=True).start()

        def one(client: socket.socket, number: int) -> None:
            with client, client.makefile("rb") as lines:
                length = 0
                while line := lines.readline().strip():
                    if line.lower().startswith(b"content-length"):
                        length = int(line.split(b":")[1])
                lines.read(length)
                try:
                    answer(client, number)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", connections
        listening.shutdown(socket.SHUT_RDWR)


def endless(client: socket.socket, _: int) -> None:
    """Write without end."""
    client.sendall(HEAD + b"Connection: close\r\n\r\n")
    while True:
        client.sendall(b"x" * 65536)


def bomb(client: socket.socket, _: int) -> None:
    """Write 64 KiB that are 64 MiB when decompressed."""
    body = gzip.compress(b"\n" * 64 * 2**20)
    client.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
