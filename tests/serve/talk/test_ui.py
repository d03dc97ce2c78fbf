"""`serve ui` in a real browser, against a real HTTP endpoint."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from browser import CHROMIUM, Page, browser
from fake_endpoint import FakeEndpoint, Script
from programs import run_program
from ui_page import ui_page

from callproof.config import load
from serve.talk import Chat, Sampling

ROOT = Path(__file__).resolve().parents[3]
SEARCH = '<tool_call>\n{"name": "search_vehicles", "arguments": {"max_price": 12345678901234567890}}\n</tool_call>'
WRONG = '<tool_call>\n{"name": "get_vehicle", "arguments": {"id": 1}}\n</tool_call>'
HOSTILE = (
    """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script> [a](b:x) \u202e\u0007"""
)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    values = {
        "name": "cars",
        "data": {"domain": str(ROOT / "datasets/car_sales")},
        "serve": {"tool_call_parser": "hermes"},
    }
    (tmp_path / "cars.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def command(*words: str) -> list[str]:
    return ["serve", "ui", "--config", "cars.yaml", *words]


@contextmanager
def serving(folder: Path, fake: FakeEndpoint, *words: str) -> Iterator[str]:
    """The address of the page of an endpoint."""
    with ui_page(folder, *command("--endpoint", fake.url, *words)[2:]) as url:
        yield url


def visit(folder: Path, fake: FakeEndpoint, look: Callable[[Page], Awaitable[None]], *words: str) -> None:
    """Open the page and look; nothing but the page's own server may be asked, and no script may fail."""

    async def go(url: str) -> None:
        async with browser(folder / "profile") as page:
            await page.visit(url)
            await look(page)
            assert page.problems == []
            assert {request.split("/")[2] for request in page.requests} == {url.split("/")[2]}
            assert await page.run("document.title") == "cars: chat"

    with serving(folder, fake, *words) as url:
        asyncio.run(go(url))


async def until(page: Page, condition: str) -> None:
    for _ in range(400):
        if await page.run(condition):
            return
        await asyncio.sleep(0.05)
    raise AssertionError((condition, await page.run("document.body.innerText"), page.problems))


async def type_and_send(page: Page, text: str) -> None:
    await page.run(f"document.getElementById('input').value = {json.dumps(text)}")
    await page.run("document.querySelector('.send').click()")


async def logs(page: Page) -> list[str]:
    return await page.run("[...document.querySelectorAll('.log')].map((log) => log.innerText)")


IDLE = "!document.querySelector('.send').disabled"


@needs_browser
def test_two_models_answer_side_by_side_and_a_pasted_result_goes_to_both(folder: Path) -> None:
    def answer(payload: dict[str, Any]) -> str:
        if payload["messages"][-1]["role"] == "tool":
            return f"Found, says {payload['model']}."
        return SEARCH if payload["model"] == "cars" else f"One moment.\n{WRONG}\n{WRONG}"

    async def look(page: Page) -> None:
        await type_and_send(page, "Any cars?")
        await until(page, IDLE)
        left, right = await logs(page)
        assert "get_vehicle" in left
        assert "invalid" in left
        assert "'vehicle_id' is a required property" in left
        assert "valid" in right
        assert "12345678901234567890" in right
        wanted = "document.getElementById('wanted').textContent"
        assert await page.run(wanted) == "result of get_vehicle and of search_vehicles"
        await type_and_send(page, '{"vehicles": []}')
        assert await page.run(wanted) == "result of get_vehicle"
        await page.run("document.getElementById('skip').click()")
        await until(page, f"{IDLE} && document.body.innerText.includes('Found, says cars.')")
        left, right = await logs(page)
        assert left.count('{"vehicles": []}') == right.count('{"vehicles": []}') == 1
        assert "Found, says tiny." in left
        assert "Found, says cars." in right

    with FakeEndpoint(answer, models=["tiny", "cars"]) as fake:
        visit(folder, fake, look)
    chat = Chat(load(folder / "cars.yaml"), "any")
    chat.say("Any cars?")
    chat.answer(SEARCH, "stop")
    chat.result('{"vehicles": []}')
    wanted = chat.request("cars", Sampling(256, 0.0))
    (second,) = [each for each in fake.requests if each["model"] == "cars" and each["messages"][-1]["role"] == "tool"]
    assert second["messages"][1:] == wanted["messages"][1:]
    assert second["tool_choice"] == "none"


