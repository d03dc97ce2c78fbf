"""What `callproof bench` does without a further word: measure, save, show."""

import argparse
import sys
from typing import Any

from callproof.config import load
from callproof.errors import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS
from callproof.turns import readable_format

from .measure import Bench, numbers, read_options, run_until_interrupted, turns_of
from .report import make_report, publish, stamped, writable


def run_bench(args: argparse.Namespace) -> int:
    """Measure; what has been measured is saved before the exit code is returned."""
    configs = [load(path, args.overrides) for path in args.config]
    serve = configs[0].serve
    options = read_options(args, configs[0].gate)
    levels = numbers("--concurrency", args.concurrency or "1,4,16", int) if options.arrival is None else []
    out = writable(args.out or stamped("bench"))
    url = args.endpoint or f"http://{serve.host}:{serve.port}"
    format = readable_format(configs[0], args.config[0])
    bench = Bench(url, configs[0].eval, turns_of(configs, args.model), levels, args.requests, options, format)
    interrupted = run_until_interrupted(bench.run())
    if interrupted and not any(level.replies for level in bench.levels):
        raise KeyboardInterrupt
    report = make_report(bench, args.device, interrupted)
    publish(report, out)
    if interrupted:
        return EXIT_INTERRUPTED
    if not _some_answered(report) or report["stopped"]:
        return EXIT_INVALID
    return EXIT_PASS if _few_failed(report) else EXIT_INVALID


def _few_failed(report: dict[str, Any]) -> bool:
    """Whether the failed requests are within `--max-errors`; says on stderr how many there are if not."""
    failures = report["failures"]
    if failures["above"]:
        print(f"{failures['words']} (--max-errors)", file=sys.stderr)
    return not failures["above"]


def _some_answered(report: dict[str, Any]) -> bool:
    """Whether each level has an answered request; says on stderr which error came where there is none."""
    silent = [level for level in report["levels"] if level["overall"]["errors"] == level["overall"]["requests"]]
    for level in silent:
        error = level["samples"][0]["error"] if level["samples"] else "none was sent"
        print(f"no request was answered: {error}", file=sys.stderr)
    return not silent
