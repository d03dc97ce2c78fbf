"""The HTML report of a bench in a real Chromium."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Page, browser
from saved_benches import at_concurrency, bench_of

from bench.report.html import MAX_REQUESTS, write_html

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
HOSTILE = [
    "</script><script>document.title = 'owned'</script>",
    "<!--<script>",
    "<img src=x onerror=\"document.title = 'owned'\">",
    "\u202egnorw\u202c \u0007\u200b {{script}} {{data}}",
]


def hostile() -> dict[str, Any]:
    """Two levels of four models with hostile names, a tenth of whose requests failed with hostile errors."""
    report = bench_of(blocks=2)
    at_concurrency(report["levels"][1], 4)
    for level in report["levels"]:
        level["models"] = dict.fromkeys(HOSTILE, level["overall"])
        for number, sample in enumerate(level["samples"]):
            sample["model"] = HOSTILE[number % 4]
            if number % 10 == 0:
                sample.update(error=HOSTILE[number // 10 % 4], ttft_ms=None, e2e_ms=None, outcome="infra_error")
    return report


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "bench-hostile.html"
    write_html(path, hostile())
    return path


def visit(path: Path, look: Callable[[Page], Awaitable[None]], profile: Path, **how: Any) -> None:
    async def go() -> None:
        async with browser(profile) as page:
            await page.open(path, **how)
            await look(page)
            assert page.problems == []

    asyncio.run(go())


def test_nothing_that_a_server_said_can_end_the_data_or_open_a_tag(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert "<" not in data[1]
    assert json.loads(data[1])["models"] == HOSTILE
    assert text.count("<script") == text.count("</script>") == 2


@needs_browser
def test_hostile_names_and_errors_are_shown_as_text(page_path: Path, tmp_path: Path) -> None:
    async def look(page: Page) -> None:
        assert await page.run("document.title") == "bench: bench-hostile"
        assert await page.run("document.querySelectorAll('main img, main script').length") == 0
        cells = await page.run("[...document.querySelectorAll('.errors .error')].map((cell) => cell.textContent)")
        assert set(HOSTILE[:3]) < set(cells)
        assert not any("\u202e" in text for text in cells)
        counts = await page.run("[...document.querySelectorAll('.errors td:first-child')].map((c) => +c.textContent)")
        assert sum(counts) == 8

    visit(page_path, look, tmp_path / "profile")


@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_the_page_fits_its_width_in_light_and_dark(page_path: Path, tmp_path: Path, width: int, dark: bool) -> None:
    async def look(page: Page) -> None:
        assert await page.run("document.documentElement.scrollWidth") <= width
        ground = await page.run("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(16, 20, 26)") == dark

    visit(page_path, look, tmp_path / "profile", width=width, dark=dark)


@needs_browser
def test_charts_are_drawn_from_the_data_and_follow_the_chosen_level(tmp_path: Path) -> None:
    report = bench_of(blocks=2)
    at_concurrency(report["levels"][1], 4)
    report["levels"][1]["samples"] = report["levels"][1]["samples"][:7]
    path = tmp_path / "bench.html"
    write_html(path, report)
    p50 = report["levels"][0]["overall"]["ttft_p50_ms"]

    async def look(page: Page) -> None:
        assert await page.run("document.querySelectorAll('.chart').length") == 3 + 4 + 2 + 1
        assert await page.run("document.querySelectorAll('.lanes .answering').length") == 7
        titles = await page.run("[...document.querySelectorAll('.dot title')].map((title) => title.textContent)")
        wanted = f"p50, m, 1 in flight: {p50:.0f} ms" if p50 >= 100 else f"p50, m, 1 in flight: {p50:.1f} ms"
        assert wanted in titles
        await page.run(
            "(() => { const box = document.querySelector('select'); box.value = '0';"
            " box.dispatchEvent(new Event('change')); })()"
        )
        assert await page.run("document.querySelectorAll('.lanes .answering').length") == 40
        assert "functional, not performance" in await page.run("document.querySelector('.warnings').textContent")

    visit(path, look, tmp_path / "profile")


@needs_browser
def test_a_report_without_requests_or_correctness_has_its_figures_all_the_same(tmp_path: Path) -> None:
    report = bench_of(blocks=1)
    for level in report["levels"]:
        level.update(samples=[], load="not told", concurrency=None)
        level["models"]["m"] |= {"exact": None, "turn_exact": None, "correct_per_s": None}
    path = tmp_path / "bench.html"
    write_html(path, report)

    async def look(page: Page) -> None:
        assert await page.run("document.querySelectorAll('.chart').length") == 2 + 4
        assert await page.run("document.querySelectorAll('.lanes').length") == 0
        assert "not told" in await page.run("document.querySelector('table').textContent")

    visit(path, look, tmp_path / "profile")


def test_of_very_many_requests_the_first_are_drawn_and_the_page_says_so(tmp_path: Path) -> None:
    report = bench_of(blocks=2)
    for level in report["levels"]:
        level["samples"] = level["samples"][:1] * (MAX_REQUESTS - 1)
    path = tmp_path / "bench.html"
    write_html(path, report)
    data = json.loads(re.findall(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[0])
    assert [len(level["samples"]) for level in data["levels"]] == [MAX_REQUESTS - 1, 1]
    assert [level["requests"] for level in data["levels"]] == [MAX_REQUESTS - 1] * 2
