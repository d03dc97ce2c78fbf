"""Saved answers without a model, for what scoring costs: the eval turns of some domains, and their gold as answers.

    python benchmarks/support/gold_answers.py --config configs/car_sales.yaml --out DIR

Every fourth answer is wrong: it has no call where one is due, and one where none is. The last line on stdout is JSON.
"""

import argparse
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from callproof.calls import ToolCall, render
from callproof.config import load
from callproof.console import Parser, last_line
from callproof.errors import EXIT_PASS, exit_with
from callproof.turns import Turn, eval_turns

WRONG_EACH = 4
PROSE = "Let me see what I can do for you."


def answer(turn: Turn, wrong: bool) -> str:
    """The gold calls as a model writes them, or prose; the other where it is to be wrong."""
    if wrong:
        name = turn.tools[0]["function"]["name"] if turn.tools else "nothing"
        return PROSE if turn.gold else render([ToolCall(name=name, arguments={})])
    calls = [ToolCall(name=call.name, arguments=dict(call.arguments)) for call in turn.gold]
    return render(calls) if calls else PROSE


def write_answers(configs: Iterable[Path], limit: int | None, folder: Path) -> tuple[Path, Path]:
    """Write turns and answers to `folder`; returns both paths."""
    turns = islice((turn for path in configs for turn in eval_turns(load(path))), limit)
    paths = folder / "turns.jsonl", folder / "answers.jsonl"
    with paths[0].open("w", encoding="utf-8") as turns_file, paths[1].open("w", encoding="utf-8") as answers_file:
        for number, turn in enumerate(turns):
            turns_file.write(turn.model_dump_json(exclude_defaults=True) + "\n")
            text = answer(turn, number % WRONG_EACH == 0)
            answers_file.write(json.dumps({"turn_id": turn.turn_id, "text": text}) + "\n")
    return paths


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, action="append", required=True, metavar="YAML")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    turns, answers = write_answers(args.config, None, args.out)
    last_line({"turns": str(turns), "answers": str(answers), "count": len(turns.read_text("utf-8").splitlines())})
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
