"""Requests behind the middleware while a name is unloaded and loaded, on an application that looks names up twice."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serve.middleware import Moving
from serve.middleware.asgi import LIMIT
from serve.middleware.moving import BEGINS_S

RENDER_S, LOAD_S = 0.05, 0.2
Asked = tuple[int, str]


class Engine:
    """As vLLM 0.32 treats names: a request looks its adapter up when it comes and again after its prompt is rendered.

    An answer is the path of the weights that gave it. Loads of a path `broken` fail after their time; one in place
    stands for one that got its lock before the unload, and is answered after it.
    """

    def __init__(self) -> None:
        self.names = {"cars": "old"}
        self.asked = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        status, text = await getattr(self, scope["path"].rpartition("/")[2])(body)
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": text.encode()[:3], "more_body": True})
        await send({"type": "http.response.body", "body": text.encode()[3:]})

    async def completions(self, body: dict[str, Any]) -> Asked:
        self.asked += 1
        if body["model"] in self.names:
            await asyncio.sleep(RENDER_S)
        return (200, self.names[body["model"]]) if body["model"] in self.names else (404, "no such model")

    async def unload_lora_adapter(self, body: dict[str, Any]) -> Asked:
        return (200, "gone") if self.names.pop(body["lora_name"], None) else (404, "no such adapter")

    async def load_lora_adapter(self, body: dict[str, Any]) -> Asked:
        await asyncio.sleep(LOAD_S)
        if body["lora_path"] == "broken":
            return 500, "broken"
        if body.get("load_inplace"):
            return 200, "loaded"
        self.names[body["lora_name"]] = body["lora_path"]
        return 200, "loaded"


async def ask(app: Moving | Engine, path: str, **body: Any) -> Asked:
    sent: list[dict[str, Any]] = []
    incoming = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": f"/v1/{path}"}, receive, send)
    start, *bodies = sent
    return start["status"], b"".join(part["body"] for part in bodies).decode()


async def moved(app: Moving | Engine, path: str = "new", between: float = 0.0) -> None:
    await ask(app, "unload_lora_adapter", lora_name="cars")
    await asyncio.sleep(between)
    await ask(app, "load_lora_adapter", lora_name="cars", lora_path=path)


async def met(app: Moving | Engine, act: Callable[[Moving | Engine], Awaitable[None]]) -> list[Asked]:
    """Answers to requests that are being rendered, meet the gap, and come after `act`, in this order."""
    rendered = [asyncio.create_task(ask(app, "chat/completions", model="cars")) for _ in range(3)]
    await asyncio.sleep(RENDER_S / 2)
    acting = asyncio.create_task(act(app))
    await asyncio.sleep(RENDER_S)
    gap = asyncio.create_task(ask(app, "chat/completions", model="cars"))
    await acting
    return [*(await asyncio.gather(*rendered)), await gap, await ask(app, "chat/completions", model="cars")]


def test_without_the_middleware_what_meets_the_gap_is_refused() -> None:
    answers = asyncio.run(met(Engine(), moved))
    assert [status for status, _ in answers] == [404, 404, 404, 404, 200]


@pytest.mark.parametrize("between", [0.0, BEGINS_S / 2])
def test_what_meets_the_gap_is_answered_by_the_new_weights(between: float) -> None:
    answers = asyncio.run(met(Moving(Engine()), lambda app: moved(app, between=between)))
    assert answers == [(200, "new")] * 5


def test_where_the_load_fails_the_next_one_is_waited_for() -> None:
    async def twice(app: Moving | Engine) -> None:
        await moved(app, "broken")
        await ask(app, "load_lora_adapter", lora_name="cars", lora_path="old")

    assert asyncio.run(met(Moving(Engine()), twice)) == [(200, "old")] * 5


def test_a_load_in_place_neither_ends_a_gap_nor_is_one() -> None:
    async def act(app: Moving | Engine) -> None:
        words = {"lora_name": "cars", "lora_path": "old", "load_inplace": True}
        await asyncio.gather(ask(app, "load_lora_adapter", **words), moved(app, between=2 * LOAD_S))

    assert asyncio.run(met(Moving(Engine()), act)) == [(200, "new")] * 5


async def _refused(name: str, unload: str | None) -> tuple[Asked, float, int]:
    """The answer for a name, the seconds that it took, and how often the application was asked."""
    engine = Engine()
    app, clock = Moving(engine), asyncio.get_running_loop().time
    if unload:
        await ask(app, "unload_lora_adapter", lora_name=unload)
    began = clock()
    return await ask(app, "chat/completions", model=name), clock() - began, engine.asked


def test_a_name_that_is_gone_for_good_is_refused_after_the_time_in_which_a_load_may_begin() -> None:
    answer, seconds, asked = asyncio.run(_refused("cars", "cars"))
    assert (answer, asked) == ((404, "no such model"), 1)
    assert BEGINS_S * 0.9 < seconds < BEGINS_S * 5


@pytest.mark.parametrize("unload", [None, "cars", "ghost"])
def test_a_name_that_never_was_is_refused_at_once(unload: str | None) -> None:
    answer, seconds, asked = asyncio.run(_refused("boats", unload))
    assert (answer, asked) == ((404, "no such model"), 1)
    assert seconds < BEGINS_S * 0.9


def test_a_refused_unload_leaves_no_wait() -> None:
    answer, seconds, _ = asyncio.run(_refused("ghost", "ghost"))
    assert answer == (404, "no such model")
    assert seconds < BEGINS_S * 0.9


def test_a_body_too_long_to_be_kept_is_passed_on_and_its_refusal_too() -> None:
    pieces = [b"x" * LIMIT, b"y", b"z"]
    heard: list[bytes] = []
    sent: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def app(_: dict[str, Any], receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            heard.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 404})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["status"])

    asyncio.run(Moving(app)({"type": "http", "method": "POST", "path": "/v1/audio/transcriptions"}, receive, send))
    assert ([len(part) for part in heard], sent) == ([LIMIT, 1, 1], [404])
