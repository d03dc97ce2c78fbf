"""What a bench leaves behind: JSON, the HTML report beside it, tables, and the last line for scripts."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from callproof.errors import UserError
from callproof.records import write_json

from .html import write_html
from .table import print_tables


def publish(report: dict[str, Any], out: Path) -> None:
    """Write and print a report; `out` is the JSON file, and names the HTML file."""
    write_json(out, report)
    page = out.with_suffix(".html")
    write_html(page, report)
    print_tables(report)
    for warning in report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    stopped = report["stopped"]
    print(f"written to {out} and {page}{f' (partial: {stopped})' if stopped else ''}", file=sys.stderr)
    kept = {key: report[key] for key in ("device", "note", "partial", "stopped", "find_rate", "warnings")}
    levels = [{key: value for key, value in level.items() if key != "samples"} for level in report["levels"]]
    print(json.dumps({"out": str(out), "report": str(page), **kept, "levels": levels}))


def stamped(kind: str, suffix: str = ".json") -> Path:
    """Where results go by default."""
    return Path("runs") / f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}{suffix}"


def writable(out: Path) -> Path:
    """The path, once it is clear that a file can be written there, before time is spent on what goes into it.

    Raises:
        UserError: it is a folder, or cannot be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        problem = "is a folder" if out.is_dir() else None if os.access(out.parent, os.W_OK) else "cannot be written"
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise UserError(f"--out {out}", problem, "give another file")
    return out
