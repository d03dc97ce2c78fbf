"""The verbs `export`, `import` and `prometheus`, which exchange requests and results with other tools."""

import argparse
import asyncio
import sys
from argparse import Namespace
from pathlib import Path

from callproof.config import load
from callproof.console import add_config, last_line
from callproof.errors import EXIT_PASS, UserError
from callproof.records import replacing
from callproof.turns import eval_turns

from ..figures import SavedBench
from ..importers.files import import_report
from ..report import publish, stamped, writable
from .export import export_aiperf, export_vllm_custom
from .prometheus import exposition

FORMATS = ("aiperf", "vllm-custom")


def export_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `export`."""
    add = parser.add_argument
    add("--format", choices=FORMATS, required=True, help="inputs.json of AIPerf, or vLLM's custom JSONL")
    add("--out", type=Path, required=True, metavar="F")
    add("--model", action="append", metavar="NAME", help="repeat it; default: the name of the configuration")
    add("--requests", type=int, metavar="N", help="the first N turns of each model; default: all")
    add("--endpoint", metavar="URL", help="vllm-custom: render prompts with this server's chat template")
    add_config(parser, "whose eval turns are asked")


def export(args: Namespace) -> int:
    """Write the requests of a bench for another load generator."""
    if args.requests is not None and args.requests < 1:
        raise UserError(f"--requests {args.requests}", "is less than 1", "give how many turns of each model")
    config = load(args.config, args.overrides)
    turns = eval_turns(config)[: args.requests]
    turns_by_model = dict.fromkeys(args.model or [config.name], turns)
    if args.format == "aiperf":
        count = export_aiperf(args.out, turns_by_model, config.eval)
    else:
        count = asyncio.run(export_vllm_custom(args.out, turns_by_model, config.eval, args.endpoint))
    print(f"{count} requests written to {args.out}", file=sys.stderr)
    last_line({"out": str(args.out), "format": args.format, "requests": count})
    return EXIT_PASS


def import_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `import`."""
    add = parser.add_argument
    add("file", type=Path, nargs="+", metavar="FILE", help="of `vllm bench serve --save-result`, or of AIPerf")
    add("--model", metavar="NAME", help="of AIPerf's results, which may not tell it")
    add("--device", metavar="LABEL", help="what the server ran on; default: unknown")
    add("--out", type=Path, metavar="FILE", help="default: runs/bench-<time>.json")


def import_files(args: Namespace) -> int:
    """Turn other tools' results into a bench's report."""
    out = writable(args.out or stamped("bench"))
    publish(import_report(args.file, args.model, args.device), out)
    return EXIT_PASS


def prometheus_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `prometheus`."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN.json", help="a saved bench")
    add("--out", type=Path, required=True, metavar="F", help="for instance bench.prom")


def prometheus(args: Namespace) -> int:
    """Write a saved bench as Prometheus text."""
    text = exposition(SavedBench.read(args.run))
    with replacing(args.out) as file:
        file.write(text.encode())
    samples = sum(not line.startswith("#") for line in text.splitlines())
    last_line({"out": str(args.out), "samples": samples})
    return EXIT_PASS
