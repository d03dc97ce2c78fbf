"""The JSON of a bench: its figures, the device, the turns, and every request."""

import os
import platform
import subprocess
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from callproof.config import EvalConfig
from callproof.console.own_site import LOOPBACK
from callproof.endpoint import without_credentials
from callproof.scoring import SCORER_VERSION, Outcome
from callproof.turns import digest

from ..figures import count_failures, judged, level_figures, quality_against_lowest, samples_of
from ..load import Level
from ..measure import Bench

SCHEMA_VERSION = 1
PART_MS, PART_SHARE = 20.0, 0.1
"""TTFT and TTFC part if their medians differ by more than both."""
CPU_NOTE = "functional, not performance"


def make_report(bench: Bench, device: str | None, interrupted: bool) -> dict[str, Any]:
    """The whole report of a bench.

    Args:
        device: the user's label; None: detected if the server is on this machine.
        interrupted: whether Ctrl-C or SIGTERM ended the bench.
    """
    options = bench.options
    outcomes = [(level, judged(level)) for level in bench.levels]
    quality = [None] * len(outcomes) if options.find_rate else quality_against_lowest(outcomes)
    levels = [
        {**_level(level, level_outcomes, bench), "turn_exact_vs_lowest": difference}
        for (level, level_outcomes), difference in zip(outcomes, quality, strict=True)
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "endpoint": without_credentials(bench.url),
        **device_of(bench.url, device),
        "partial": interrupted or bench.stopped is not None,
        "stopped": "interrupted" if interrupted else bench.stopped,
        "loop": "closed" if options.arrival is None else "open",
        "arrival": options.arrival and options.arrival.name,
        "max_in_flight": options.max_in_flight,
        "mix": options.mix,
        "seed": options.seed,
        "slo": options.slo and options.slo.model_dump(exclude_none=True),
        "prefix_cache": prefix_cache(bench),
        "sampling": sampling(bench.settings),
        "turns": {model: digest(turns) for model, turns in bench.turn_ids.items()},
        "versions": versions(bench.server_version),
        "parser": {"channel": bench.channel, "scorer": SCORER_VERSION, "server": bench.format.name},
        "abilities": bench.abilities and bench.abilities.model_dump(mode="json"),
        "max_loras": bench.max_loras,
        "find_rate": bench.highest_rate
        and {**bench.highest_rate.model_dump(mode="json"), "words": bench.highest_rate.words},
        "failures": count_failures(
            (reply.answer.error for level in bench.levels for _, reply in level.replies), options.max_errors
        ).as_json(),
        "warnings": _warnings(levels),
        "levels": levels,
    }


def _level(level: Level, outcomes: list[Outcome], bench: Bench) -> dict[str, Any]:
    samples = samples_of(level, outcomes)
    requests = [sample.model_dump(mode="json") for sample in samples]
    return {**level_figures(level, samples, bench.options.slo), "samples": requests}


def _warnings(levels: list[dict[str, Any]]) -> list[str]:
    late = [level for level in levels if level["lateness"] and level["lateness"]["lags"]]
    warnings = [_early_event(level["load"], model, row) for level in levels for model, row in level["models"].items()]
    return [warning for warning in warnings if warning] + [
        f"{level['load']}: the load generator lags (99th percentile {level['lateness']['p99_ms']:.0f} ms late): a part "
        "of these latencies is its own; give it a free core, or a lower rate"
        for level in late
    ]


def _early_event(load: str, model: str, row: dict[str, Any]) -> str | None:
    """A warning if the first event comes clearly before the first content, so that TTFT and TPOT mislead."""
    event, content = row["ttft_p50_ms"], row["ttfc_p50_ms"]
    if event is None or content is None or content - event <= max(PART_MS, PART_SHARE * content):
        return None
    return (
        f"{load}, {model}: the first event carries no content: p50 of TTFT {event:.0f} ms, of TTFC (first content) "
        f"{content:.0f} ms; read TTFC, and TPOT holds the time between the two"
    )


def prefix_cache(bench: Bench) -> str:
    if bench.options.cache == "warm":
        return "warm: every prompt was sent once before the first level"
    return "cold at each level" if bench.cold_cache else "as the server had it"


def sampling(settings: EvalConfig) -> dict[str, Any]:
    return {"max_tokens": settings.max_tokens, "temperature": settings.temperature, "seed": 0}


def device_of(url: str, label: str | None) -> dict[str, str | None]:
    """`device` and `note`, two keys of a report."""
    device = label or detect_device(url)
    return {"device": device, "note": note_of(device)}


def note_of(device: str) -> str | None:
    """The note that every output carries if figures come from this device; None for a GPU."""
    return CPU_NOTE if device.startswith("cpu") else None


def detect_device(url: str) -> str:
    """`gpu, <name>` or `cpu, N cores` if the server is on this machine, otherwise `unknown`."""
    if urlsplit(url).hostname not in LOOPBACK:
        return "unknown"
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        names = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        names = []
    return next((f"gpu, {name.strip()}" for name in names if name.strip()), f"cpu, {os.cpu_count()} cores")


def versions(server: str | None) -> dict[str, str | None]:
    try:
        own = metadata.version("callproof")
    except metadata.PackageNotFoundError:
        own = None
    return {"server": server, "callproof": own, "python": platform.python_version()}
