"""The JSON of a bench: what was measured, on what, with which turns, and every request."""

import os
import platform
import subprocess
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from bench.run import Bench
from bench.stats import level_figures, samples_of
from callproof.outcomes import SCORER_VERSION
from callproof.turns import digest

SCHEMA_VERSION = 1
CPU_NOTE = "functional, not performance"


def make_report(
    bench: Bench, device: str | None, interrupted: bool, tool_call_parser: str | None = None
) -> dict[str, Any]:
    """Everything that is saved.

    Args:
        device: the user's label; otherwise it is found out where the server is local.
        tool_call_parser: of the server, as the configuration names it.
    """
    levels = []
    for level in bench.levels:
        samples = samples_of(level)
        requests = [sample.model_dump(mode="json") for sample in samples]
        levels.append({**level_figures(level, samples), "samples": requests})
    device = device or detect_device(bench.url)
    return {
        "schema_version": SCHEMA_VERSION,
        "endpoint": _without_credentials(bench.url),
        "device": device,
        "note": note_of(device),
        "partial": interrupted,
        "loop": "closed",
        "prefix_cache": "cold at each level" if bench.cold_cache else "as the server had it",
        "sampling": {"max_tokens": bench.settings.max_tokens, "temperature": bench.settings.temperature, "seed": 0},
        "turns": {model: digest(turns) for model, turns in bench.asked.items()},
        "versions": _versions(bench.server_version),
        "parser": {"channel": "raw", "scorer": SCORER_VERSION, "server": tool_call_parser},
        "levels": levels,
    }


def note_of(device: str) -> str | None:
    """What every output must say of figures taken on this device."""
    return CPU_NOTE if device.startswith("cpu") else None


def detect_device(url: str) -> str:
    """`cpu, N cores` or the name of the GPU where the server is on this machine, otherwise `unknown`."""
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        return "unknown"
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        names = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        names = []
    return next((f"gpu, {name.strip()}" for name in names if name.strip()), f"cpu, {os.cpu_count()} cores")


def _versions(server: str | None) -> dict[str, str | None]:
    try:
        own = metadata.version("callproof")
    except metadata.PackageNotFoundError:
        own = None
    return {"server": server, "callproof": own, "python": platform.python_version()}


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
