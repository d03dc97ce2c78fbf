"""What `runs`, `show`, `diff` and `prune` do, from parsed arguments to exit code."""

import sys
from argparse import Namespace

from callproof.console import last_line, say, visible
from callproof.errors import UserError
from callproof.records import write_json
from callproof.scoring import LABELS

from ..report import write_report
from ..runs import find_run
from .compare import choose, compare, explorer_of
from .listing import list_runs, rows_of
from .pruning import Old, delete, prunable
from .tables import print_pair, print_runs
from .turn_text import all_lines
from .turns import ANY, NOT_OK, Filter, turn_of, turns_of


def runs(args: Namespace) -> int:
    """The table of runs, newest first."""
    listed = [each for each in list_runs(args.runs) if args.name in (None, each.info.name)]
    rows = list(rows_of(listed[: args.limit], args.runs))
    print_runs(rows)
    if args.limit is not None and len(listed) > args.limit:
        say(f"{len(listed) - args.limit:,} older runs are not shown; --limit {len(listed)} shows all")
    last_line({"runs": [row.model_dump(mode="json") for row in rows]})
    return 0


def show(args: Namespace) -> int:
    """Turns of a run: one, or those that a filter lets through."""
    run, _ = find_run(args.run, args.runs)
    info = run.info()
    if args.turn:
        turns = [turn_of(run, info, args.turn, args.model)]
    else:
        _check_outcome(args.outcome)
        wanted = Filter(args.model, args.outcome, args.tool, args.tag, args.text, args.differ)
        turns = turns_of(run, info, wanted)
    for line in all_lines(turns[: args.limit], args.whole):
        print(line)
    more = f"; --limit {len(turns)} shows all" if len(turns) > args.limit else ""
    if not args.turn:
        say(f"{len(turns):,} of {info.turns:,} turns fit{more}")
    last_line({"run": str(run.path), "turns": [each.turn.turn_id for each in turns]})
    return 0


def _check_outcome(outcome: str) -> None:
    choices = (ANY, NOT_OK, *LABELS)
    if outcome not in choices:
        raise UserError(f"--outcome {outcome}", "is no outcome", f"choose one of: {', '.join(choices)}")


def diff(args: Namespace) -> int:
    """Two runs side by side: tables, a report and, where it is asked for, JSON."""
    first = choose(args.run_a, args.runs, args.baseline_model, args.channel, "--baseline-model")
    second = choose(args.run_b, args.runs, args.candidate_model, args.channel, "--candidate-model")
    pair = compare(first, second)
    report = args.report or second.run.path / f"diff-{first.run.path.resolve().name}.html"
    write_report(report, pair.info, pair.summary, explorer_of(first, second, pair))
    if args.json:
        write_json(args.json, pair.comparison.model_dump(mode="json"))
    print_pair(pair, str(args.json or report))
    say(f"report: {report}")
    comparison = pair.comparison
    counts = {"turns": comparison.turns, "broken": len(comparison.broken), "mended": len(comparison.mended)}
    change = comparison.differences["turn_exact"]
    figures = {"turn_exact": change.value, "low": change.low, "high": change.high}
    last_line({"diff": str(args.json or report), **counts, **figures})
    return 0


def prune(args: Namespace) -> int:
    """Delete old runs, once they are named and the user says so."""
    old, staying = prunable(args.runs, args.keep, args.older_than, args.name)
    for name, reason in staying.items():
        say(f"stays: {visible(name)} ({reason})")
    for each in old:
        print(_line(each))
    if not old:
        say(f"nothing to prune in {args.runs}: the newest {args.keep} of each configuration stay (--keep)")
    gone = [each for each in old if _gone(each)] if old and _agreed(old, args.yes) else []
    last_line({"pruned": [each.listed.run.path.name for each in gone], "bytes": sum(each.size for each in gone)})
    return 0


def _line(old: Old) -> str:
    path, info = old.listed.run.path, old.listed.info
    models = ", ".join(info.models)
    return visible(f"  {path}  {info.started[:16]}  {info.name}: {models}, {info.turns:,} turns, {_size(old.size)}")


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"


def _agreed(old: list[Old], yes: bool) -> bool:
    """Whether these runs may go: --yes, or the answer at the terminal."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserError("prune", f"{len(old)} runs would go, and nobody can be asked", "say --yes")
    say(f"delete these {len(old)} runs, {_size(sum(each.size for each in old))}? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _gone(old: Old) -> bool:
    """Delete a run; one that cannot be deleted is told and stays."""
    try:
        delete(old)
    except UserError as error:
        say(f"stays: {error}")
        return False
    return True
