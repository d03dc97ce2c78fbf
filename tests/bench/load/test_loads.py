"""One load, as `run` saves it, in what stands on the file: compare, Prometheus text and the HTML report."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from bench_program import bench, right_for_even_cities, workplace
from browser import CHROMIUM, browser
from fake_endpoint import FakeEndpoint, Script
from saved_benches import bench_of, save

from bench.compare.comparison import compare, side_of
from bench.exchange.prometheus import exposition
from bench.figures import SavedBench
from bench.report.html import write_html

__all__ = ["workplace"]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
QUALITY = {
    "turn_exact": 0.895, "alone": 0.9, "gain": -0.005, "lower": -0.019, "upper": 0.009, "turns": 800, "sessions": 200,
    "verdict": "right", "sessions_needed": None,
}  # fmt: skip


def opened(bench: dict[str, Any], **changes: Any) -> None:
    """Make an open loop of a saved bench, with `changes` of its requests."""
    bench.update(loop="open", arrival="poisson")
    for level in bench["levels"]:
        level.update(load="2 req/s poisson", concurrency=None, rate=2.0, arrival="poisson")
        for sample in level["samples"]:
            sample.update(changes)


def test_an_open_loop_is_charged_from_the_moment_at_which_requests_were_due(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{delay}.json", change=lambda bench, delay=delay: opened(bench, delay_ms=delay))
        for delay in (0.0, 100.0)
    ]
    one, two = (side_of(path, None, {"rate": 2.0}) for path in paths)
    ratios = {ratio.metric: ratio.ratio or 0.0 for ratio in compare(one, two, {}).ratios}
    assert ratios["ttft_p50"] == pytest.approx(2, abs=0.2)
    assert ratios["e2e_p50"] == pytest.approx(1 + 100 / 280, abs=0.1)
    assert ratios["tpot_p50"] == 1.0


def test_prometheus_labels_tell_the_rate_of_an_open_loop(tmp_path: Path) -> None:
    text = exposition(SavedBench.read(save(tmp_path / "a.json", change=opened)))
    assert 'callproof_bench_requests{model="m",rate="2",arrival="poisson",block="6"} 40' in text
    assert "concurrency" not in text


def test_words_that_set_keys_may_stand_before_and_after_options(workplace: Path) -> None:
    with FakeEndpoint(models=["cars", "tiny"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--out", "c", "--blocks", "5", "--concurrency", "2"]
        done = bench(workplace, "compare", "tiny", "cars", "eval.max_sessions=4", *words, "eval.max_tokens=7")
        assert {payload["max_tokens"] for payload in fake.requests} == {7}
        assert len(fake.requests) == 2 + 2 * 5 * 4
    assert done.returncode == 0, done.stderr


def test_a_third_file_is_refused_rather_than_ignored(workplace: Path) -> None:
    done = bench(workplace, "compare", "a.json", "b.json", "c.json")
    assert done.returncode == 2
    assert "c.json: sets keys of a configuration, and none is given" in done.stderr
    done = bench(workplace, "compare", "a.json", "b.json", "c.json", "--config", "cars.yaml")
    assert done.returncode == 2
    assert "c.json: is for live sides" in done.stderr


@needs_browser
def test_the_report_of_an_open_loop_shows_rates_limits_and_what_went_wrong(workplace: Path) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    broken = iter([Script("warm-up"), Script(status=500, body=hostile.encode())])
    with FakeEndpoint(lambda payload: next(broken, right_for_even_cities(payload)), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--out", "b.json"]
        done = bench(
            workplace, *words, "--rate", "40,20", "--slo", "e2e=60000", "--max-in-flight", "8", "--max-errors", "1"
        )
    assert done.returncode == 0, done.stderr

    async def look() -> tuple[str, list[str], list[str]]:
        async with browser(workplace / "profile") as page:
            await page.open(workplace / "b.html")
            ticks = await page.run(
                "[...document.querySelector('.plot').querySelectorAll('.tick.middle')].map((each) => each.textContent)"
            )
            return await page.run("document.title + document.body.innerText"), ticks, page.problems

    text, ticks, problems = asyncio.run(look())
    assert ticks == ["20", "40"]
    assert not problems
    assert hostile in text
    assert "owned" not in text.split("\n")[0]
    for words in ("open, poisson, at most 8 in flight", "e2e 60,000 ms", "40 req/s poisson", "requests/s asked for",
                  "within the service level", "time to first valid call", "against the lowest load"):  # fmt: skip
        assert words in text, words


@needs_browser
def test_the_report_tells_how_a_search_ended_and_what_to_doubt(tmp_path: Path) -> None:
    report = bench_of()
    opened(report)
    trial = {"rate": 2.0, "share": 0.97, "low": 0.95, "high": 0.99, "quality": QUALITY}
    search = {"words": "2 req/s: fine", "margin": 0.02, "trials": [trial]}
    ending = {"find_rate": search, "stopped": "the server is gone", "partial": True}
    write_html(tmp_path / "a.html", {**report, **ending, "warnings": ["it lags"]})

    async def look() -> tuple[str, list[str]]:
        async with browser(tmp_path / "profile") as page:
            await page.open(tmp_path / "a.html", width=390, dark=True)
            return await page.run("document.body.innerText"), page.problems

    text, problems = asyncio.run(look())
    assert not problems
    text = text.replace("\t", " ").replace("\n", " ")
    assert "2 97.0 [95.0, 99.0] 89.5 90.0 −0.5 [−1.9, +0.9] right 200 –" in text
    for words in ("2 req/s: fine", "less 2 points", "the server is gone", "it lags", "2 req/s poisson, block 6"):
        assert words in text, words