@needs_browser
def test_nothing_that_a_model_or_a_server_says_is_more_than_text(folder: Path) -> None:
    call = json.dumps({"name": HOSTILE, "arguments": {HOSTILE: HOSTILE}})
    answers = iter(
        [HOSTILE, f"<think>{HOSTILE}</think>.<tool_call>{HOSTILE}</tool_call>", f"<tool_call>{call}</tool_call>"]
    )
    failing = Script(status=500, body=HOSTILE.encode())

    async def look(page: Page) -> None:
        for number in range(4):
            if number == 3:
                await page.run("document.getElementById('skip').click()")
            await type_and_send(page, f"Say {number}")
            await until(page, IDLE)
        assert (await logs(page))[0].count("<img src=x onerror=") >= 6
        assert await page.run("document.querySelectorAll('main img, main a, main script').length") == 0
        assert "\u202e" not in await page.run("document.getElementById('page').textContent")
        assert await page.run("document.querySelectorAll('.failed').length") == 2
        assert await page.run("document.getElementById('retry').hidden") is False

    def answer(payload: dict[str, Any]) -> str | Script:
        return (
            next(answers, failing)
            if payload["model"] == "tiny"
            else "Well."
            if len(payload["messages"]) < 7
            else failing
        )

    with FakeEndpoint(answer, models=["tiny", f"m{HOSTILE}"]) as fake:
        visit(folder, fake, look, "--model", "tiny", "--model", f"m{HOSTILE}")


@needs_browser
def test_a_call_forms_while_it_streams_and_clear_stops_and_begins_anew(folder: Path) -> None:
    pieces = (
        "One moment. <tool_call>",
        '{"name": "search_vehicles", ',
        '"arguments": {"max',
        '_price": 1',
        *[" "] * 400,
        "}}",
    )
    slow = Script(chunks=pieces, chunk_delay_s=0.1)

    async def look(page: Page) -> None:
        await page.run("document.querySelectorAll('select')[1].value = 'cover'")
        await page.run("document.querySelectorAll('select')[1].dispatchEvent(new Event('change'))")
        session = await page.run("document.getElementById('session').textContent")
        await type_and_send(page, "Any cars?")
        await until(page, "document.querySelectorAll('.forming').length == 2")
        await until(page, "document.querySelector('.forming').innerText.includes('{\"max_price\": 1')")
        assert "search_vehicles" in (await logs(page))[1]
        await page.run("document.getElementById('clear').click()")
        await until(page, IDLE)
        assert await logs(page) == ["", ""]
        assert await page.run("document.getElementById('session').textContent") != session
        for _ in range(100):
            if not fake.in_flight:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the request goes on though nobody waits for it")

    with FakeEndpoint(slow, models=["tiny", "cars", "cover"]) as fake:
        visit(folder, fake, look)
    assert sorted(each["model"] for each in fake.requests) == ["cover", "tiny"]


@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_the_chat_page_fits_its_width(folder: Path, width: int) -> None:
    async def go(url: str) -> None:
        async with browser(folder / "profile") as page:
            await page.visit(url, width=width)
            await type_and_send(page, "Say")
            await until(page, IDLE)
            assert await page.run("document.documentElement.scrollWidth") <= width

    with FakeEndpoint("x" * 5000, models=["tiny", "cars"]) as fake, serving(folder, fake) as url:
        asyncio.run(go(url))


