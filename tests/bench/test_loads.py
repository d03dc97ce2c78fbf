"""One load, as `run` saves it, in what stands on the file: compare, Prometheus text and the HTML report."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, browser
from fake_endpoint import FakeEndpoint, Script
from test_bench_cli import bench, right_for_even_cities, workplace

from bench.compare import Comparison, compare, side_of
from bench.html import write_html
from bench.prometheus import exposition
from bench.saved import SavedBench
from callproof.errors import UserError

__all__ = ["workplace"]
NOWHERE = {"concurrency": None, "rate": None, "live": None}
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def saved(folder: Path, name: str, **changes: Any) -> Path:
    """A bench of five blocks of an open loop, whose requests each took 100 ms from when they were sent."""
    sample = {"model": "cars", "turn_id": "s/1", "started_s": 0.0, "ttft_ms": 50.0, "e2e_ms": 100.0, "itl_ms": [],
              "output_tokens": 3, "outcome": "ok", "error": None, "delay_ms": changes.pop("delay_ms", 0.0)}  # fmt: skip
    row = {"requests": 4, "errors": 0, "turn_exact": 1.0, "req_per_s": 2.0}
    level = {"load": "2 req/s poisson", "concurrency": None, "rate": 2.0, "arrival": "poisson", "live": None,
             "partial": False, "duration_s": 2.0, "overall": row, "models": {"cars": row}, "samples": [sample] * 4,
             "turn_exact_vs_lowest": None, **changes.pop("level", {})}  # fmt: skip
    report = {"schema_version": 1, "endpoint": "http://a", "device": "gpu, x", "note": None, "partial": False,
              "stopped": None, "loop": "open", "arrival": "poisson", "max_in_flight": None, "mix": None, "seed": 0,
              "slo": None, "prefix_cache": "cold at each level", "sampling": {}, "turns": {"cars": "x"},
              "versions": {"server": "1"}, "find_rate": None, "warnings": [], "levels": [level] * 5}  # fmt: skip
    path = folder / name
    path.write_text(json.dumps({**report, **changes}))
    return path


def compared(one: Path, two: Path) -> Comparison:
    return compare(side_of(one, None, NOWHERE), side_of(two, None, NOWHERE), {})


@pytest.mark.parametrize(
    "change",
    [
        {"arrival": "constant"},
        {"max_in_flight": 4},
        {"mix": {"cars": 1.0, "tiny": 2.0}},
        {"seed": 1},
        {"loop": "closed"},
        {"prefix_cache": "as the server had it"},
        {"level": {"load": "4 req/s poisson", "rate": 4.0}},
    ],
)
def test_benches_of_different_loads_are_not_compared(change: dict[str, Any], tmp_path: Path) -> None:
    baseline = saved(tmp_path, "a.json")
    assert compared(baseline, saved(tmp_path, "same.json")).verdict == "inconclusive"
    result = compared(baseline, saved(tmp_path, "b.json", **change))
    assert (result.verdict, result.exit_code) == ("invalid", 3)
    assert result.problems[0].startswith("the benches differ in ")


def test_an_open_loop_is_charged_from_the_moment_at_which_requests_were_due(tmp_path: Path) -> None:
    result = compared(saved(tmp_path, "a.json"), saved(tmp_path, "b.json", delay_ms=100.0))
    found = {each.metric: each.ratio for each in result.ratios}
    assert (found["e2e_p50"], found["ttft_p50"], found["tpot_p50"]) == (2.0, 3.0, 1.0)


def test_a_file_of_several_loads_needs_a_choice(tmp_path: Path) -> None:
    levels = json.loads(saved(tmp_path, "a.json").read_text())["levels"]
    path = saved(tmp_path, "b.json", levels=[*levels, {**levels[0], "rate": 8.0, "load": "8 req/s poisson"}])
    with pytest.raises(UserError, match="holds the loads 2 req/s poisson; 8 req/s poisson"):
        side_of(path, None, NOWHERE)
    with pytest.raises(UserError, match="and rate 3 is asked for"):
        side_of(path, None, {**NOWHERE, "rate": 3.0})
    assert side_of(path, None, {**NOWHERE, "rate": 8.0}).load == "8 req/s poisson"


def test_prometheus_labels_tell_the_rate_of_an_open_loop(tmp_path: Path) -> None:
    text = exposition(SavedBench.read(saved(tmp_path, "a.json")))
    assert 'callproof_bench_requests{model="cars",rate="2",arrival="poisson",block="5"} 4' in text
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
    assert "c.json: is of live sides" in done.stderr


@needs_browser
def test_the_report_of_an_open_loop_shows_rates_limits_and_what_went_wrong(workplace: Path) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    broken = iter([Script("warm-up"), Script(status=500, body=hostile.encode())])
    with FakeEndpoint(lambda payload: next(broken, right_for_even_cities(payload)), models=["cars"]) as fake:
        words = ["--endpoint", fake.url, "--config", "cars.yaml", "--model", "cars", "--out", "b.json"]
        done = bench(workplace, *words, "--rate", "40,20", "--slo", "e2e=60000", "--max-in-flight", "8")
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
    for shown in ("open, poisson, at most 8 in flight", "e2e 60,000 ms", "40 req/s poisson", "requests/s asked for",
                  "within the service level", "time to first valid call", "against the lowest load"):  # fmt: skip
        assert shown in text, shown


@needs_browser
def test_the_report_of_a_file_without_figures_is_drawn(tmp_path: Path) -> None:
    report = json.loads(saved(tmp_path, "a.json", find_rate={"words": "2 req/s: fine"}, stopped="the server is gone",
                              partial=True).read_text())  # fmt: skip
    write_html(tmp_path / "a.html", {**report, "warnings": ["it lags"]})

    async def look() -> tuple[str, list[str]]:
        async with browser(tmp_path / "profile") as page:
            await page.open(tmp_path / "a.html", width=390, dark=True)
            return await page.run("document.body.innerText"), page.problems

    text, problems = asyncio.run(look())
    assert not problems
    for shown in ("2 req/s: fine", "the server is gone", "it lags", "2 req/s poisson, block 5"):
        assert shown in text, shown
