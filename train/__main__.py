"""Train a LoRA adapter on recorded tool-calling sessions.

One configuration describes the run: sessions, prompt, base model, adapter, loop. The adapter goes to
outputs/<name>/adapter, what is known about it to outputs/<name>/manifest.json; the last line on
stdout is a JSON summary.

examples:
  python -m train --config configs/car_sales.yaml
  LLM_TRAIN__LEARNING_RATE=1e-3 python -m train --config configs/car_sales.yaml
  python -m train --config configs/car_sales.yaml train.learning_rate=1e-3 lora.r=8
  python -m train config --config configs/car_sales.yaml          every key, its value, and where that comes from
  python -m train check --config configs/car_sales.yaml --html preview.html       look at the data before training
  python -m train check --config configs/car_sales.yaml --num-examples 5 --no-catalog
  python -m train prepare --config configs/car_sales.yaml --out outputs/rows       for data.prepared=outputs/rows
  python -m train base --out models/tiny                          make the embedded base model again (about 80 minutes)

Exit codes: 0 done; 1 `check` found what would spoil the training; 2 usage, configuration or data.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from callproof.catalog import read_catalog
from callproof.command_line import Parser, add_overrides, count, with_verb
from callproof.config import RunConfig, load
from callproof.config_sources import resolve
from callproof.errors import EXIT_PASS, EXIT_REGRESSION, exit_with
from callproof.sessions import read_sessions
from callproof.turns import check_gold, eval_turns

COMMANDS = ("run", "config", "check", "prepare", "base")
EXAMPLES = 2
"""Shown by `check` where nothing else is asked for."""


def main() -> int:
    args = _parser().parse_args(with_verb("python -m train", sys.argv[1:], COMMANDS, "run"))
    return args.handler(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="command", required=True)
    run = commands.add_parser("run", help="train an adapter (the default)")
    _add_config(run, _run)
    _config_options(commands.add_parser("config", help="print the resolved configuration and its sources"))
    _check_options(commands.add_parser("check", help="statistics, faults and a preview of the data, train nothing"))
    prepared = commands.add_parser("prepare", help="write the token rows to disk, for `data.prepared`")
    prepared.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    _add_config(prepared, _prepare)
    base = commands.add_parser("base", help="make the embedded base model again")
    base.add_argument("--out", type=Path, default=Path("models/tiny"), help="folder to write (default %(default)s)")
    base.add_argument(
        "--from", type=Path, dest="start", metavar="MODEL", help="a second pass over the model in this folder"
    )
    base.add_argument("--resume", action="store_true", help="go on with a training that was interrupted")
    base.set_defaults(handler=_base)
    return parser


def _add_config(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    parser.add_argument("--config", type=Path, required=True, help="YAML of the run")
    add_overrides(parser)
    parser.set_defaults(handler=handler)


def _config_options(parser: argparse.ArgumentParser) -> None:
    shown = parser.add_mutually_exclusive_group(required=True)
    shown.add_argument("--config", type=Path, help="YAML of the run; printed whole, with the source of each value")
    shown.add_argument("--schema", action="store_true", help="print the JSON Schema of configurations, for editors")
    parser.add_argument("--json", action="store_true", help="print {key: {value, source}} instead of YAML")
    add_overrides(parser)
    parser.set_defaults(handler=_config)


def _check_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--num-examples", type=count, metavar="N", help=f"rows to show (default: {EXAMPLES}, or none with --stats)")
    add("--stats", action="store_true", help="statistics, and no rows unless --num-examples asks for them")
    add("--pattern", metavar="GLOB", help="training sessions to look at, in place of data.train")
    add("--no-catalog", action="store_true", help="render the rows without the tools")
    add("--html", type=Path, metavar="FILE", help="write everything as one static page")
    _add_config(parser, _check)


def _run(args: argparse.Namespace) -> int:
    config = load(args.config, args.overrides)
    if not config.data.prepared:
        _check_data(config)
    _quiet_libraries(config.model.base_model)
    from train.sft import train_adapter

    manifest = train_adapter(config)
    keys = ("name", "steps", "train_loss", "perplexity", "seconds")
    print(json.dumps({**{key: manifest[key] for key in keys}, "adapter": str(config.adapter_dir)}))
    return 0


def _config(args: argparse.Namespace) -> int:
    if args.schema:
        print(json.dumps(RunConfig.model_json_schema(), indent=2))
    else:
        resolved = resolve(RunConfig, args.config, args.overrides)
        print(json.dumps(resolved.as_json(), ensure_ascii=False) if args.json else resolved.as_yaml())
    return EXIT_PASS


def _check(args: argparse.Namespace) -> int:
    from rich.console import Console

    from train.check import check, make_encoder
    from train.preview import print_examples, print_report, write_html

    pattern = [f"data.train={args.pattern}"] if args.pattern else []
    config = load(args.config, [*args.overrides, *pattern])
    _quiet_libraries(config.model.base_model)
    encoder, console = make_encoder(config), Console(stderr=True)
    wanted = (0 if args.stats else EXAMPLES) if args.num_examples is None else args.num_examples
    found = check(config, encoder, wanted, not args.no_catalog)
    tokenizer = None if isinstance(encoder, str) else encoder.tokenizer
    print_examples(found.examples, tokenizer, console)
    print_report(found.report, console)
    if args.html:
        write_html(args.html, found, tokenizer)
    spoiled = found.report.spoiled
    print(json.dumps({"config": str(args.config), "spoiled": spoiled, **found.report.model_dump(mode="json")}))
    return EXIT_REGRESSION if spoiled else EXIT_PASS


def _prepare(args: argparse.Namespace) -> int:
    config = load(args.config, args.overrides)
    _quiet_libraries(config.model.base_model)
    from train.data import load_tokenizer
    from train.encode import Encoder
    from train.prepare import prepare

    record = prepare(config, Encoder(load_tokenizer(config)), args.out)
    print(json.dumps({"prepared": str(args.out), **{name: split.counts for name, split in record.splits.items()}}))
    return EXIT_PASS


def _check_data(config: RunConfig) -> dict[str, int]:
    """Read everything that training will read, before anything slow begins."""
    catalog = read_catalog(config.data.tools_path)
    count = 0
    for line, session in read_sessions(config.data.train_path):
        check_gold(session, catalog, f"{config.data.train_path}:{line}")
        count += 1
    return {"train_sessions": count, "eval_turns": len(eval_turns(config, catalog)), "tools": len(catalog.tools)}


def _base(args: argparse.Namespace) -> int:
    from train.base import train_base

    train_base(args.out, args.start, args.resume)
    print(json.dumps({"base_model": str(args.out)}))
    return 0


def _quiet_libraries(base_model: str) -> None:
    """No telemetry; no hub requests for a base that lies in a folder."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if Path(base_model).is_dir():
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


if __name__ == "__main__":
    exit_with(main)
