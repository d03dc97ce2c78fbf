"""Train a LoRA adapter on recorded tool-calling sessions.

One configuration describes the run: sessions, prompt, base model, adapter, loop. The adapter goes to
outputs/<name>/adapter, what is known about it to outputs/<name>/manifest.json; the last line on
stdout is a JSON summary.

examples:
  python -m train --config configs/car_sales.yaml
  LLM_TRAIN__LEARNING_RATE=1e-3 python -m train --config configs/car_sales.yaml
  python -m train --config configs/car_sales.yaml --resume        go on after a crash
  python -m train --config configs/qwen3-4b.yaml --dry-run --gpu 24     does it fit? exit code 1 if not
  accelerate launch --num_processes 2 -m train --config configs/qwen3-4b.yaml
  python -m train push --config configs/qwen3-4b.yaml --dry-run   write the model card, list what would be uploaded
  python -m train check-config --config configs/qwen3-4b.yaml     validate a configuration and its data, train nothing
  python -m train base --out models/tiny                          make the embedded base model again (about 80 minutes)
"""

import argparse
import json
import sys
from pathlib import Path

from callproof.command_line import Parser, with_verb
from callproof.config import RunConfig, load
from callproof.errors import EXIT_PASS, EXIT_REGRESSION, UserError, exit_with
from train.gpus import GPUS, find_gpu
from train.preflight import check_token
from train.run import check_data, is_main_process, prepare_libraries, run

COMMANDS = ("run", "check-config", "push", "base")


def main() -> int:
    args = _parser().parse_args(with_verb("python -m train", sys.argv[1:], COMMANDS, "run"))
    return args.handler(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="command", required=True)
    train = commands.add_parser("run", help="train an adapter (the default)")
    train.add_argument("--config", type=Path, required=True, help="YAML of the run")
    train.add_argument("--resume", action="store_true", help="go on from the newest checkpoint of an interrupted run")
    train.add_argument("--dry-run", action="store_true", help="check everything and estimate memory, train nothing")
    train.add_argument("--gpu", metavar="GPU", help=f"of --dry-run: GiB, or one of {', '.join(GPUS)}")
    train.set_defaults(handler=_run)
    check = commands.add_parser("check-config", help="validate a configuration and its data, train nothing")
    check.add_argument("--config", type=Path, required=True, help="YAML of the run")
    check.set_defaults(handler=_check_config)
    push = commands.add_parser("push", help="upload a trained adapter with its model card")
    push.add_argument("--config", type=Path, required=True, help="YAML of the run")
    push.add_argument("--run", type=Path, metavar="FOLDER", help="run of evaluate, whose metrics go into the card")
    push.add_argument("--dry-run", action="store_true", help="write the card and list the files, upload nothing")
    push.set_defaults(handler=_push)
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
    if args.dry_run:
        return _dry_run(config, args.gpu)
    if args.gpu:
        raise UserError("--gpu", "is for --dry-run", "add --dry-run, or leave it out")
    manifest = run(config, args.resume)
    if is_main_process():
        keys = ("name", "steps", "best_step", "resumed_from", "train_loss", "perplexity", "seconds")
        print(json.dumps({**{key: manifest[key] for key in keys}, "adapter": str(config.adapter_dir)}))
    return EXIT_PASS


def _dry_run(config: RunConfig, gpu: str | None) -> int:
    device = find_gpu(gpu) if gpu else None
    counts = check_data(config)
    prepare_libraries(config)
    from train.memory import estimate

    found = estimate(config, device)
    print(found.table(), file=sys.stderr)
    print(json.dumps({"name": config.name, **counts, **found.summary()}))
    return EXIT_REGRESSION if found.fits is False else EXIT_PASS


def _push(args: argparse.Namespace) -> int:
    config = load(args.config)
    if not args.dry_run:
        check_token("python -m train push")
    from train.publish import publish

    done = publish(config, args.run, args.dry_run)
    for name, size in done["files"].items():
        print(f"{size:>12,} bytes  {name}", file=sys.stderr)
    print(json.dumps(done))
    return EXIT_PASS


def _check_config(args: argparse.Namespace) -> int:
    print(json.dumps({"config": str(args.config), "valid": True, **check_data(load(args.config))}))
    return EXIT_PASS


def _base(args: argparse.Namespace) -> int:
    from train.base import train_base

    train_base(args.out, args.start, args.resume)
    print(json.dumps({"base_model": str(args.out)}))
    return 0


if __name__ == "__main__":
    exit_with(main)
