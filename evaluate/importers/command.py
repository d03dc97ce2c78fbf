"""`callproof evaluate import`: from parsed arguments to files and exit code."""

import json
from argparse import Namespace

from callproof.console import last_line, say
from callproof.records import replacing

from ..saved import BAD_GOLD
from . import bfcl, openai_log
from .turns_file import Import, write_imported


def import_turns(args: Namespace) -> int:
    """Write tool-eval turns; list on stderr the gold that breaks its schema and the lines that hold no turn."""
    result = _write(args)
    for line in (*result.skipped, *result.bad_gold):
        say(line)
    fate = "left out" if args.drop_bad_gold else f"kept, tagged {BAD_GOLD}"
    say(f"{result.turns} turns in {len(result.sessions)} sessions, {len(result.skipped)} lines skipped")
    if args.source == "openai-log":
        say("each answer is a turn; a configuration of the log asks fewer: it merges conversations, and see eval.turns")
    if result.without_tools:
        say(f"{result.without_tools} turns were asked without tools; they can show no restraint")
    if result.bad_turns:
        say(f"gold breaks its own schema in {result.bad_turns} turns, which are {fate}")
    sizes = {"turns": result.turns, "sessions": len(result.sessions), "without_tools": result.without_tools}
    counts = {**sizes, "skipped": len(result.skipped), "bad_gold": result.bad_turns}
    last_line({**counts, "out": str(args.out)})
    return 0


def _write(args: Namespace) -> Import:
    drop = args.drop_bad_gold
    if args.source == "bfcl":
        return write_imported(bfcl.read_questions(args.questions, args.answers), args.out, drop_bad_gold=drop)
    if args.source == "openai-log":
        return write_imported(openai_log.read_log(args.file), args.out, drop_bad_gold=drop)
    with replacing(args.out / "answers.jsonl") as answers:  # around the turns: both files are written, or neither
        answers.writelines(f"{json.dumps(row, ensure_ascii=False)}\n".encode() for row in bfcl.read_outputs(args.file))
        return write_imported(bfcl.read_results(args.file), args.out / "turns.jsonl", drop_bad_gold=drop)
