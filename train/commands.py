"""What each command of `callproof train` does (train/cli.py says what it takes); torch comes only when it is needed."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callproof.config import EvalConfig, ModelConfig, RunConfig, load, resolve, resolve_values
from callproof.console import last_line, say
from callproof.errors import EXIT_PASS, EXIT_REGRESSION, UserError
from callproof.records import read_text, replacing, write_json
from callproof.sessions import read_sessions

from .before.gpus import find_gpu
from .before.preflight import check_token
from .loop.processes import is_main_process
from .loop.run import check_data, check_extra, prepare_libraries, quiet_libraries, run
from .rows.hub_data import read_records

if TYPE_CHECKING:
    from .adapter.adapters import SavedAdapter

EXAMPLES = 2
"""Shown by `check` where nothing else is asked for."""
EVAL_SHARE = 0.2
"""Of the conversations of logs, for evaluation."""


def run_run(args: Namespace) -> int:
    config = load(args.config, args.overrides)
    if args.job and args.dry_run:
        raise UserError("--dry-run", "tries here what --job sends elsewhere", "give one of them")
    if args.job:
        return _print_job(config, args)
    if of_jobs := [f"--{name}" for name in ("nodes", "gpus", "store", "image") if getattr(args, name)]:
        raise UserError(of_jobs[0], "is for --job", "add --job, or leave it out")
    if args.dry_run:
        return _dry_run(config, args.gpu)
    if args.gpu:
        raise UserError("--gpu", "is for --dry-run or --job", "add one of them, or leave it out")
    manifest = run(config, args.resume)
    if is_main_process():
        keys = ("name", "steps", "best_step", "resumed_from", "train_loss", "perplexity", "seconds")
        last_line({**{key: manifest[key] for key in keys}, "adapter": str(config.adapter_dir)})
    return EXIT_PASS


def _dry_run(config: RunConfig, gpu: str | None) -> int:
    device = find_gpu(gpu) if gpu else None
    counts = check_data(config)
    prepare_libraries(config)
    check_extra(config)
    from .before.check import rows_of_splits
    from .before.memory import estimate

    rows = rows_of_splits(config)
    found = estimate(config, device)
    print(found.table(), file=sys.stderr)
    last_line({"name": config.name, **counts, **rows, **found.summary()})
    return EXIT_REGRESSION if found.fits is False else EXIT_PASS


def _print_job(config: RunConfig, args: Namespace) -> int:
    from .scale import JOBS, Placement

    job = JOBS[args.job](config, Placement(args.nodes or 1, args.gpus or 1, args.gpu, args.store, args.image))
    for note in job.notes:
        say(note)
    print(job.text, end="")
    return EXIT_PASS


def run_config(args: Namespace) -> int:
    if args.schema:
        print(json.dumps(RunConfig.model_json_schema(), indent=2))
    else:
        resolved = resolve(RunConfig, args.config, args.overrides)
        print(json.dumps(resolved.as_json(), ensure_ascii=False) if args.json else resolved.as_yaml())
    return EXIT_PASS


def run_check(args: Namespace) -> int:
    from rich.console import Console

    from .before.check import check, make_encoder
    from .before.preview import print_examples, print_report, write_html

    pattern = [f"data.train={args.pattern}"] if args.pattern else []
    config = load(args.config, [*args.overrides, *pattern])
    prepare_libraries(config)
    check_extra(config)
    encoder, console = make_encoder(config), Console(stderr=True)
    wanted = (0 if args.stats else EXAMPLES) if args.num_examples is None else args.num_examples
    found = check(config, encoder, wanted, not args.no_catalog)
    tokenizer = None if isinstance(encoder, str) else encoder.tokenizer
    print_examples(found.examples, tokenizer, console)
    print_report(found.report, console)
    if args.html:
        write_html(args.html, found, tokenizer)
    spoiled = found.report.spoiled
    last_line({"config": str(args.config), "spoiled": spoiled, **found.report.model_dump(mode="json")})
    return EXIT_REGRESSION if spoiled else EXIT_PASS


def run_format(args: Namespace) -> int:
    from .before.template_format import describe

    if args.template:
        told = describe(str(args.template), read_text(args.template), {})
    else:
        config = load(args.config, args.overrides)
        prepare_libraries(config)
        from .rows.data import load_encoder

        tokenizer = load_encoder(config.model).tokenizer
        variables = {**tokenizer.special_tokens_map, **config.prompt.template_kwargs}
        told = describe(f"chat template of {tokenizer.name_or_path}", tokenizer.chat_template, variables)
    last_line(told)
    return EXIT_PASS


def run_convert(args: Namespace) -> int:
    records, is_array, count = _converted(args), args.out.suffix == ".json", 0
    with replacing(args.out) as file:
        for record in records:
            before = (",\n" if count else "[\n") if is_array else ""
            file.write(f"{before}{json.dumps(record, ensure_ascii=False)}{'' if is_array else chr(10)}".encode())
            count += 1
        file.write(b"\n]\n" * is_array)
    last_line({"out": str(args.out), "sessions": count})
    return EXIT_PASS


def _converted(args: Namespace) -> Iterator[dict[str, Any]]:
    from .convert import checked_options, examples

    wanted = checked_options(args.kind, args.mode, args.code, args.repos)
    if wanted and (args.as_is or args.form):
        option = "--as-is" if args.as_is else "--form"
        raise UserError(option, "is for sessions", f"leave out {args.kind}, or {option}")
    if wanted:
        return examples(read_records(args.source), wanted, args.source)
    if args.as_is:
        return (record.record for record in read_records(args.source))
    return (session.record() for _, session in read_sessions(args.source, read_records, form=args.form))


def run_import(args: Namespace) -> int:
    options = {"gpu_gib": args.gpu_memory, "force": args.force, "session_key": args.session_key}
    return _import(args.sources, args.out, args.base, args.eval_share, **options)


def run_init(args: Namespace) -> int:
    from .imports.configuration import CONFIG
    from .imports.start import empty_domain, take_answers

    take_answers(args)
    if args.log:
        return _import(args.log, args.out, args.base, gpu_gib=args.gpu_memory)
    for line in empty_domain(args.out, args.base, args.gpu_memory):
        say(line)
    last_line({"out": str(args.out), "config": str(args.out / CONFIG)})
    return EXIT_PASS


def _import(sources: list[str], out: Path, base: str, share: float = EVAL_SHARE, **options: Any) -> int:
    from .imports.configuration import CONFIG, is_folder
    from .imports.domain import NOTHING_HELD_OUT, import_domain

    made = import_domain(sources, out, share, base, **options)
    for sentence in made.sentences(", ".join(sources)):
        say(sentence)
    path = out / CONFIG
    spoiled = _verdict(path, is_folder(base)) if made.sessions["eval"] else [NOTHING_HELD_OUT]
    for problem in spoiled:
        say(problem)
    last_line({"out": str(out), "config": str(path), **made.summary(), "spoiled": spoiled})
    return EXIT_REGRESSION if spoiled else EXIT_PASS


def _verdict(path: Path, with_base: bool) -> list[str]:
    """What `check` finds that would spoil the training; tokens are counted where the base lies here."""
    from rich.console import Console

    from .before.check import check, make_encoder
    from .before.preview import print_report

    config = load(path)
    prepare_libraries(config)
    report = check(config, make_encoder(config) if with_base else f"run callproof train check --config {path}").report
    print_report(report, Console(stderr=True))
    return report.spoiled


def run_harvest(args: Namespace) -> int:
    from .harvest.harvest import CONFIG, harvest, write_harvest
    from .harvest.runs import open_run

    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise UserError(args.out, "exists and is not empty", "give another --out, or remove it")
    config, runs = load(args.config), [open_run(name, args.runs, args.model) for name in args.names]
    found = harvest(runs, config, args.config, args.method, args.weight)
    write_harvest(found, runs, config, args.method, args.out)
    for sentence in found.sentences(args.method):
        say(sentence)
    last_line({"out": str(args.out), "config": str(args.out / CONFIG), "method": args.method, **found.summary()})
    return EXIT_PASS


def run_migrate(args: Namespace) -> int:
    from .migrate import as_table, as_yaml, migrate, nested

    if args.out.exists() and not args.force:
        raise UserError(args.out, "exists", "give another --out, or --force")
    system, draft = migrate(args.old, args.data)
    tools = args.out.with_suffix(".tools.json")
    if draft.tools and tools.exists() and not args.force:
        raise UserError(tools, "exists", "give another --out, or --force")
    if draft.tools:
        draft.put(
            "data.tools", str(tools), note="made of recorded calls, for there is no catalogue: describe the tools"
        )
    check_extra(resolve_values(RunConfig, nested(draft)).config)
    for path, text in ((args.out, as_yaml(system, draft)), (tools, draft.tools)):
        if text:
            with replacing(path) as file:
                file.write(text.encode())
    print(as_table(draft), file=sys.stderr)
    last_line({"out": str(args.out), "system": system, "keys": len(draft.moves)})
    return EXIT_PASS


def run_prepare(args: Namespace) -> int:
    config = load(args.config, args.overrides)
    prepare_libraries(config)
    from .rows.data import load_encoder
    from .rows.prepare import prepare

    record = prepare(config, load_encoder(config.model), args.out)
    last_line({"prepared": str(args.out), **{name: split.counts for name, split in record.splits.items()}})
    return EXIT_PASS


def run_merge(args: Namespace) -> int:
    from .adapter.adapters import find_adapter

    config = load(args.config, args.overrides) if args.config else None
    adapter = find_adapter(_adapter_folder(args, config), config, args.base)
    out = args.out or adapter.folder.parent / "merged"
    quiet_libraries(adapter.base.base_model)
    from .adapter.merge import WrongMerge, check_merged, check_target, merge

    line = {"adapter": str(adapter.folder), "out": str(out)}
    try:
        if args.check:
            comparison = check_merged(adapter, out, config)
        else:
            check_target(out, adapter, args.force)
            comparison = merge(adapter, out, config)["comparison"]
    except WrongMerge as error:
        print(f"error: {error}", file=sys.stderr)
        last_line({**line, **error.comparison})
        return EXIT_REGRESSION
    last_line({**line, **comparison})
    return EXIT_PASS


def _adapter_folder(args: Namespace, config: RunConfig | None) -> Path:
    if args.adapter:
        return args.adapter
    if config is None:
        raise UserError(f"callproof train {args.command}", "no adapter is given", "give --adapter or --config")
    return config.adapter_dir


def run_infer(args: Namespace) -> int:
    config = load(args.config, args.overrides) if args.config else None
    source = _answering(args, config)
    from .answers import infer
    from .answers.generation import Wanted, load_speaker

    prompt = sys.stdin.read() if args.prompt is None else args.prompt
    talk, catalog = infer.make_conversation(prompt, config, args.system, args.tools)
    settings = config.eval if config else EvalConfig()
    temperature = settings.temperature if args.temperature is None else args.temperature
    wanted = Wanted(args.max_tokens or settings.max_tokens, temperature)
    last_line(infer.judged(*infer.answer(load_speaker(source), talk, wanted), catalog))
    return EXIT_PASS


def _answering(args: Namespace, config: RunConfig | None) -> "SavedAdapter | ModelConfig":
    """The adapter, or the whole model, that --adapter, --model or the configuration names."""
    from .adapter.adapters import find_adapter

    if args.model and not (args.model / "config.json").is_file():
        raise UserError(args.model, "holds no model (no config.json)", "make it: callproof train merge --config ...")
    if args.model:
        model = config.model if config else ModelConfig()
        source = model.model_copy(update={"base_model": str(args.model), "revision": None})
        quiet_libraries(source.base_model)
    else:
        source = find_adapter(_adapter_folder(args, config), config)
        quiet_libraries(source.base.base_model)
    return source


def run_endpoint(args: Namespace) -> int:
    from .adapter.adapters import SavedAdapter

    config = load(args.config, args.overrides) if args.config else None
    source = _answering(args, config)
    from .answers.generation import load_speaker
    from .answers.local_endpoint import LocalEndpoint, serve

    on_base = isinstance(source, SavedAdapter)
    names = [source.base.base_model, str(source.folder)] if on_base else [source.base_model]
    serve(LocalEndpoint(load_speaker(source), names), args.port)
    return EXIT_PASS


def run_prompts(args: Namespace) -> int:
    config = load(args.config, args.overrides)
    check_data(config)
    prepare_libraries(config)
    from .rows.data import load_encoder
    from .rows.prompts import write_eval_prompts

    count = write_eval_prompts(config, load_encoder(config.model))
    last_line({"prompts": str(config.eval_prompts_path), "turns": count})
    return EXIT_PASS


def run_reference(args: Namespace) -> int:
    config = load(args.config, args.overrides)
    prepare_libraries(config)
    from .answers.reference import read_answers, reference

    answers = read_answers(args.answers)
    write_json(args.out, reference(config, answers, with_adapter=not args.base_only).model_dump(mode="json"))
    last_line({"reference": str(args.out), "turns": len(answers)})
    return EXIT_PASS


def run_push(args: Namespace) -> int:
    config = load(args.config, args.overrides)
    if not args.dry_run:
        check_token("callproof train push")
    from .adapter.push import publish

    done = publish(config, args.run, args.dry_run)
    for name, size in done["files"].items():
        print(f"{size:>12,} bytes  {name}", file=sys.stderr)
    last_line(done)
    return EXIT_PASS


def run_track(args: Namespace) -> int:
    from .adapter.manifest import read_manifest
    from .adapter.tracker import track

    last_line(track(read_manifest(load(args.config, args.overrides)), args.gate))
    return EXIT_PASS


def run_base(args: Namespace) -> int:
    from .base.command import make_base

    last_line(make_base(args))
    return EXIT_PASS


def run_service(args: Namespace) -> int:
    from .service.command import serve

    return serve(args)


def run_synth(args: Namespace) -> int:
    from .synth.write import synthesise

    return synthesise(args.datasets, args.domain, args.check)
