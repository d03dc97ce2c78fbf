"""What `evaluate score` does, from parsed arguments to exit code."""

from argparse import Namespace

from callproof.console import last_line, say

from ..report.command import check_baseline, line_of, published
from ..runs import Run
from .score import score_answers

_FATES = {"drop": "left out", "keep": "kept", "refuse": "kept"}


def score(args: Namespace) -> int:
    """Score saved answers."""
    run = Run(args.out)
    check_baseline(args.baseline, run.path.parent)
    with run:
        report = score_answers(
            run,
            args.turns,
            args.answers,
            model=args.model,
            channel=args.channel,
            profile=args.match,
            format=args.format,
            baseline=args.baseline_model,
            bad_gold=args.bad_gold,
        )
    for line in (*report.format_lines, *report.bad_gold, *report.unreadable):
        say(str(line))
    if report.unreadable:
        say(f"{len(report.unreadable)} lines hold no answer that can be read: infra_error")
    if report.bad_turns:
        say(f"gold breaks its own schema in {report.bad_turns} turns, which are {_FATES[args.bad_gold]}")
    for kind, ids in (("turns without an answer", report.missing), ("answers to unknown turns", report.unknown)):
        if ids:
            say(f"{len(ids)} {kind}: {', '.join(ids[:10])}{' ...' if len(ids) > 10 else ''}")
    if report.other_channel:
        say(f"{report.other_channel} answers of the other channel are left out")
    summary = published(run, args)
    counts = {"missing": len(report.missing), "unknown": len(report.unknown), "bad_gold": report.bad_turns}
    counts |= {"unreadable": len(report.unreadable)}
    if report.verdicts:
        counts |= {"verdicts": {model: verdicts.counts() for model, verdicts in report.verdicts.items()}}
    formats = {"format": summary.format} | ({"formats": report.formats} if report.formats else {})
    last_line({**line_of(run, summary), **counts, **formats})
    return 0
