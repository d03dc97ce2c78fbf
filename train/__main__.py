"""Train a LoRA adapter on recorded tool-calling sessions.

One configuration describes the run: sessions, prompt, base model, adapter, loop. The adapter goes to
outputs/<name>/adapter, what is known about it to outputs/<name>/manifest.json; the last line on
stdout is a JSON summary.

examples:
  python -m train --config configs/car_sales.yaml
  LLM_TRAIN__LEARNING_RATE=1e-3 python -m train --config configs/car_sales.yaml
  python -m train check-config --config configs/qwen3-4b.yaml     validate a configuration and its data, train nothing
  python -m train convert hf:owner/name:train --out sessions.jsonl   sessions of any form as callproof's own JSON lines
  python -m train base --out models/tiny                          make the embedded base model again (about 80 minutes)
"""

import argparse
import json
import os
import sys
from pathlib import Path

from callproof.command_line import Parser, with_verb
from callproof.config import RunConfig, load
from callproof.domain import Domain, split_sessions
from callproof.errors import exit_with
from callproof.records import replacing
from callproof.sessions import read_sessions
from callproof.turns import check_gold, eval_turns
from train.hub_data import read_records

COMMANDS = ("run", "check-config", "convert", "base")


def main() -> int:
    args = _parser().parse_args(with_verb("python -m train", sys.argv[1:], COMMANDS, "run"))
    return args.handler(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="command", required=True)
    run = commands.add_parser("run", help="train an adapter (the default)")
    run.add_argument("--config", type=Path, required=True, help="YAML of the run")
    run.set_defaults(handler=_run)
    check = commands.add_parser("check-config", help="validate a configuration and its data, train nothing")
    check.add_argument("--config", type=Path, required=True, help="YAML of the run")
    check.set_defaults(handler=_check_config)
    convert = commands.add_parser("convert", help="write sessions of any form as callproof's own JSON lines")
    convert.add_argument("source", help="file, folder, glob or hf:owner/name[:split], see docs/data.md")
    convert.add_argument("--out", type=Path, required=True, help="file to write")
    convert.set_defaults(handler=_convert)
    base = commands.add_parser("base", help="make the embedded base model again")
    base.add_argument("--out", type=Path, default=Path("models/tiny"), help="folder to write (default %(default)s)")
    base.add_argument(
        "--from", type=Path, dest="start", metavar="MODEL", help="a second pass over the model in this folder"
    )
    base.add_argument("--resume", action="store_true", help="go on with a training that was interrupted")
    base.set_defaults(handler=_base)
    return parser


def _run(args: argparse.Namespace) -> int:
    config = load(args.config)
    _check_data(config)
    _quiet_libraries(config.model.base_model)
    from train.sft import train_adapter

    manifest = train_adapter(config)
    keys = ("name", "steps", "train_loss", "perplexity", "seconds")
    print(json.dumps({**{key: manifest[key] for key in keys}, "adapter": str(config.adapter_dir)}))
    return 0


def _check_config(args: argparse.Namespace) -> int:
    print(json.dumps({"config": str(args.config), "valid": True, **_check_data(load(args.config))}))
    return 0


def _check_data(config: RunConfig) -> dict[str, int]:
    """Read everything that training will read, before anything slow begins; `tools` counts distinct names."""
    domain = Domain(config)
    count, tools = 0, set[str]()
    for where, session in split_sessions(config, "train", read_records):
        count += 1
        catalog = domain.catalog(session, where)
        check_gold(session, catalog, where)
        domain.conversation(session, where)
        tools.update(catalog.by_name)
    return {"train_sessions": count, "eval_turns": len(eval_turns(config, read_records)), "tools": len(tools)}


def _convert(args: argparse.Namespace) -> int:
    count = 0
    with replacing(args.out) as file:
        for _, session in read_sessions(args.source, read_records):
            file.write(f"{json.dumps(session.record(), ensure_ascii=False)}\n".encode())
            count += 1
    print(json.dumps({"out": str(args.out), "sessions": count}))
    return 0


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
