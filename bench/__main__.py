"""Measure a served model with the eval turns it was evaluated on: latency, throughput, correct calls per second.

    python -m bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
    python -m bench --endpoint http://host:8000 --config configs/car_sales.yaml --config configs/insurance.yaml \\
        --model car_sales --model insurance --model tiny --requests 100

    python -m bench compare tiny car_sales --config configs/car_sales.yaml --gate e2e_p95=1.10
    python -m bench export --config configs/car_sales.yaml --format aiperf --out inputs.json
    python -m bench import result.json profile_export_aiperf.json
    python -m bench prometheus runs/bench.json --out bench.prom

Without a verb it runs: turns are streamed in a closed loop at each concurrency; several models share the server. A
model replays the turns of the configuration of its name, or else of the first. On vLLM every level begins with a cold
prefix cache. Prints tables and, as the last line of standard output, their figures as JSON; the file has every request
as well, and an HTML report is written beside it. bench/stats.py defines the figures.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from bench import compare_command, export, interop_command, prometheus
from bench.importers import files
from bench.publish import publish, stamped, writable
from bench.report import make_report
from bench.run import Bench
from callproof.command_line import Parser, add_overrides, with_verb
from callproof.config import RunConfig, load
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS, UserError, exit_with
from callproof.turns import Turn, eval_turns

VERBS = ("run", "compare", "export", "import", "prometheus")


def main() -> int:
    words = with_verb("python -m bench", sys.argv[1:], VERBS, "run")
    arguments = _parser().parse_args(words)
    return arguments.act(arguments)


def _run(arguments: argparse.Namespace) -> int:
    configs = {path: load(path, arguments.overrides) for path in arguments.config}
    first = next(iter(configs.values()))
    url = arguments.endpoint or f"http://{first.serve.host}:{first.serve.port}"
    levels = _levels(arguments.concurrency)
    for name in ("requests", "blocks"):
        if getattr(arguments, name) < 1:
            raise UserError(f"--{name} {getattr(arguments, name)}", "is less than 1", "give how many at each level")
    out = writable(arguments.out or stamped("bench"))
    turns = _turns(list(configs.values()), arguments.model)
    bench = Bench(url, first.eval, turns, levels, arguments.requests, arguments.blocks)
    interrupted = False
    try:
        asyncio.run(bench.run())
    except KeyboardInterrupt:
        interrupted = True
    if not any(level.replies for level in bench.levels):
        raise KeyboardInterrupt
    report = make_report(bench, arguments.device, interrupted, first.serve.tool_call_parser)
    publish(report, out)
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_PASS if _some_answered(report) else EXIT_INVALID


def _some_answered(report: dict[str, Any]) -> bool:
    """Whether each level has an answered request; says on stderr which error came where there is none."""
    silent = [level for level in report["levels"] if level["overall"]["errors"] == level["overall"]["requests"]]
    for level in silent:
        print(f"no request was answered: {level['samples'][0]['error']}", file=sys.stderr)
    return not silent


def _turns(configs: list[RunConfig], models: list[str]) -> dict[str, list[Turn]]:
    """The turns of each model: of the configuration of its name, or else of the first."""
    named = {config.name: config for config in reversed(configs)}
    chosen = {model: named.get(model, configs[0]) for model in models}
    made = {config.name: eval_turns(config) for config in chosen.values()}
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
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m bench", description=__doc__, formatter_class=raw)
    verbs = parser.add_subparsers(dest="verb", metavar=f"{{{','.join(VERBS)}}}", required=True)
    for name, told, manual, declare, act in (
        ("run", "measure a served model (the default)", __doc__, _run_options, _run),
        ("compare", "is B slower than A? with a gate", compare_command.__doc__, compare_command.options,
         compare_command.act),
        ("export", "the requests for AIPerf or vLLM's bench", export.__doc__, interop_command.export_options,
         interop_command.export),
        ("import", "results of vLLM's bench or AIPerf", files.__doc__, interop_command.import_options,
         interop_command.import_files),
        ("prometheus", "a saved bench as Prometheus text", prometheus.__doc__, interop_command.prometheus_options,
         interop_command.prometheus),
    ):  # fmt: skip
        verb = verbs.add_parser(name, help=told, description=manual, formatter_class=raw)
        declare(verb)
        verb.set_defaults(act=act)
    return parser


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", metavar="URL", help="default: serve.host and serve.port of the first --config")
    parser.add_argument("--config", type=Path, action="append", required=True, metavar="FILE", help="repeat it")
    parser.add_argument("--model", action="append", required=True, metavar="NAME", help="as served; repeat it")
    parser.add_argument("--concurrency", default="1,4,16", metavar="N,N", help="requests in flight (1,4,16)")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each model at each level (200)")
    parser.add_argument(
        "--device", metavar="LABEL", help="what the server runs on; default: found out where it is local"
    )
    parser.add_argument("--blocks", type=int, default=1, metavar="N", help="rounds over the levels, for compare (1)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: runs/bench-<time>.json")
    add_overrides(parser)


if __name__ == "__main__":
    exit_with(main)
