"""Measure a served model with the eval turns it was evaluated on: latency, throughput, correct calls per second.

    python -m bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
    python -m bench --endpoint http://host:8000 --config configs/car_sales.yaml --config configs/insurance.yaml \\
        --model car_sales --model insurance --model tiny --requests 100

Turns are streamed in a closed loop at each concurrency; several models share the server. A model replays the turns of
the configuration of its name, or else of the first. On vLLM every level begins with a cold prefix cache. Prints tables
and, as the last line of standard output, their figures as JSON; the file has every request as well. bench/stats.py
defines the figures.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.report import make_report
from bench.run import Bench
from bench.table import print_tables
from callproof.catalog import read_catalog
from callproof.command_line import Parser, add_overrides
from callproof.config import RunConfig, load
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS, UserError, exit_with
from callproof.records import write_json
from callproof.turns import Turn, eval_turns


def main() -> int:
    arguments = _parser().parse_args()
    configs = {path: load(path, arguments.overrides) for path in arguments.config}
    first = next(iter(configs.values()))
    url = arguments.endpoint or f"http://{first.serve.host}:{first.serve.port}"
    levels = _levels(arguments.concurrency)
    if arguments.requests < 1:
        raise UserError(f"--requests {arguments.requests}", "is less than 1", "give the turns of each model at a level")
    out = _writable(arguments.out or Path("runs") / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.json")
    bench = Bench(url, first.eval, _turns(list(configs.values()), arguments.model), levels, arguments.requests)
    interrupted = False
    try:
        asyncio.run(bench.run())
    except KeyboardInterrupt:
        interrupted = True
    if not any(level.replies for level in bench.levels):
        raise KeyboardInterrupt
    return _finish(make_report(bench, arguments.device, interrupted), out)


def _finish(report: dict[str, Any], out: Path) -> int:
    interrupted = report["partial"]
    write_json(out, report)
    print_tables(report)
    print(f"written to {out}{' (partial: interrupted)' if interrupted else ''}", file=sys.stderr)
    brief = {"out": str(out), "partial": interrupted, "levels": _without_samples(report["levels"])}
    print(json.dumps(brief))
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_PASS if _some_answered(report) else EXIT_INVALID


def _some_answered(report: dict[str, Any]) -> bool:
    """Whether each level has an answered request; says on stderr which error came where there is none."""
    silent = [level for level in report["levels"] if level["overall"]["errors"] == level["overall"]["requests"]]
    for level in silent:
        print(f"no request was answered: {level['samples'][0]['error']}", file=sys.stderr)
    return not silent


def _without_samples(levels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in level.items() if key != "samples"} for level in levels]


def _writable(out: Path) -> Path:
    """The path, once it is clear that a file can be written there."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        problem = "is a folder" if out.is_dir() else None if os.access(out.parent, os.W_OK) else "cannot be written"
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise UserError(f"--out {out}", problem, "give another file")
    return out


def _turns(configs: list[RunConfig], models: list[str]) -> dict[str, list[Turn]]:
    """The turns of each model: of the configuration of its name, or else of the first."""
    named = {config.name: config for config in reversed(configs)}
    chosen = {model: named.get(model, configs[0]) for model in models}
    made = {config.name: eval_turns(config, read_catalog(config.data.tools_path)) for config in chosen.values()}
    return {model: made[config.name] for model, config in chosen.items()}


def _levels(text: str) -> list[int]:
    try:
        levels = [int(part) for part in text.split(",")]
    except ValueError:
        levels = []
    if not levels or min(levels) < 1:
        raise UserError(f"--concurrency {text}", "is no list of whole numbers from 1", "write it as 1,4,16")
    return levels


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", metavar="URL", help="default: serve.host and serve.port of the first --config")
    parser.add_argument("--config", type=Path, action="append", required=True, metavar="FILE", help="repeat it")
    parser.add_argument("--model", action="append", required=True, metavar="NAME", help="as served; repeat it")
    parser.add_argument("--concurrency", default="1,4,16", metavar="N,N", help="requests in flight (1,4,16)")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each model at each level (200)")
    parser.add_argument(
        "--device", metavar="LABEL", help="what the server runs on; default: found out where it is local"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: runs/bench-<time>.json")
    add_overrides(parser)
    return parser


if __name__ == "__main__":
    exit_with(main)
