"""`callproof evaluate import`: from parsed arguments to files and exit code."""

import json
from argparse import Namespace
from collections.abc import Iterator

from callproof.console import last_line, say
from callproof.records import read_json, replacing

from ..saved import BAD_GOLD
from . import bfcl, openai_log
from .runs import Options, Written, find_runs, write_runs
from .turns_file import Import, write_imported


def import_turns(args: Namespace) -> int:
    """Write tool-eval turns; list on stderr the gold that breaks its schema and the lines that hold no turn."""
    if args.source == "runs":
        return _import_runs(args)
    result = _write(args)
    for line in (*result.skipped, *result.bad_gold):
        say(line)
    say(f"{result.turns} turns in {len(result.sessions)} sessions, {len(result.skipped)} lines skipped")
    if args.source == "openai-log":
        say("each answer is a turn; a configuration of the log asks fewer: it merges conversations, and see eval.turns")
    for line in _doubts(result, args.drop_bad_gold):
        say(line)
    last_line({**_sizes(result), "skipped": len(result.skipped), "bad_gold": result.bad_turns, "out": str(args.out)})
    return 0


def _sizes(result: Import) -> dict[str, int]:
    return {"turns": result.turns, "sessions": len(result.sessions), "without_tools": result.without_tools}


def _doubts(result: Import, drop_bad_gold: bool) -> Iterator[str]:
    """What makes turns worth less than others."""
    if result.without_tools:
        yield f"{result.without_tools} turns were asked without tools; they can show no restraint"
    if result.bad_turns:
        fate = "left out" if drop_bad_gold else f"kept, tagged {BAD_GOLD}"
        yield f"gold breaks its own schema in {result.bad_turns} turns, which are {fate}"


def _write(args: Namespace) -> Import:
    drop = args.drop_bad_gold
    if args.source == "bfcl":
        return write_imported(bfcl.read_questions(args.questions, args.answers), args.out, drop_bad_gold=drop)
    if args.source == "openai-log":
        return write_imported(openai_log.read_log(args.file), args.out, drop_bad_gold=drop)
    with replacing(args.out / "answers.jsonl") as answers:  # around the turns: both files are written, or neither
        answers.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in bfcl.read_outputs(args.file))
        return write_imported(bfcl.read_results(args.file), args.out / "turns.jsonl", drop_bad_gold=drop)


def _import_runs(args: Namespace) -> int:
    """Write the turns and answers of another tool's run; tell what was left out, and what is odd in the rest."""
    runs = find_runs(args.runs, args.form)
    options = Options(args.gold, args.tools and read_json(args.tools, "write a list of tools"), args.data)
    naming = {"model": args.model, "gold_from": args.gold_from}
    written = write_runs(runs, args.out, options, **naming, drop_bad_gold=args.drop_bad_gold)
    say(f"read as {runs.form.name}: {runs.form.says}, {len(runs.found)} files")
    if runs.others:
        say(f"{len(runs.others)} files of no such form are left out, such as {runs.others[0]}")
    for line in (*written.turns.bad_gold, *_told(written), *_doubts(written.turns, args.drop_bad_gold)):
        say(line)
    last_line(
        {
            "form": runs.form.name,
            **_sizes(written.turns),
            "answers": dict(written.answers),
            "errors": written.errors,
            "verdicts": written.verdicts,
            "left_out": sum(count for count, _ in written.left.values()),
            "bad_gold": written.turns.bad_turns,
            "out": str(args.out),
        }
    )
    return 0


def _told(written: Written) -> Iterator[str]:
    """The lines that a person has to know."""
    answers = ", ".join(f"{count} of {model}" for model, count in written.answers.items())
    yield f"{written.turns.turns} turns in {len(written.turns.sessions)} sessions; answers: {answers}"
    for reason, (count, first) in written.left.items():
        yield f"{count} records are left out: {reason} (the first: {first})"
    for note, count in written.notes.items():
        yield f"{count} records {note}"
    if written.errors:
        yield f"{written.errors} answers are failed requests, which count as infra_error"
    if written.gold_from:
        yield f"the answers of {written.gold_from} are the gold, so that its own figures say nothing"
    if written.verdicts:
        yield f"{written.verdicts} answers have a verdict of their tool; `score` says how often ours is the same"
