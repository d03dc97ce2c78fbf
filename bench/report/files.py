"""The outputs of a bench: a JSON file, an HTML file beside it, tables, and a last line of JSON for scripts."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from callproof.console import last_line
from callproof.errors import UserError, cause_of
from callproof.records import write_json

from .html import write_html
from .table import print_tables


def publish(report: dict[str, Any], out: Path) -> None:
    """Write a report to `out` (JSON) and beside it (the same name with .html), and print it."""
    write_json(out, report)
    page = out.with_suffix(".html")
    write_html(page, report)
    print_tables(report)
    for warning in report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    stopped = report["stopped"]
    print(f"written to {out} and {page}{f' (partial: {stopped})' if stopped else ''}", file=sys.stderr)
    kept = {key: report[key] for key in ("device", "note", "partial", "stopped", "find_rate", "failures", "warnings")}
    levels = [{key: value for key, value in level.items() if key != "samples"} for level in report["levels"]]
    last_line({"out": str(out), "report": str(page), **kept, "levels": levels})


def stamped(kind: str, suffix: str = ".json") -> Path:
    """The default path of results: `runs/<kind>-<time><suffix>`."""
    return Path("runs") / f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"


def writable(out: Path) -> Path:
    """Return `out` after checking that it can be written, before time is spent on its content.

    Raises:
        UserError: `out` is a folder, or cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        problem = "is a folder" if out.is_dir() else None if os.access(out.parent, os.W_OK) else "cannot be written"
    except OSError as error:
        problem = f"cannot be written ({cause_of(error)})"
    if problem:
        raise UserError(f"--out {out}", problem, "give another file")
    return out
