"""Saved benches of blocks with known times, for tests of what reads them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Sample, count_failures, figures
from bench.report import CPU_NOTE

Change = Callable[[dict[str, Any]], None]


def block(model: str, scale: float, rng: np.random.Generator, requests: int = 40) -> dict[str, Any]:
    """One level whose latencies scatter around 100 ms to the first token and 20 ms a token, times `scale`."""
    samples, at = [], 0.0
    for number in range(requests):
        ttft, tpot = scale * 100 * rng.lognormal(0, 0.1), scale * 20 * rng.lognormal(0, 0.1)
        times = {"ttft_ms": round(ttft, 3), "e2e_ms": round(ttft + 9 * tpot, 3), "itl_ms": (round(tpot, 3),) * 9}
        samples.append(
            Sample(model=model, turn_id=f"s/{number}", started_s=round(at, 6), output_tokens=10, outcome="ok",
                   error=None, **times)
        )  # fmt: skip
        at += times["e2e_ms"] / 1000
    row = figures(samples, at)
    dumped = [sample.model_dump(mode="json") for sample in samples]
    return {"load": "1 in flight", "concurrency": 1, "rate": None, "arrival": None, "live": None, "planned": requests,
            "partial": False, "duration_s": at, "lateness": None, "overall": row, "models": {model: row},
            "turn_exact_vs_lowest": None, "samples": dumped}  # fmt: skip


def bench_of(model: str = "m", scale: float = 1.0, blocks: int = 6, seed: int = 0) -> dict[str, Any]:
    """What a bench on a CPU saves."""
    rng = np.random.default_rng(seed)
    return {
        "schema_version": 1, "endpoint": "http://127.0.0.1:1", "device": "cpu, 2 cores", "note": CPU_NOTE,
        "partial": False, "stopped": None, "loop": "closed", "arrival": None, "max_in_flight": None, "mix": None,
        "seed": 0, "slo": None, "find_rate": None, "warnings": [], "max_loras": None,
        "failures": count_failures([None] * 40 * blocks, None).as_json(),
        "prefix_cache": "cold at each level", "turns": {model: "0123"},
        "sampling": {"max_tokens": 256, "temperature": 0.0, "seed": 0},
        "versions": {"server": "0.32.0", "callproof": "0.1.0", "python": "3.11"},
        "parser": {"channel": "raw", "scorer": 1, "server": "hermes"}, "interleaved": "mark",
        "levels": [block(model, scale, rng) for _ in range(blocks)],
    }  # fmt: skip


def at_concurrency(level: dict[str, Any], number: int) -> None:
    level.update(load=f"{number} in flight", concurrency=number)


def save(path: Path, change: Change | None = None, **how: Any) -> Path:
    """A saved bench, after `change`."""
    value = bench_of(**how)
    if change:
        change(value)
    path.write_text(json.dumps(value))
    return path
