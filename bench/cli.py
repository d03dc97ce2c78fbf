"""Measure a served model with the eval turns it was evaluated on: latency, throughput, correct calls per second.

    callproof bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
    callproof bench --endpoint http://host:8000 --config configs/car_sales.yaml --config configs/insurance.yaml \\
        --model car_sales --model insurance --model tiny --requests 100 --mix zipf:1.1
    callproof bench --config configs/car_sales.yaml --model car_sales --rate 2,4,8 --slo ttft=200,e2e=2000
    callproof bench --config configs/car_sales.yaml --model car_sales --find-rate --slo ttft=200,e2e=2000
    callproof bench --config configs/car_sales.yaml --model a --model b --model c --model d --live 1,2,4

Turns are streamed in a closed loop at each concurrency, or in an open loop at each rate; several models share the
server. A model replays the turns of the configuration of its name, or else of the first. On vLLM every level begins
with a cold prefix cache. Prints tables and, as the last line of standard output, their figures as JSON; the file has
every request as well, and an HTML report is written beside it. docs/bench.md and bench/figures/stats.py define the
figures. Exit codes: 0 measured, 2 wrong usage, 3 no answers or a server that died, 130 interrupted; what had been
measured is saved in any case.
"""

import argparse
import sys
from typing import Any

from callproof.config import load
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS

from .measure import Bench, add_load, add_target, numbers, read_options, run_until_interrupted, turns_of
from .report import make_report, publish, stamped, writable


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    add_load(parser)
    add_target(parser)


def act(given: argparse.Namespace) -> int:
    """Measure; what has been measured is saved before the exit code is returned."""
    configs = [load(path, given.overrides) for path in given.config]
    serve = configs[0].serve
    chosen = read_options(given)
    levels = numbers("--concurrency", given.concurrency or "1,4,16", int) if chosen.arrival is None else []
    out = writable(given.out or stamped("bench"))
    url = given.endpoint or f"http://{serve.host}:{serve.port}"
    bench = Bench(url, configs[0].eval, turns_of(configs, given.model), levels, given.requests, chosen)
    interrupted = run_until_interrupted(bench.run())
    if interrupted and not any(level.replies for level in bench.levels):
        raise KeyboardInterrupt
    report = make_report(bench, given.device, interrupted, serve.tool_call_parser)
    publish(report, out)
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_PASS if _some_answered(report) and not report["stopped"] else EXIT_INVALID


def _some_answered(report: dict[str, Any]) -> bool:
    """Whether each level has an answered request; says on stderr which error came where there is none."""
    silent = [level for level in report["levels"] if level["overall"]["errors"] == level["overall"]["requests"]]
    for level in silent:
        error = level["samples"][0]["error"] if level["samples"] else "none was sent"
        print(f"no request was answered: {error}", file=sys.stderr)
    return not silent
