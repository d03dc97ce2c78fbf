"""`callproof train endpoint`: chat completions of a model in this process, for looking at it where no server runs.

It speaks as much of OpenAI's API as callproof asks of an endpoint on the raw channel: GET /v1/models, GET /health, and
POST /v1/chat/completions, whole or streamed. Text is what the model wrote; calls are left in it. Requests are answered
one after another, and one whose client goes away ends at its next token. What is not understood is refused. It listens
on 127.0.0.1 and answers to no other site in the same browser.
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from aiohttp import web
from pydantic import Field, JsonValue, ValidationError, field_validator

from callproof.console import say
from callproof.console.own_site import is_foreign
from callproof.errors import UserError
from callproof.records import Record, explain
from callproof.turns import Conversation

from .generation import Generated, Speaker, Wanted

HOST = "127.0.0.1"
MAX_BODY_BYTES = 16 * 2**20


class _Function(Record):
    name: str
    arguments: str

    @field_validator("arguments")
    @classmethod
    def _is_object(cls, text: str) -> str:
        if not isinstance(json.loads(text), dict):
            raise ValueError("expected the text of a JSON object")
        return text


class _Call(Record):
    id: str | None = None
    type: Literal["function"]
    function: _Function


class _Message(Record):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[_Call, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


class _StreamOptions(Record):
    include_usage: bool = False


class Question(Record):
    """The body of a request."""

    model: str
    messages: tuple[_Message, ...] = Field(min_length=1)
    max_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=1.0, ge=0)
    seed: int | None = None
    tools: tuple[dict[str, JsonValue], ...] | None = None
    tool_choice: Literal["none"] | None = None
    chat_template_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    skip_special_tokens: bool = True
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()

    @property
    def conversation(self) -> Conversation:
        messages = tuple(message.model_dump(mode="json", exclude_unset=True) for message in self.messages)
        return Conversation(messages=messages, tools=self.tools, template_kwargs=self.chat_template_kwargs)


class LocalEndpoint:
    """The endpoint of one model.

    Args:
        names: what it is served as; with an adapter on it, first the base and then the adapter.
    """

    def __init__(self, speaker: Speaker, names: list[str]) -> None:
        self._speaker, self._names = speaker, names
        self._one_at_a_time = ThreadPoolExecutor(1)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_own_name_only])
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _: web.Request) -> web.Response:
        cards = [{"id": name, "object": "model", "created": 0, "owned_by": "callproof"} for name in self._names]
        return web.json_response({"object": "list", "data": cards})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            question = Question.model_validate_json(await request.text())
            if question.model not in self._names:
                return _refusal(404, f"model {question.model!r} is not served; served: {', '.join(self._names)}")
            if question.tools and not question.tool_choice:
                return _refusal(400, "calls are returned as text only: send tool_choice 'none'")
            prompt = self._speaker.prompt(question.conversation, question.max_tokens)
        except ValidationError as error:
            return _refusal(400, explain(error))
        except UserError as error:
            return _refusal(400, str(error))
        answer = _Answer(question, self._speaker, prompt, with_adapter=question.model == self._names[-1])
        pieces = answer.pieces(self._one_at_a_time)
        return await (_stream(request, answer, pieces) if question.stream else _whole(answer, pieces))


class _Answer:
    """One answer, and the objects of OpenAI's API that carry it."""

    def __init__(self, question: Question, speaker: Speaker, prompt: list[int], with_adapter: bool) -> None:
        self.question, self._speaker, self._prompt, self._with_adapter = question, speaker, prompt, with_adapter
        self.generated: Generated | None = None
        self._created = int(time.time())

    async def pieces(self, executor: ThreadPoolExecutor) -> AsyncIterator[str]:
        """The text as it comes; `generated` is there once it has ended."""
        loop, stopped = asyncio.get_running_loop(), threading.Event()
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        asked = self.question
        wanted = Wanted(
            asked.max_tokens, asked.temperature, not asked.skip_special_tokens, asked.seed, self._with_adapter
        )

        def put(piece: str) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, piece)

        task = loop.run_in_executor(executor, self._speaker.answer, self._prompt, wanted, put, stopped)
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (piece := await queue.get()) is not None:
                yield piece
            self.generated = await task
        finally:
            stopped.set()

    def body(self, kind: str, *choices: dict[str, Any], **more: Any) -> dict[str, Any]:
        base = {"id": "chatcmpl-local", "object": kind, "created": self._created, "model": self.question.model}
        return {**base, "choices": [{"index": 0, **choice} for choice in choices], **more}

    @property
    def usage(self) -> dict[str, int]:
        assert self.generated
        asked, said = self.generated.prompt_tokens, self.generated.tokens
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


async def _whole(answer: _Answer, pieces: AsyncIterator[str]) -> web.StreamResponse:
    text = "".join([piece async for piece in pieces])
    assert answer.generated
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": answer.generated.finish_reason}
    return web.json_response(answer.body("chat.completion", choice, usage=answer.usage))


async def _stream(request: web.Request, answer: _Answer, pieces: AsyncIterator[str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)

    async def send(*choices: dict[str, Any], **more: Any) -> None:
        event = json.dumps(answer.body("chat.completion.chunk", *choices, **more), ensure_ascii=False)
        await response.write(f"data: {event}\n\n".encode())

    await send({"delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    async for piece in pieces:
        await send({"delta": {"content": piece}, "finish_reason": None})
    assert answer.generated
    await send({"delta": {}, "finish_reason": answer.generated.finish_reason})
    if answer.question.stream_options.include_usage:
        await send(usage=answer.usage)
    await response.write(b"data: [DONE]\n\n")
    return response


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "invalid_request", "code": status}}, status=status)


@web.middleware
async def _own_name_only(request: web.Request, handler: Any) -> web.StreamResponse:
    if is_foreign(request.host, request.headers.get("Origin")):
        return _refusal(403, "this endpoint answers to its own address only")
    return await handler(request)


def serve(endpoint: LocalEndpoint, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C; prints `ready <url>` to stdout when requests can be sent."""

    def ready(_: str) -> None:
        say("the endpoint is reachable from this machine only; stop with Ctrl-C")
        print(f"ready http://{HOST}:{port}", flush=True)

    web.run_app(
        endpoint.app(),
        host=HOST,
        port=port,
        print=ready,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=1,
    )
