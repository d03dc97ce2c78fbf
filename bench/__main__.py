"""Measure a served model, compare two, and trade requests and results with other load generators.

    callproof bench --config configs/car_sales.yaml --model car_sales --concurrency 1,4,16
    callproof bench --config configs/car_sales.yaml --model car_sales --rate 2,4,8 --slo ttft=200,e2e=2000
    callproof bench overhead --config configs/car_sales.yaml --arms nolora=URL,base=tiny,adapter=car_sales
    callproof bench compare tiny car_sales --config configs/car_sales.yaml --gate e2e_p95=1.10
    callproof bench export --config configs/car_sales.yaml --format aiperf --out inputs.json
    callproof bench import result.json profile_export_aiperf.json
    callproof bench prometheus runs/bench.json --out bench.prom

Without a verb it runs. Each verb has its own --help: callproof bench run --help.
"""

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

from callproof.console import Parser, with_verb
from callproof.errors import exit_with

from . import cli
from .compare import command as compare_command
from .compare import overhead
from .exchange import command as interop_command
from .exchange import export, prometheus
from .importers import files


class Verb(NamedTuple):
    """A verb: one line about it, its manual, what declares its options, and what it does."""

    told: str
    manual: str | None
    options: Callable[[argparse.ArgumentParser], None]
    act: Callable[[argparse.Namespace], int]


VERBS = {
    "run": Verb("measure a served model (the default)", cli.__doc__, cli.options, cli.act),
    "overhead": Verb("what an adapter costs", overhead.__doc__, overhead.options, overhead.act),
    "compare": Verb("is B slower than A? with a gate", compare_command.__doc__, compare_command.options,
                    compare_command.act),
    "export": Verb("the requests for AIPerf or vLLM's bench", export.__doc__, interop_command.export_options,
                   interop_command.export),
    "import": Verb("results of vLLM's bench or AIPerf", files.__doc__, interop_command.import_options,
                   interop_command.import_files),
    "prometheus": Verb("a saved bench as Prometheus text", prometheus.__doc__, interop_command.prometheus_options,
                       interop_command.prometheus),
}  # fmt: skip


def main() -> int:
    words = with_verb("callproof bench", sys.argv[1:], tuple(VERBS), "run")
    arguments = _parser().parse_args(words)
    return VERBS[arguments.verb].act(arguments)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="callproof bench", description=__doc__, formatter_class=raw)
    verbs = parser.add_subparsers(dest="verb", metavar=f"{{{','.join(VERBS)}}}", required=True)
    for name, verb in VERBS.items():
        verb.options(verbs.add_parser(name, help=verb.told, description=verb.manual, formatter_class=raw))
    return parser


if __name__ == "__main__":
    exit_with(main)
