"""`serve ui`: one page with two models side by side, or with one; what is typed goes to both.

The page keeps and draws the conversations; prompt, request and verdicts are those of `serve chat`. Like every page of
`callproof.console.html` it writes text nodes only, and loads only its own style and script. It talks to no address but
its own server, which listens on 127.0.0.1, answers to no other host name and accepts nothing but JSON, so that no other
site in the same browser can use it.

POST /answer takes `{"session_id", "model", "messages"}`. Each message is a string that contains the JSON of one message
of a session (a string, because a browser would round numbers). It streams lines of JSON: `{"reading"}` while the answer
forms, and finally `{"reading", "message", "problem"}`, where `message` is null if nothing arrived.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import Field, ValidationError

from callproof.calls import writable
from callproof.config import RunConfig
from callproof.console import say
from callproof.console.html import page
from callproof.console.own_site import is_foreign
from callproof.console.signals import on_signals
from callproof.endpoint import served_name
from callproof.errors import UserError, in_one_line
from callproof.records import Record, explain
from callproof.scoring import Channel
from callproof.sessions import Message

from .answerer import Answerer, Said
from .chat import Chat, Sampling
from .reading import Reading

HOST = "127.0.0.1"
SHOWN_EVERY_S = 0.05
MAX_BODY_BYTES = 8 * 2**20
_ASSETS = Path(__file__).with_name("assets")
_SCRIPTS = ("talk.js", "side.js", "ui.js")


class Question(Record):
    """The body of POST /answer; see the head of this module."""

    session_id: str = Field(min_length=1)
    model: str
    messages: tuple[str, ...] = Field(min_length=1)


class Page:
    """The page of one configuration and endpoint.

    Args:
        served: names to choose from.
        sides: the names on the left and on the right at first; or one, of the only side.

    Raises:
        UserError: a file of the domain is missing or malformed.
    """

    def __init__(
        self,
        config: RunConfig,
        answerer: Answerer,
        served: Sequence[str],
        sides: Sequence[str],
        channel: Channel = "raw",
    ) -> None:
        self._config, self._answerer, self._served = config, answerer, list(served) or list(dict.fromkeys(sides))
        self._channel: Channel = channel
        self._sampling = Sampling(config.eval.max_tokens, config.eval.temperature)
        tools = len(Chat(config, "ui").catalog.tools)
        data = {
            "name": config.name,
            "endpoint": answerer.root,
            "served": self._served,
            "sides": list(sides),
            "tools": tools,
        }
        self._html = page(
            Path(__file__).with_name("assets"), f"{config.name}: chat", data, ["ui.css"], _SCRIPTS, connect="'self'"
        )

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_own_name_only])
        app.router.add_get("/", self._show)
        app.router.add_post("/answer", self._answer)
        return app

    async def _show(self, _: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
        return web.Response(text=self._html, content_type="text/html", headers=headers)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            chat, model = self._chat(await _text(request), request.content_type)
            payload = chat.request(model, self._sampling, channel=self._channel)
        except UserError as error:
            return web.json_response({"problem": str(error)}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
        await response.prepare(request)
        said, last_update = Said(chat.format.name), 0.0
        async for _ in self._answerer.ask(payload, said):
            now = asyncio.get_running_loop().time()
            if now - last_update >= SHOWN_EVERY_S:
                last_update = now
                await _write(response, reading=chat.reading_so_far(said.text))
        came = bool(said.text) or said.problem is None
        message = chat.answer_message(said.text, said.finish_reason).model_dump_json() if came else None
        whole = chat.reading(said.text, said.finish_reason)
        await _write(response, reading=whole, message=message, problem=said.problem)
        return response

    def _chat(self, body: str, content_type: str) -> tuple[Chat, str]:
        """The conversation and the model of a request body; raises a UserError."""
        if content_type != "application/json":
            raise UserError("POST /answer", f"expected JSON, got {content_type}", "use the page")
        try:
            question = Question.model_validate_json(body)
            chat = Chat(self._config, question.session_id, messages=[_message(text) for text in question.messages])
            chat.session()
        except ValidationError as error:
            raise UserError("POST /answer", explain(error), "load the page again") from None
        return chat, served_name(question.model, self._served, f"model {question.model}", self._answerer.root)


async def _text(request: web.Request) -> str:
    try:
        return await request.text()
    except (UnicodeDecodeError, LookupError, web.RequestPayloadError) as error:
        raise UserError("POST /answer", f"its body cannot be read ({error})", "use the page") from None


class _OneLine(logging.LoggerAdapter[logging.Logger]):
    """What goes wrong with a request, malformed HTTP above all, as one line instead of a traceback."""

    def exception(self, msg: object, *args: object, **more: Any) -> None:
        error = more.get("exc_info") or sys.exc_info()[1]
        self.error("%s: %s", in_one_line(str(msg) % args), in_one_line(str(error))[:200])


def _message(text: str) -> Message:
    message = Message.model_validate_json(text)
    return message.model_copy(update={"content": writable(message.content)})


async def _write(response: web.StreamResponse, reading: Reading, **more: Any) -> None:
    value = {"reading": reading.model_dump(mode="json"), **more}
    await response.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


@web.middleware
async def _own_name_only(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuse requests for another host name (DNS rebinding) and requests from another site."""
    if is_foreign(request.host, request.headers.get("Origin")):
        return web.json_response({"problem": "this page answers to its own address only"}, status=403)
    return await handler(request)


def pair_of(config: RunConfig, names: Sequence[str], served: Sequence[str], root: str) -> tuple[str, str]:
    """The models on the left and on the right: base and adapter by default; one name replaces the right one.

    Raises:
        UserError: there are more than two names, or one is not served.
    """
    if len(names) > 2:
        raise UserError("--model", f"expected one or two, got {len(names)}", "name the left and the right one")
    left, right = names if len(names) == 2 else (config.model.served_name, *(names or [config.name]))
    check = partial(served_name, served=served, root=root)
    return check(left, where=f"--model {left}"), check(right, where=f"--model {right}")


async def serve_page(page: Page, port: int) -> None:
    """Serve a page until SIGTERM or Ctrl-C; prints `ready <url>` to stdout when it can be opened."""
    log = _OneLine(logging.getLogger("callproof.ui"))
    runner = web.AppRunner(page.app(), handler_cancellation=True, access_log=None, shutdown_timeout=1, logger=log)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        stop = asyncio.Event()
        with on_signals(stop.set):
            say("the page is reachable from this machine only; stop with Ctrl-C")
            print(f"ready http://{HOST}:{port}", flush=True)
            await stop.wait()
    finally:
        await runner.cleanup()
