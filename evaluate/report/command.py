"""What `evaluate report` does, and how every command that makes a run ends: results written, printed, and one line."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from callproof.console import last_line, say

from ..runs import Run, choose_model, find_run
from .results import publish
from .summary import Summary
from .tables import print_summary


def report(args: Namespace) -> int:
    """Write metrics and report of a run anew."""
    run, _ = find_run(args.run, args.runs)
    if args.baseline_model:
        choose_model(run.info(), args.baseline_model, "--baseline-model")
    last_line(line_of(run, published(run, args, args.partial)))
    return 0


def check_baseline(name: str | None, runs: Path) -> None:
    """Raise a UserError where the run that the report is to be held against is not there."""
    if name:
        find_run(name, runs)


def published(run: Run, args: Namespace, partial: bool = False) -> Summary:
    """Write the results of a run, print its tables, and say where the report is."""
    with run:
        summary = publish(run, args.baseline_model, args.baseline, partial)
    print_summary(summary)
    say(f"report: {run.report_path}")
    return summary


def line_of(run: Run, summary: Summary) -> dict[str, Any]:
    """What the last line on stdout says of a run."""
    return {"run": str(run.path), "name": summary.name, "models": summary.headline()}
