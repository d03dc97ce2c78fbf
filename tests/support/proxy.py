"""A real HTTP proxy in front of a server on this machine, which changes requests and streamed events on the way."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web

Body = dict[str, Any]


@contextmanager
def proxy(
    target: str, body: Callable[[Body], Body] = lambda body: body, keep: Callable[[int], bool] = lambda _: True
) -> Iterator[str]:
    """The URL of a proxy to `target` for the block.

    Args:
        body: changes the JSON of each request.
        keep: whether the piece of a streamed answer that has this number, from 0, is passed on.
    """
    loop, ready, urls = asyncio.new_event_loop(), threading.Event(), list[str]()

    async def handle(request: web.Request) -> web.StreamResponse:
        data = json.dumps(body(json.loads(sent))).encode() if (sent := await request.read()) else None
        headers = {"Content-Type": "application/json"} if data else {}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, f"{target}{request.path_qs}", data=data, headers=headers) as answer,
        ):
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            whole = answer.content_type != "text/event-stream"
            pieces = [await answer.read()] if whole else (await answer.read()).split(b"\n\n")
            for number, piece in enumerate(pieces):
                if whole or keep(number):
                    await response.write(piece if whole else piece + b"\n\n")
            await response.write_eof()
            return response

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        ready.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
