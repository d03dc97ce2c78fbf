"""What `evaluate` and `evaluate rerun` do, from parsed arguments to exit code."""

import re
import shlex
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from callproof.config import RunConfig, load
from callproof.console import last_line, say
from callproof.errors import EXIT_INVALID, UserError
from callproof.records import explain

from .replay import Plan, check_presence, plan, run_all
from .report import Summary
from .report.command import check_baseline, line_of, published
from .runs import Run, RunInfo, check_folder_name, find_run
from .until import Decider, check_options


def replay(args: Namespace) -> int:
    """Ask, judge, score and report; 3 where more turns stayed unanswered than a gate would take."""
    configs = [load(path, args.overrides) for path in args.config]
    check_options(args, configs)
    models = args.model or ([configs[0].name] if args.until_decided else _named(configs))
    _check_models(models, args.baseline_model)
    run_id = _run_id(args, configs)
    plans = [
        plan(config, Run(args.out / folder), models, _eval_overrides(args))
        for config, folder in zip(configs, _folders(configs, run_id), strict=True)
    ]
    for replay_plan in plans:
        check_presence(replay_plan.run, args.resume)
    check_baseline(args.baseline, args.out)
    decider = Decider(args.baseline, args.out, models[0], args.order_seed) if args.until_decided else None
    serve = plans[0].config.serve
    if not args.model:
        say(f"models: {', '.join(models)}, as the configuration names them; --model chooses")
    return _make(plans, args.endpoint or [f"http://{serve.host}:{serve.port}"], args, run_id, decider)


def _make(plans: list[Plan], urls: Sequence[str], args: Namespace, run_id: str, decider: Decider | None = None) -> int:
    """Make the planned runs, and write and print their results."""
    if code := run_all(plans, urls, args.resume, _go_on(args, run_id), decider):
        return code
    summaries = [(replay_plan, published(replay_plan.run, args, decider is not None)) for replay_plan in plans]
    verdict = decider.decide(args) if decider else {}
    last_line({"runs": [line_of(replay_plan.run, summary) for replay_plan, summary in summaries], **verdict})
    invalid = max(_validity(replay_plan, summary) for replay_plan, summary in summaries)
    return verdict["exit_code"] if verdict else invalid


def _named(configs: list[RunConfig]) -> list[str]:
    """The base and the adapter of every configuration, as they are served."""
    bases, adapters = ([config.model.served_name for config in configs], [config.name for config in configs])
    return list(dict.fromkeys((*bases, *adapters)))


def rerun(args: Namespace) -> int:
    """Ask the models of a run again, with the configuration that it recorded; as `replay` does it."""
    earlier, _ = find_run(args.run, args.runs)
    info = earlier.info()
    _check_models(list(info.models), args.baseline_model)
    if args.resume and not args.run_id:
        raise UserError("--resume", "needs the run to resume", f"give --run-id, see {args.runs}/")
    run_id = args.run_id or f"{info.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    check_folder_name("--run-id", run_id)
    again = plan(_recorded(info), Run(args.runs / run_id), info.models, {})
    check_presence(again.run, args.resume)
    check_baseline(args.baseline, args.runs)
    asked = again.info(()).identity.model_copy(update={"raw_text": info.identity.raw_text})
    for change in info.identity.differences(asked):
        say(f"warning: this is no mere repetition of {earlier.path}: {change} now")
    return _make([again], args.endpoint or info.endpoints, args, run_id)


def _recorded(info: RunInfo) -> RunConfig:
    """The configuration of a replayed run, as its run.json has it."""
    if info.config is None:
        raise UserError(f"run {info.run_id}", "was scored from saved answers, not asked", "score them again")
    try:
        return RunConfig.model_validate(info.config)
    except ValidationError as error:
        mend = "give the configuration: callproof evaluate --config"
        raise UserError(f"run {info.run_id}: config", explain(error), mend) from None


def _check_models(models: list[str], baseline: str | None) -> None:
    if len(set(models)) != len(models):
        raise UserError("--model", f"one name is given twice ({', '.join(models)})", "give each once")
    if baseline and baseline not in models:
        raise UserError(f"--baseline-model {baseline}", "is not among the models", f"choose of: {', '.join(models)}")


def _eval_overrides(args: Namespace) -> dict[str, Any]:
    names = ("channel", "repeats", "concurrency", "timeout_s", "run_timeout_s", "retries")
    wanted = {"max_sessions": args.limit_sessions, **{name: getattr(args, name) for name in names}}
    return {field: value for field, value in wanted.items() if value is not None}


def _run_id(args: Namespace, configs: list[RunConfig]) -> str:
    """--run-id; by default the time, after the configuration's name where there is but one."""
    if args.resume and not args.run_id:
        raise UserError("--resume", "needs the run to resume", f"give --run-id, see {args.out}/")
    if args.run_id:
        check_folder_name("--run-id", args.run_id)
    time = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    return args.run_id or (f"{configs[0].name}-{time}" if len(configs) == 1 else time)


def _folders(configs: list[RunConfig], run_id: str) -> list[str]:
    """One a configuration: the id of the run, with the name added where there are several."""
    names = [config.name for config in configs]
    if len(set(names)) != len(names):
        raise UserError("--config", f"two configurations have one name ({', '.join(names)})", "rename one")
    return [run_id] if len(names) == 1 else [f"{run_id}-{name}" for name in names]


def _go_on(args: Namespace, run_id: str) -> str:
    """The command that finishes an interrupted run; without credentials in its URLs."""
    words = [re.sub("//[^/]*@", "//", word) for word in args.words]
    run_option = [] if args.run_id else ["--run-id", run_id]
    return shlex.join(["callproof", "evaluate", *words, *run_option, *([] if args.resume else ["--resume"])])


def _validity(replay_plan: Plan, summary: Summary) -> int:
    rates = {model: figures.metrics["infra_error_rate"].value or 0.0 for model, figures in summary.models.items()}
    worst = max(rates, key=lambda model: rates[model])
    if rates[worst] <= replay_plan.config.gate.max_infra_error_rate:
        return 0
    unanswered = f"{rates[worst]:.1%} of the turns of {worst} are unanswered"
    say(f"{replay_plan.run.path}: invalid, {unanswered}; --resume asks them again")
    return EXIT_INVALID
