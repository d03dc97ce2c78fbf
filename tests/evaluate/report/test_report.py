import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from browser import CHROMIUM, Page, browser
from report_runs import gold, make_run
from weather import call

from evaluate.runs import Run

HOSTILE = [
    "</script><script>document.title = 'owned'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "[click](javascript:document.title='owned')",
    "\u202egnorw\u202c \u0007\u200b {{script}} {{data}}",
    call("get_weather", city="<b>bold</b>"),
]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def visit(run: Run, look: Callable[[Page], Awaitable[None]], profile: Path, **how: object) -> None:
    async def go() -> None:
        async with browser(profile) as page:
            await page.open(run.report_path, **how)  # pyright: ignore[reportArgumentType]
            await look(page)
            assert page.problems == []

    asyncio.run(go())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twelve turns; one model answers them with hostile text, one with 1 MB lines."""
    numbers = iter(range(10_000))
    answers = {"<i>mean</i>": lambda _: HOSTILE[next(numbers) % len(HOSTILE)], "huge": lambda _: "x<" * 500_000}
    return make_run(tmp_path_factory.mktemp("runs") / "hostile", 6, answers)


def test_nothing_that_a_model_wrote_can_end_the_data_or_open_a_tag(hostile: Run):
    text = hostile.report_path.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    assert set(HOSTILE) < set(json.loads(data[1])["texts"])
    assert text.count("<script") == text.count("</script>") == 2


def test_the_page_admits_its_own_style_and_script_only_and_loads_nothing(hostile: Run):
    text = hostile.report_path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        inner = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[-1]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none';")
    own = text[: text.index('id="data"')]
    assert not re.search(r"<link|src=|url\(|@import", own)


def test_what_turns_share_is_written_once(tmp_path: Path):
    small, large = (make_run(tmp_path / str(n), n, {"good": gold}) for n in (10, 110))
    growth = large.report_path.stat().st_size - small.report_path.stat().st_size
    assert growth / 200 < 1000
    text = large.report_path.read_text()
    assert text.count("The weather in a city.") == 1


@needs_browser
def test_hostile_answers_are_shown_as_text(hostile: Run, tmp_path: Path):
    async def look(page: Page) -> None:
        for number in range(12):
            await page.run(f"document.querySelectorAll('.row')[{number}].click()")
            shown = await page.run("document.querySelector('.answer .code').textContent")
            wanted = HOSTILE[number % len(HOSTILE)]
            if not wanted.startswith(("<tool_call>", "\u202e")):
                assert shown == wanted
            assert await page.run("document.querySelectorAll('.detail img, .detail b, .detail script').length") == 0
        assert await page.run("document.title") == "weather: hostile"
        assert "<i>mean</i>" in await page.run("document.querySelector('.card').textContent")
        assert (
            await page.run("[...document.querySelectorAll('.answer')].some((a) => a.textContent.includes('\\u202e'))")
            is False
        )

    visit(hostile, look, tmp_path / "profile")


@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_width(hostile: Run, tmp_path: Path, width: int):
    async def look(page: Page) -> None:
        assert await page.run("document.documentElement.scrollWidth") <= width

    visit(hostile, look, tmp_path / "profile", width=width)


@needs_browser
def test_a_link_opens_its_turn_and_filters_find_it(hostile: Run, tmp_path: Path):
    async def look(page: Page) -> None:
        assert await page.run("document.querySelector('.turn-head a').textContent") == "weather-004/5"
        assert "no call" in await page.run("document.querySelector('.gold').textContent")
        await page.run(
            "(() => { const box = document.querySelector('input[type=search]'); box.value = 'City3';"
            " box.dispatchEvent(new Event('input')); })()"
        )
        await asyncio.sleep(0.4)
        assert await page.run("document.querySelector('#turns .hint').textContent") == "2 of 12"
        await page.run("document.querySelector('.segment.wrong_args')?.click()")

    visit(hostile, look, tmp_path / "profile", fragment="#turn=weather-004%2F5")
