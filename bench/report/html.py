"""The HTML report of a bench: one static file with its figures and the course of every request.

`callproof.console.html` says how text of servers and models is kept from running.
"""

from pathlib import Path
from typing import Any

from callproof.console.html import page
from callproof.records import replacing

from ..figures import FURTHER, LATENCIES, PERCENTILES

MAX_REQUESTS = 20_000
_ASSETS = Path(__file__).with_name("assets")
_SCRIPTS = "axes.js figures.js requests.js bench.js".split()


def write_html(path: Path, report: dict[str, Any]) -> None:
    """Write the report. It draws the first MAX_REQUESTS requests only, and says so.

    Raises:
        UserError: the file cannot be written.
    """
    levels, left = [], MAX_REQUESTS
    for level in report["levels"]:
        drawn = level["samples"][:left]
        left -= len(drawn)
        levels.append({**level, "samples": list(map(_row, drawn)), "requests": len(level["samples"])})
    data = {
        "run": {key: value for key, value in report.items() if key != "levels"},
        "levels": levels,
        "models": list(dict.fromkeys(name for level in levels for name in level["models"])),
        "latencies": [*LATENCIES, *FURTHER],
        "percentiles": PERCENTILES,
        "made": path.stem,
    }
    with replacing(path) as file:
        file.write(page(_ASSETS, f"bench: {path.stem}", data, ["bench.css"], _SCRIPTS).encode())


def _row(sample: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request that are drawn; the gaps between its tokens are left out."""
    kept = ("model", "turn_id", "started_s", "ttft_ms", "e2e_ms", "output_tokens", "outcome", "error", "delay_ms")
    return {key: sample[key] for key in kept}
