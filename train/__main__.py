"""Train a LoRA adapter on recorded tool-calling sessions.

One configuration describes the run: sessions, prompt, base model, adapter, loop. The adapter goes to
outputs/<name>/adapter, what is known about it to outputs/<name>/manifest.json; the last line on
stdout is a JSON summary.

examples:
  python -m train --config configs/car_sales.yaml
  LLM_TRAIN__LEARNING_RATE=1e-3 python -m train --config configs/car_sales.yaml
  python -m train check-config --config configs/qwen3-4b.yaml     validate a configuration and its data, train nothing
  python -m train convert hf:owner/name:train --out sessions.jsonl   sessions of any form as callproof's own JSON lines
  python -m train merge --config configs/car_sales.yaml           adapter and base as one model
  python -m train merge --adapter outputs/car_sales/adapter --out merged --check         compare, write nothing
  python -m train infer --config configs/car_sales.yaml --prompt "Any SUV below 30'000?"
  python -m train infer --model outputs/car_sales/merged --tools tools.json --prompt "Any SUV below 30'000?"
  python -m train prompts --config configs/car_sales.yaml         what `evaluate parity` reads, for an earlier adapter
  python -m train base --out models/tiny                          make the embedded base model again (about 80 minutes)

Exit codes: 0 done; 1 a merged model differs from base and adapter; 2 usage, configuration or data.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from callproof.command_line import Parser, with_verb
from callproof.config import EvalConfig, ModelConfig, RunConfig, load
from callproof.domain import Domain, split_sessions
from callproof.errors import EXIT_REGRESSION, UserError, exit_with
from callproof.records import replacing
from callproof.sessions import read_sessions
from callproof.turns import check_gold, eval_turns
from train.hub_data import read_records

COMMANDS = ("run", "check-config", "convert", "merge", "infer", "prompts", "base")


def main() -> int:
    args = _parser().parse_args(with_verb("python -m train", sys.argv[1:], COMMANDS, "run"))
    return args.handler(args)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
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
    _merge_options(commands.add_parser("merge", help="merge an adapter into its base, and compare the two"))
    _infer_options(commands.add_parser("infer", help="print the answer to one prompt"))
    prompts = commands.add_parser("prompts", help="write the tokens of the eval prompts, for `evaluate parity`")
    prompts.add_argument("--config", type=Path, required=True, help="YAML of the run")
    prompts.set_defaults(handler=_prompts)
    base = commands.add_parser("base", help="make the embedded base model again")
    base.add_argument("--out", type=Path, default=Path("models/tiny"), help="folder to write (default %(default)s)")
    base.add_argument(
        "--from", type=Path, dest="start", metavar="MODEL", help="a second pass over the model in this folder"
    )
    base.add_argument("--resume", action="store_true", help="go on with a training that was interrupted")
    base.set_defaults(handler=_base)
    return parser


def _merge_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--adapter", type=Path, metavar="DIR", help="default: the adapter of --config")
    add("--config", type=Path, metavar="YAML", help="compare on its eval sessions; default: on built-in sentences")
    add("--out", type=Path, metavar="DIR", help="default: `merged` beside the adapter")
    add("--base", metavar="MODEL", help="folder or hub id; default: the base that the adapter names")
    add("--force", action="store_true", help="replace a merged model that is there")
    add("--check", action="store_true", help="compare the merged model that is there; write nothing")
    parser.set_defaults(handler=_merge)


def _infer_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--prompt", metavar="TEXT", help="what the user says; default: standard input")
    add("--config", type=Path, metavar="YAML", help="system prompt, catalog, model and adapter of this run")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--adapter", type=Path, metavar="DIR", help="default: the adapter of --config")
    chosen.add_argument("--model", "--model_path", type=Path, metavar="DIR", help="a merged or other whole model")
    add("--system", metavar="TEXT", help="in place of the domain's system prompt")
    add("--tools", type=Path, metavar="JSON", help="in place of the domain's catalog")
    add("--max-tokens", type=_positive, metavar="N", help="of the answer; default: eval.max_tokens")
    add("--temperature", type=_temperature, metavar="T", help="0: the most likely token; default: eval.temperature")
    parser.set_defaults(handler=_infer)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return int(text)


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("expected a number from 0")
    return value


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


def _merge(args: argparse.Namespace) -> int:
    from train.adapters import find_adapter

    config = load(args.config) if args.config else None
    adapter = find_adapter(_adapter_folder(args, config), config, args.base)
    out = args.out or adapter.folder.parent / "merged"
    _quiet_libraries(adapter.base.base_model)
    from train.merge import WrongMerge, check_merged, check_target, merge

    line = {"adapter": str(adapter.folder), "out": str(out)}
    try:
        if args.check:
            comparison = check_merged(adapter, out, config)
        else:
            check_target(out, adapter, args.force)
            comparison = merge(adapter, out, config)["comparison"]
    except WrongMerge as error:
        print(f"error: {error}", file=sys.stderr)
        print(json.dumps({**line, **error.comparison}))
        return EXIT_REGRESSION
    print(json.dumps({**line, **comparison}))
    return 0


def _adapter_folder(args: argparse.Namespace, config: RunConfig | None) -> Path:
    if args.adapter:
        return args.adapter
    if config is None:
        raise UserError(f"python -m train {args.command}", "no adapter is given", "give --adapter or --config")
    return config.adapter_dir


def _infer(args: argparse.Namespace) -> int:
    from train.adapters import find_adapter

    config = load(args.config) if args.config else None
    if args.model and not (args.model / "config.json").is_file():
        raise UserError(args.model, "holds no model (no config.json)", "make it: python -m train merge --config ...")
    if args.model:
        model = config.model if config else ModelConfig()
        source = model.model_copy(update={"base_model": str(args.model), "revision": None})
        _quiet_libraries(source.base_model)
    else:
        source = find_adapter(_adapter_folder(args, config), config)
        _quiet_libraries(source.base.base_model)
    from train import infer

    prompt = sys.stdin.read() if args.prompt is None else args.prompt
    talk, catalog = infer.make_conversation(prompt, config, args.system, args.tools)
    settings = config.eval if config else EvalConfig()
    max_tokens = args.max_tokens or settings.max_tokens
    temperature = settings.temperature if args.temperature is None else args.temperature
    answer = infer.generate(*infer.load_answering(source), talk, max_tokens, temperature)
    print(json.dumps(infer.judged(*answer, catalog), ensure_ascii=False))
    return 0


def _prompts(args: argparse.Namespace) -> int:
    config = load(args.config)
    _check_data(config)
    _quiet_libraries(config.model.base_model)
    from train.data import load_tokenizer
    from train.encode import Encoder
    from train.prompts import write_eval_prompts

    count = write_eval_prompts(config, Encoder(load_tokenizer(config.model)))
    print(json.dumps({"prompts": str(config.eval_prompts_path), "turns": count}))
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
