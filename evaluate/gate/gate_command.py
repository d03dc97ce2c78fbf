"""What `gate`, `noise` and `bless` do, from parsed arguments to exit code."""

from argparse import Namespace
from pathlib import Path

from pydantic import ValidationError

from callproof.config import GateConfig, load_gate
from callproof.console import last_line, say
from callproof.console.ci import write_verdict
from callproof.errors import UserError
from callproof.records import explain, write_json
from callproof.scoring import METRICS

from ..runs import Run, RunInfo, choose_model, find_run
from .bless import bless as bless_run
from .gate import GateResult, judge_pair
from .gate_table import print_gate, print_noise
from .gate_text import junit, markdown
from .noise import measure, noise_of
from .sides import Side, channel_of, read_side


def gate(args: Namespace) -> int:
    """Compare two runs; every result is written before the exit code is returned."""
    baseline = _side(args.baseline, args, args.baseline_model, "--baseline-model")
    candidate = _side(args.candidate, args, args.candidate_model, "--candidate-model")
    result = judge_pair(baseline, candidate, _gate_config(args, candidate.info), noise_of(baseline, args.noise))
    path = args.json or Run(Path(candidate.path)).gate_path
    write_results(result, path, args.summary, args.junit)
    print_gate(result)
    last_line({"verdict": result.verdict, "exit_code": result.exit_code, "gate": str(path)})
    return result.exit_code


def noise(args: Namespace) -> int:
    """Measure the noise between runs of one model, and write it where the gate will find it."""
    sides = [_side(name, args, args.model, "--model") for name in args.run]
    between_runs = measure(sides, recorded_gate(sides[0].info))
    path = args.out or Run(Path(sides[0].path)).noise_path
    write_json(path, between_runs.model_dump(mode="json"))
    print_noise(between_runs)
    say(f"bless takes {path} along" if not args.out else f"give it to the gate with --noise {path}")
    headline = between_runs.metrics["turn_exact"].noise
    last_line({"noise": str(path), "runs": len(sides), "turn_exact": headline})
    return 0


def bless(args: Namespace) -> int:
    """Make a run the baseline, if a gate can compare anything with it."""
    side = _side(args.run, args, args.model, "--model")
    for fault in side.faults(recorded_gate(side.info)):
        raise UserError(side.path, fault, "bless a run that is whole")
    baseline, kept, replaced = bless_run(Run(Path(side.path)), args.runs, args.name, side.model)
    say(f"{baseline.model} of {baseline.run_id} is now the baseline {baseline.name!r}")
    if kept:
        was = f"{replaced.model} of {replaced.run_id}" if replaced else "a baseline that cannot be read"
        say(f"it replaces {was}, which is kept as {kept.name!r}")
    line = {"baseline": baseline.name, "run": str(args.runs / "baselines" / baseline.name)}
    last_line(line | ({"kept": str(kept)} if kept else {}))
    return 0


def _side(name: str, args: Namespace, model: str | None, option: str) -> Side:
    run, blessed = find_run(name, args.runs)
    info = run.info()
    return read_side(run, info, choose_model(info, model or blessed, option), channel_of(info, args.channel))


def _gate_config(args: Namespace, candidate: RunInfo) -> GateConfig:
    """The `gate` section of --config, or of the configuration that the candidate ran with; --margin overrides."""
    config = load_gate(args.config, args.overrides) if args.config else recorded_gate(candidate)
    margins = {**config.margins, **dict(_margin(text) for text in args.margin)}
    for name in (*margins, *config.floors, *(name for floors in config.slice_floors.values() for name in floors)):
        if name not in METRICS:
            raise UserError(f"gate metric {name!r}", "is unknown", f"choose of: {', '.join(METRICS)}")
    return config.model_copy(update={"margins": margins})


def recorded_gate(info: RunInfo) -> GateConfig:
    """The `gate` section of the configuration that a run was made with."""
    try:
        return GateConfig.model_validate((info.config or {}).get("gate", {}))
    except ValidationError as error:
        raise UserError(f"run {info.run_id}: gate", explain(error), "give --config") from None


def _margin(text: str) -> tuple[str, float | None]:
    """METRIC=X, or METRIC=null for none."""
    name, _, number = text.partition("=")
    if number == "null":
        return name, None
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        problem = "expected METRIC=X with X from 0 to 1, or null"
        raise UserError(f"--margin {text}", problem, "for instance turn_exact=0.02")
    return name, value


def write_results(result: GateResult, path: Path, summary: Path | None, junit_path: Path | None) -> None:
    """JSON always, Markdown and JUnit XML where asked; a CI job's own summary is added to, other files are replaced."""
    texts = {summary: markdown, junit_path: junit}
    write_verdict(path, result.model_dump(mode="json"), {file: text(result) for file, text in texts.items() if file})
