"""What judging costs beside BFCL's own `ast_checker`: turns per second of both on the same published outputs.

    pip install --no-deps --target /tmp/bfcl bfcl-eval tree-sitter tree-sitter-java tree-sitter-javascript
    python benchmarks/against_ast_checker.py FOLDER --bfcl /tmp/bfcl

Takes a folder of files of joined rows, such as `benchmarks/bfcl_agreement.py` reads. `ast_checker` gets calls that are
read already; the time of ours counts reading the answer, as `--match bfcl` reads it, and its validity by the schema.
Catalogs are built before (`judge`) or in the time (`all`). Rows without calls in their answer are left out, for BFCL
decides on those without its checker. The arms take turns; everything runs in one process. The last line on stdout is
JSON.
"""

import argparse
import json
import re
import statistics
import sys
import time
import types
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from bfcl_agreement import Row, chosen, read

from callproof.console import Parser, last_line, positive, say
from callproof.errors import EXIT_PASS, UserError, exit_with
from callproof.scoring import judge
from callproof.scoring.bfcl import BfclReading
from callproof.turns import catalog_of

NAMES = "bfcl_eval.constants.model_config"
_CALL_NUMBER = re.compile(r"[ _]\d+$")


class Question(NamedTuple):
    """One row for both: ours as it is, and what `ast_checker` takes."""

    row: Row
    reading: BfclReading | None
    category: str
    functions: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    calls: list[dict[str, Any]]


def ast_checker(folder: Path) -> Callable[[Question], bool]:
    """BFCL's checker; in place of its table of models, which imports every vendor's client, one answer for all."""
    sys.path.insert(0, str(folder))
    table: Any = types.ModuleType(NAMES)
    table.MODEL_CONFIG_MAPPING = defaultdict(lambda: types.SimpleNamespace(underscore_to_dot=True))
    sys.modules[NAMES] = table
    try:
        check = import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
        python = import_module("bfcl_eval.constants.enums").Language.PYTHON
    except ImportError as error:
        raise UserError("--bfcl", f"{folder} lacks {error.name}", "install it as --help says") from None

    def valid(question: Question) -> bool:
        words = (question.functions, question.calls, question.answers, python, question.category, "any")
        return check(*words)["valid"]

    return valid


def questions(path: Path) -> list[Question]:
    """The rows of a file whose answer has calls and whose gold has too."""
    rows = read(path)
    reading = chosen(rows, path.stem).reading
    raw = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found: list[Question] = []
    for row, source in zip(rows, raw, strict=True):
        calls = row.judged("bfcl", None, reading).calls
        gold = source.get("possible_answer")
        if not (calls and gold and row.turn.gold):
            continue
        functions = source["function"] if isinstance(source["function"], list) else [source["function"]]
        outputs = [{call.name.replace(".", "_"): call.arguments} for call in calls if isinstance(call.arguments, dict)]
        found.append(Question(row, reading, source["category"], functions, _answers(gold["ground_truth"]), outputs))
    return found


def _answers(gold: Any) -> list[dict[str, Any]]:
    """Possible answers as the checker takes them now; rows of 2024 are one object that numbers calls of one name."""
    if isinstance(gold, list):
        return gold
    several = len(gold) > 1
    return [{_CALL_NUMBER.sub("", name) if several else name: arguments} for name, arguments in gold.items()]


def measure(asked: list[Question], check: Callable[[Question], bool], rounds: int) -> dict[str, list[float]]:
    """Arm -> turns per second of each round after a warm-up round."""
    catalogs = [catalog_of(question.row.turn) for question in asked]

    def ours() -> None:
        for question, catalog in zip(asked, catalogs, strict=True):
            judge(question.row.turn, question.row.answer, "m", catalog, profile="bfcl", reading=question.reading)

    def whole() -> None:
        for question in asked:
            question.row.judged("bfcl", None, question.reading)

    arms: dict[str, Callable[[], object]] = {"ast_checker": lambda: [check(one) for one in asked]}
    arms |= {"judge": ours, "all": whole}
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(-1, rounds):
        for name, run in arms.items():
            began = time.process_time()
            run()
            if number >= 0:
                rates[name].append(len(asked) / (time.process_time() - began))
    return rates


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="JSON lines of joined rows with `valid`")
    parser.add_argument("--bfcl", type=Path, required=True, metavar="DIR", help="where bfcl-eval is installed")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="of each arm (default %(default)s)")
    args = parser.parse_args()
    check, files = ast_checker(args.bfcl), sorted(args.folder.glob("*.jsonl"))
    if not files:
        raise UserError(args.folder, "has no *.jsonl", "give a folder of published outputs")
    asked = [question for path in files for question in questions(path)]
    agree = sum(check(question) == question.row.valid("bfcl", None, question.reading) for question in asked)
    say(f"{agree} of {len(asked)} verdicts agree")
    rates = measure(asked, check, args.rounds)
    medians = {name: round(statistics.median(of_arm)) for name, of_arm in rates.items()}
    spread = {name: [round(min(of_arm)), round(max(of_arm))] for name, of_arm in rates.items()}
    for name, rate in medians.items():
        print(f"{name:<12}{rate:>10} turns a second of processor time")
    last_line({"turns": len(asked), "agree": agree, "turns_per_s": medians, "spread": spread})
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
