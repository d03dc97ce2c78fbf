"""What each verb of the command line does, from parsed arguments to exit code."""

import json
import re
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from callproof.config import GateConfig, load
from callproof.errors import EXIT_INVALID, UserError
from callproof.metrics import METRICS
from callproof.records import write_json
from evaluate.bless import bless as bless_run
from evaluate.bless import choose_model, find_run
from evaluate.gate import GateResult, Side, judge_pair
from evaluate.gate_text import junit, markdown
from evaluate.progress import say
from evaluate.publish import publish
from evaluate.replay import Plan, check_presence, plan, run_all
from evaluate.runs import RUN_ID_PATTERN, Run, RunInfo
from evaluate.score import score_answers
from evaluate.summary import Summary
from evaluate.tables import print_gate, print_summary


def replay(args: Namespace) -> int:
    """Ask, judge, score and report; 3 where more turns stayed unanswered than a gate would take."""
    _check_models(args.model, args.baseline_model)
    plans = [
        plan(path, Run(args.out / run_id), args.model, _eval_overrides(args))
        for path, run_id in zip(args.config, _run_ids(args), strict=True)
    ]
    for each in plans:
        check_presence(each.run, args.resume)
    serve = plans[0].config.serve
    if code := run_all(plans, args.endpoint or f"http://{serve.host}:{serve.port}", args.resume):
        return code
    summaries = [(each, _published(each.run, args.baseline_model)) for each in plans]
    print(json.dumps({"runs": [_line(each.run, summary) for each, summary in summaries]}))
    return max(_validity(each, summary) for each, summary in summaries)


def _check_models(models: list[str], baseline: str | None) -> None:
    if len(set(models)) != len(models):
        raise UserError("--model", f"one name is given twice ({', '.join(models)})", "give each once")
    if baseline and baseline not in models:
        raise UserError(f"--baseline-model {baseline}", "is not among the models", f"choose of: {', '.join(models)}")


def _eval_overrides(args: Namespace) -> dict[str, Any]:
    wanted = {"max_sessions": args.limit_sessions, "concurrency": args.concurrency}
    return {field: value for field, value in wanted.items() if value is not None}


def _run_ids(args: Namespace) -> list[str]:
    """One id a configuration: --run-id (with the name added where there are several), or name and time."""
    names = [load(path).name for path in args.config]
    if len(set(names)) != len(names):
        raise UserError("--config", f"two configurations have one name ({', '.join(names)})", "rename one")
    if args.resume and not args.run_id:
        raise UserError("--resume", "needs the run to resume", f"give --run-id, see {args.out}/")
    if args.run_id and not re.match(RUN_ID_PATTERN, args.run_id):
        raise UserError(f"--run-id {args.run_id}", "is no name for a folder", "use letters, digits, `.`, `_`, `-`")
    if not args.run_id:
        return [f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}" for name in names]
    return [args.run_id] if len(names) == 1 else [f"{args.run_id}-{name}" for name in names]


def _published(run: Run, baseline: str | None) -> Summary:
    with run:
        summary = publish(run, baseline)
    print_summary(summary)
    say(f"report: {run.report_path}")
    return summary


def _line(run: Run, summary: Summary) -> dict[str, Any]:
    return {"run": str(run.path), "name": summary.name, "models": summary.headline()}


def _validity(each: Plan, summary: Summary) -> int:
    rates = {model: found.metrics["infra_error_rate"].value or 0.0 for model, found in summary.models.items()}
    worst = max(rates, key=lambda model: rates[model])
    if rates[worst] <= each.config.gate.max_infra_error_rate:
        return 0
    say(
        f"{each.run.path}: invalid, {rates[worst]:.1%} of the turns of {worst} are unanswered; --resume asks them again"
    )
    return EXIT_INVALID


def score(args: Namespace) -> int:
    """Score saved answers."""
    run = Run(args.out)
    with run:
        report = score_answers(run, args.turns, args.answers, model=args.model, channel=args.channel)
    for kind, ids in (("turns without an answer", report.missing), ("answers to unknown turns", report.unknown)):
        if ids:
            say(f"{len(ids)} {kind}: {', '.join(ids[:10])}{' ...' if len(ids) > 10 else ''}")
    baseline = args.baseline_model
    summary = _published(run, choose_model(run.info(), baseline, "--baseline-model") if baseline else None)
    counts = {"missing": len(report.missing), "unknown": len(report.unknown)}
    print(json.dumps({**_line(run, summary), **counts}))
    return 0


def gate(args: Namespace) -> int:
    """Compare two runs; every result is written before the exit code is returned."""
    baseline = _side(args.baseline, args.runs, args.baseline_model, "--baseline-model")
    candidate = _side(args.candidate, args.runs, args.candidate_model, "--candidate-model")
    config = _gate_config(args, candidate.info)
    result = judge_pair(baseline, candidate, config)
    path = args.json or Run(Path(candidate.path)).gate_path
    _write_results(result, path, args)
    print_gate(result)
    print(json.dumps({"verdict": result.verdict, "exit_code": result.exit_code, "gate": str(path)}))
    return result.exit_code


def _gate_config(args: Namespace, candidate: RunInfo) -> GateConfig:
    """The `gate` section of --config, or of the configuration that the candidate ran with; --margin overrides."""
    recorded = (candidate.config or {}).get("gate", {})
    config = load(args.config).gate if args.config else GateConfig.model_validate(recorded)
    margins = {**config.margins, **dict(_margin(text) for text in args.margin)}
    for name in (*margins, *config.floors):
        if name not in METRICS:
            raise UserError(f"gate metric {name!r}", "is unknown", f"choose of: {', '.join(METRICS)}")
    return config.model_copy(update={"margins": margins})


def _margin(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"--margin {text}", "expected METRIC=X with X from 0 to 1", "for instance turn_exact=0.02")
    return name, value


def _side(name: str, runs: Path, model: str | None, option: str) -> Side:
    run, blessed = find_run(name, runs)
    info = run.info()
    model = choose_model(info, model or blessed, option)
    outcomes = tuple(outcome for outcome in run.outcomes() if outcome.model == model)
    return Side(path=str(run.path), info=info, model=model, outcomes=outcomes)


def _write_results(result: GateResult, path: Path, args: Namespace) -> None:
    try:
        write_json(path, result.model_dump(mode="json"))
        for target, text in ((args.summary, markdown), (args.junit, junit)):
            if target:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text(result), encoding="utf-8")
    except OSError as error:
        raise UserError(error.filename, f"cannot be written ({error.strerror})", "choose another place") from None


def bless(args: Namespace) -> int:
    """Make a run the baseline."""
    run, _ = find_run(args.run, args.runs)
    baseline = bless_run(run, args.runs, args.name, args.model)
    say(f"{baseline.model} of {baseline.run_id} is now the baseline {baseline.name!r}")
    print(json.dumps({"baseline": baseline.name, "run": str(args.runs / "baselines" / baseline.name)}))
    return 0
