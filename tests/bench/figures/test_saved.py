"""Latencies of saved requests and of open loops, each worked out by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_stats import level_of, reply

from bench.figures import Sample, level_figures, samples_of
from bench.figures.saved import SavedBench, SavedRequest
from callproof.errors import UserError

REQUEST: dict[str, Any] = {
    "model": "tiny", "started_s": 0.0, "ttft_ms": 100.0, "e2e_ms": 600.0, "output_tokens": 5, "error": None,
}  # fmt: skip


def test_a_saved_request_counts_ttft_and_e2e_from_when_it_was_due_and_tpot_from_its_own_times() -> None:
    late = SavedRequest(**REQUEST, delay_ms=250.0)
    assert (late.latency_ms("ttft"), late.latency_ms("e2e"), late.latency_ms("tpot")) == (350.0, 850.0, 125.0)
    prompt = SavedRequest(**REQUEST)
    assert (prompt.latency_ms("ttft"), prompt.latency_ms("e2e")) == (100.0, 600.0)
    two = SavedRequest(**{**REQUEST, "output_tokens": 2})
    assert two.latency_ms("tpot") == 500.0
    failed = SavedRequest(**{**REQUEST, "ttft_ms": None, "e2e_ms": None, "output_tokens": 0}, delay_ms=5.0)
    assert [failed.latency_ms(name) for name in ("ttft", "tpot", "e2e")] == [None, None, None]


@pytest.mark.parametrize("name", ["ttft_ms", "e2e_ms", "output_tokens"])
def test_zero_is_an_amount_and_what_is_below_is_none(name: str) -> None:
    assert getattr(SavedRequest(**{**REQUEST, name: 0}), name) == 0
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        SavedRequest(**{**REQUEST, name: -1})


def test_a_request_of_unknown_schedule_is_not_late() -> None:
    (sample,) = samples_of(level_of(reply(101.0, 0.2, 0.3)))
    assert (sample.due_s, sample.delay_ms, sample.late_ms, sample.e2e_from_schedule_ms) == (None, 0.0, None, None)
    bare = Sample(
        model="m", turn_id="t", started_s=0, ttft_ms=1, e2e_ms=2, itl_ms=(), output_tokens=1, outcome=None, error=None
    )
    assert bare.delay_ms == 0
    assert level_figures(level_of(), [bare])["lateness"] is None


@pytest.mark.parametrize(
    ("late", "lateness"),
    [
        ((10, 30), {"p50_ms": 20.0, "p99_ms": 29.8, "max_ms": 30.0, "lags": True}),
        ((20, 20), {"p50_ms": 20.0, "p99_ms": 20.0, "max_ms": 20.0, "lags": False}),
        ((0, 0.112), {"p50_ms": 0.056, "p99_ms": 0.111, "max_ms": 0.112, "lags": False}),
        ((0, 20), {"p50_ms": 10.0, "p99_ms": 19.8, "max_ms": 20.0, "lags": False}),
    ],
)
def test_a_load_generator_lags_where_one_request_in_a_hundred_is_over_20_ms_late(late, lateness) -> None:
    level = level_of(*(reply(101.0 + milliseconds / 1000, 0.1) for milliseconds in late))
    level.replies = [(replace(job, due_s=1.0), one) for job, one in level.replies]
    row = level_figures(level, samples_of(level))
    assert row["lateness"] == lateness
    assert (row["planned"], row["partial"], row["duration_s"]) == (2, False, 10.0)


def test_a_saved_bench_without_levels_is_none(tmp_path: Path) -> None:
    bench = {
        "schema_version": 1, "endpoint": "e", "device": "d", "note": None, "partial": False, "loop": "closed",
        "arrival": None, "max_in_flight": None, "mix": None, "seed": None, "prefix_cache": "on", "sampling": {},
        "turns": {}, "versions": {}, "levels": [],
    }  # fmt: skip
    path = tmp_path / "b.json"
    path.write_text(json.dumps(bench))
    with pytest.raises(UserError, match=r"b\.json: holds no bench \(levels: .* at least 1 item"):
        SavedBench.read(path)
    level = {
        "load": "1 in flight", "concurrency": 1, "rate": None, "arrival": None, "live": None, "partial": False,
        "duration_s": 1.0, "overall": {}, "models": {}, "samples": [REQUEST],
    }  # fmt: skip
    path.write_text(json.dumps({**bench, "levels": [level], "of a later version": 1}))
    assert SavedBench.read(path).levels[0].samples[0].latency_ms("tpot") == 125.0


@pytest.mark.parametrize("name", ["started_s", "ttft_ms", "e2e_ms", "delay_ms"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_no_time_is_infinite_or_no_number(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        SavedRequest(**{**REQUEST, name: value})
