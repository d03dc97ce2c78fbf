"""Measure a served model with the eval turns it was evaluated on: latency, throughput, correct calls per second.

    python -m bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
    python -m bench --endpoint http://host:8000 --config configs/car_sales.yaml --config configs/insurance.yaml \\
        --model car_sales --model insurance --model tiny --requests 100 --mix zipf:1.1
    python -m bench --config configs/car_sales.yaml --model car_sales --rate 2,4,8 --slo ttft=200,e2e=2000
    python -m bench --config configs/car_sales.yaml --model car_sales --find-rate --slo ttft=200,e2e=2000
    python -m bench --config configs/car_sales.yaml --model a --model b --model c --model d --live 1,2,4
    python -m bench overhead --help

Turns are streamed in a closed loop at each concurrency, or in an open loop at each rate; several models share the
server. A model replays the turns of the configuration of its name, or else of the first. On vLLM every level begins
with a cold prefix cache. Prints tables and, as the last line of standard output, their figures as JSON; the file has
every request as well. docs/bench.md and bench/stats.py define the figures. Exit codes: 0 measured, 2 wrong usage, 3
no answers or a server that died, 130 interrupted; what had been measured is saved in any case.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bench.options import add_load, add_target, numbers, read_options, turns_of, writable
from bench.report import make_report
from bench.run import Bench
from bench.table import print_tables
from callproof.command_line import Parser
from callproof.config import load
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS
from callproof.records import write_json


def main(words: list[str]) -> int:
    given = _parser().parse_args(words)
    configs = [load(path) for path in given.config]
    url = given.endpoint or f"http://{configs[0].serve.host}:{configs[0].serve.port}"
    options = read_options(given)
    levels = numbers("--concurrency", given.concurrency or "1,4,16", int) if options.arrival is None else []
    out = writable(given.out or Path("runs") / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.json")
    bench = Bench(url, configs[0].eval, turns_of(configs, given.model), levels, given.requests, options)
    interrupted = run_until_interrupted(bench.run())
    if interrupted and not any(level.replies for level in bench.levels):
        raise KeyboardInterrupt
    return _finish(make_report(bench, given.device, interrupted), out)


def run_until_interrupted(work: Any) -> bool:
    """Run a coroutine; whether Ctrl-C or SIGTERM ended it. Requests in flight are dropped."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        return True
    return False


def _finish(report: dict[str, Any], out: Path) -> int:
    stopped = report["stopped"]
    write_json(out, report)
    print_tables(report)
    for warning in report["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"written to {out}{f' (partial: {stopped})' if stopped else ''}", file=sys.stderr)
    kept = ("device", "note", "partial", "stopped", "find_rate", "warnings")
    brief = {"out": str(out), **{key: report[key] for key in kept}, "levels": _without_samples(report["levels"])}
    print(json.dumps(brief))
    if stopped == "interrupted":
        return EXIT_INTERRUPTED
    return EXIT_PASS if _some_answered(report) and not stopped else EXIT_INVALID


def _some_answered(report: dict[str, Any]) -> bool:
    """Whether each level has an answered request; says on stderr which error came where there is none."""
    silent = [level for level in report["levels"] if level["overall"]["errors"] == level["overall"]["requests"]]
    for level in silent:
        error = level["samples"][0]["error"] if level["samples"] else "none was sent"
        print(f"no request was answered: {error}", file=sys.stderr)
    return not silent


def _without_samples(levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in level.items() if key != "samples"} for level in levels]


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_target(parser)
    add_load(parser)
    return parser
