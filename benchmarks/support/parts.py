"""Long measurements in parts, for `benchmarks/all.py` and `benchmarks/gpu.py`: each is a program with a time limit.

The last line of a program's output is JSON. It goes to `DIR/<part>.json`, with the machine and the versions it was
measured on; what the program says meanwhile goes to `DIR/<part>.log`. A part whose file is there, of the same command,
is not run again. Whatever happens, `DIR/table.md` has a row for each part. A part that fails is named with its log, and
the others go on.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from callproof.console import Parser, last_line, say
from callproof.errors import EXIT_PASS, EXIT_REGRESSION, UserError, in_one_line

from .machine import described, device, versions

GRACE_S = 20
"""Between SIGTERM, after which a program stops its servers, and SIGKILL."""

Result = dict[str, Any]


class Part(NamedTuple):
    """One program and its row of the table.

    words: what follows `python`: a program and its options.
    seen: the program's JSON in words.
    lacks: what it needs and is not there; it is then not run, and the table says so.
    needs: the names of the parts whose files it works with, which come before it.
    """

    name: str
    claim: str
    words: tuple[str, ...]
    seen: Callable[[Result], str]
    minutes: float = 8
    lacks: str | None = None
    needs: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """As a reader would type it."""
        return " ".join(self.words).removeprefix("-m ")


class Failed(Exception):
    """A part ended without a result; the message is one line."""


def arguments(description: str | None, default_out: str) -> Parser:
    """The options that both commands have."""
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only",
        "--part",
        action="append",
        default=[],
        metavar="NAME",
        help="run this part, with those that it needs; may be repeated",
    )
    parser.add_argument("--out", type=Path, default=Path(default_out), metavar="DIR", help="default: %(default)s")
    return parser


def run_parts(parts: Sequence[Part], only: Sequence[str], out: Path, cpu_note: str = "") -> int:
    """Run what is not there yet, and write the table; the exit code is 1 if a part failed.

    `cpu_note`: what the table adds to the word CPU where there is no GPU.

    Raises:
        UserError: `only` names no part.
    """
    names = [part.name for part in parts]
    for name in only:
        if name not in names:
            raise UserError("--only", f"there is no part {name!r}", f"choose from {', '.join(names)}")
    wanted = set(only or names)
    for part in reversed(parts):
        wanted.update(part.needs if part.name in wanted else ())
    out.mkdir(parents=True, exist_ok=True)
    failures: dict[str, str] = {}
    path = out / "table.md"
    for part in parts:
        if part.name in wanted and part.lacks is None:
            try:
                _have(part, out)
            except Failed as failure:
                failures[part.name] = str(failure)
                say(f"error: {part.name}: {failure}")
            path.write_text(table(parts, failures, out, cpu_note), encoding="utf-8")
    path.write_text(table(parts, failures, out, cpu_note), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))
    last_line({"table": str(path), "device": device(), "failed": list(failures)})
    return EXIT_REGRESSION if failures else EXIT_PASS


def stored(part: Part, out: Path) -> Result | None:
    """What was found by this very command, if it is there."""
    path = out / f"{part.name}.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if found["command"] == part.command else None
    except (ValueError, KeyError, TypeError):
        raise UserError(path, "is no result of a part", "delete it, or choose another --out") from None


def _have(part: Part, out: Path) -> None:
    """Run a part and store its result, unless it is there."""
    if stored(part, out):
        say(f"{part.name}: is there ({out / part.name}.json)")
        return
    say(f"{part.name}: {part.command} (at most {part.minutes:g} minutes)")
    began, load = time.perf_counter(), os.getloadavg()[0]
    result = _run(part, out / f"{part.name}.log")
    seconds = time.perf_counter() - began
    say(f"{part.name}: {part.seen(result)} ({seconds:.0f} s)")
    found = {
        "command": part.command,
        "seconds": round(seconds, 1),
        "load": round(load, 1),
        "machine": described(),
        "device": device(),
        "versions": versions(),
        "result": result,
    }
    partial = out / f"{part.name}.json.partial"
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(out / f"{part.name}.json")


def _run(part: Part, log: Path) -> Result:
    """The JSON that a part's program ends with; SIGTERM stops it, and this process, as Ctrl-C does.

    It has a process group of its own and no session of its own: Linux gives each session the same share of the
    processors, so what runs beside would tell.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, *part.words],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            process_group=0,
        )
        try:
            output, _ = process.communicate(timeout=part.minutes * 60)
        except subprocess.TimeoutExpired:
            raise Failed(f"took more than {part.minutes:g} minutes; see {log}") from None
        finally:
            _end(process)
            signal.signal(signal.SIGTERM, before)
        said.write(output)
    if process.returncode:
        raise Failed(f"ended with code {process.returncode} ({_last_words(log)}); see {log}")
    try:
        result = json.loads(output.splitlines()[-1])
        part.seen(result)
    except (ValueError, IndexError, KeyError, TypeError):
        raise Failed(f"its last line is not the JSON that was expected; see {log}") from None
    return result


def _end(process: subprocess.Popen[str]) -> None:
    """Stop a program that still runs, and whatever it has left behind in its group."""
    for sign, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        try:
            process.communicate(timeout=patience)
            return
        except subprocess.TimeoutExpired:
            continue


def _last_words(log: Path) -> str:
    """The last line that tells of an error, or else the last one."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*\s?\w*error:", line, re.IGNORECASE)]
    return in_one_line((errors or lines)[-1])[:200] if lines else "it said nothing"


def table(parts: Sequence[Part], failures: dict[str, str], out: Path, cpu_note: str) -> str:
    """Markdown: on which machine and with which versions, then a row for each part."""
    results = {part.name: stored(part, out) for part in parts}
    lines = list(dict.fromkeys(_place(found, cpu_note) for found in results.values() if found))
    loads = [found["load"] for found in results.values() if found]
    if loads:
        lines.append(
            f"The load average before a part was {min(loads)} to {max(loads)}; a quiet machine has less than 1."
        )
    lines += ["", "| part | command | seen |", "|---|---|---|"]
    for part in parts:
        found = results[part.name]
        if found:
            seen = part.seen(found["result"])
        else:
            seen = f"failed: {failures[part.name]}" if part.name in failures else f"not run: {part.lacks or 'not yet'}"
        lines.append(f"| {part.claim} | `{part.command}` | {seen.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def _place(found: Result, cpu_note: str) -> str:
    names = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    note = cpu_note if found["device"] == "CPU" else ""
    return f"Measured on a {found['device']}{note} ({found['machine']}; {names})."