def post(url: str, body: bytes, **headers: str) -> tuple[int, str]:
    try:
        with urlopen(
            Request(f"{url}/answer", body, {"Content-Type": "application/json", **headers}), timeout=30
        ) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_the_server_of_the_page_answers_to_its_own_page_alone(folder: Path) -> None:
    with FakeEndpoint(models=["tiny", "cars"]) as fake, serving(folder, fake) as url:
        own = {"session_id": "s", "model": "cars", "messages": ['{"role": "user", "content": "Hello"}']}
        body = json.dumps(own).encode()
        assert post(url, body)[0] == post(url, body, Origin=url)[0] == 200
        assert post(url, body, Host="evil.example:80")[0] == 403
        assert post(url, body, Origin="http://evil.example")[0] == 403
        assert post(url, body, **{"Content-Type": "text/plain"})[0] == 400
        wrong = ["not json", "[]", {}, {**own, "messages": []}, {**own, "messages": ["{}"]}, {**own, "model": "carz"},
                 {**own, "messages": ['{"role": "tool", "content": "x"}']}]  # fmt: skip
        for value in wrong:
            status, problem = post(url, json.dumps(value).encode())
            assert (status, list(json.loads(problem))) == (400, ["problem"]), value
        asked = len(fake.requests)
        with urlopen(url, timeout=30) as response:
            policy = response.read().decode().partition('Content-Security-Policy" content="')[2].partition('"')[0]
            assert response.headers["X-Frame-Options"] == "DENY"
    assert asked == 2
    assert policy.startswith("default-src 'none';")
    assert "connect-src 'self';" in policy
    assert "unsafe" not in policy


def sent(url: str, request: bytes) -> bytes:
    """The first line of what comes back for some bytes."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(4096).partition(b"\r\n")[0]


JSON = b"Content-Type: application/json"
MALFORMED = {
    "no HTTP": b"GARBAGE\r\n\r\n",
    "a version of HTTP that is none": b"GET / HTTP/9.9\r\nHost: %b\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "a long path": b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: %b\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nX: " + b"a" * 20000 + b"\r\nHost: %b\r\n\r\n",
    "no UTF-8": b"POST /answer HTTP/1.1\r\nHost: %b\r\n" + JSON + b"\r\nContent-Length: 3\r\n\r\n\xff\xfe{",
    "no charset": b"POST /answer HTTP/1.1\r\nHost: %b\r\n" + JSON + b"; charset=no\r\nContent-Length: 2\r\n\r\n{}",
    "no gzip": b"POST /answer HTTP/1.1\r\nHost: %b\r\n" + JSON
    + b"\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "a length below zero": b"POST /answer HTTP/1.1\r\nHost: %b\r\nContent-Length: -5\r\n\r\n",
    "a chunk without length": b"POST /answer HTTP/1.1\r\nHost: %b\r\n" + JSON
    + b"\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
}  # fmt: skip


def test_malformed_requests_are_400_and_the_page_goes_on(folder: Path) -> None:
    with FakeEndpoint(models=["tiny", "cars"]) as fake, serving(folder, fake) as url:
        for name, request in MALFORMED.items():
            host = url.removeprefix("http://").encode()
            assert b" 400 " in sent(url, request.replace(b"%b", host)), name
        assert urlopen(url, timeout=30).status == 200


MISTAKES = {
    "no such model": (("--model", "carz"), "--model carz: is not served at", 2),
    "three models": (("--model", "tiny", "--model", "cars", "--model", "x"), "expected one or two, got 3", 2),
    "no endpoint": (("--endpoint", "http://127.0.0.1:9"), "no endpoint answers", 2),
    "no configuration": (("--config", "none.yaml"), "none.yaml: cannot be read", 2),
    "a port in use": (("--port", "{port}"), "is in use", 2),
}


@pytest.mark.parametrize(("words", "message", "code"), MISTAKES.values(), ids=MISTAKES)
def test_wrong_use_of_ui_is_one_line(folder: Path, words: tuple[str, ...], message: str, code: int) -> None:
    with FakeEndpoint(models=["tiny", "cars"]) as fake:
        words = tuple(word.format(port=fake.url.rpartition(":")[2]) for word in words)
        done = run_program(*command("--endpoint", fake.url, *words), cwd=folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert message in done.stderr
