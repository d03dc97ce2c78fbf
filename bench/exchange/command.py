"""The verbs `export`, `import` and `prometheus`, which exchange requests and results with other tools."""

import asyncio
import sys
from argparse import Namespace

from callproof.config import load
from callproof.console import last_line
from callproof.errors import EXIT_PASS, UserError
from callproof.records import replacing
from callproof.turns import eval_turns, readable_format

from ..figures import SavedBench
from ..importers.files import import_report
from ..report import publish, stamped, writable
from .export import export_aiperf, export_vllm_custom
from .prometheus import exposition


def export(args: Namespace) -> int:
    """Write the requests of a bench for another load generator."""
    if args.requests is not None and args.requests < 1:
        raise UserError(f"--requests {args.requests}", "is less than 1", "give how many turns of each model")
    config = load(args.config, args.overrides)
    turns = eval_turns(config)[: args.requests]
    turns_by_model = dict.fromkeys(args.model or [config.name], turns)
    if args.format == "aiperf":
        count = export_aiperf(args.out, turns_by_model, config.eval, readable_format(config, args.config))
    else:
        count = asyncio.run(export_vllm_custom(args.out, turns_by_model, config.eval, args.endpoint))
    print(f"{count} requests written to {args.out}", file=sys.stderr)
    last_line({"out": str(args.out), "format": args.format, "requests": count})
    return EXIT_PASS


def import_files(args: Namespace) -> int:
    """Turn other tools' results into a bench's report."""
    out = writable(args.out or stamped("bench"))
    publish(import_report(args.file, args.model, args.device), out)
    return EXIT_PASS


def prometheus(args: Namespace) -> int:
    """Write a saved bench as Prometheus text."""
    text = exposition(SavedBench.read(args.run))
    with replacing(args.out) as file:
        file.write(text.encode())
    samples = sum(not line.startswith("#") for line in text.splitlines())
    last_line({"out": str(args.out), "samples": samples})
    return EXIT_PASS
