"""How our verdicts agree with those that BFCL published, and why they differ: the tables of docs/explanation/bfcl.md.

    python benchmarks/bfcl_agreement.py *.jsonl
    python benchmarks/bfcl_agreement.py hermes-2-pro-llama-3-8b.jsonl --strict

Takes files of joined rows, as `evaluate import bfcl-results` does, with BFCL's verdict in `valid`; writes Markdown to
stdout. A cause is given only where the turn shows it: the answer is judged again without it, or nothing else differs.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from callproof.evaluate.importers.bfcl import read_outputs, read_results

from callproof.calls import ToolCall, parse
from callproof.scoring import Answer, MatchProfile, Outcome, judge, match, pair_differences
from callproof.scoring.bfcl import BfclReading, Choice, HandlerCounter
from callproof.turns import Turn, catalog_of

QUOTES = "BFCL's Hermes handler writes `\"` for every `'` before it reads the JSON"
TEXT = "strings that are equal only to BFCL: without case, blanks and `,./-_*^`"
MALFORMED = "a malformed call where none is due: to BFCL an abstention"
SCHEMA = "arguments that their schema refuses (`enum`): BFCL does not look"
INTEGERS = "integers in a list of floats: JSON has one kind of number, BFCL's Python types differ"
UNKNOWN = "unexplained"


class Difference(NamedTuple):
    """A turn on which we differ. `detail` is the reason of the side that says no."""

    turn_id: str
    published: bool
    cause: str
    detail: str


class Row(NamedTuple):
    turn: Turn
    answer: Answer
    published: bool

    def judged(self, profile: MatchProfile, text: str | None = None, reading: BfclReading | None = None) -> Outcome:
        answer = self.answer if text is None else Answer(text=text)
        return judge(self.turn, answer, "m", catalog_of(self.turn), profile=profile, reading=reading)

    def valid(self, profile: MatchProfile, text: str | None = None, reading: BfclReading | None = None) -> bool:
        return self.judged(profile, text, reading).outcome == "ok"


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8") as file:
        published = {row["id"]: row["valid"] for row in map(json.loads, file)}
    pairs = zip(read_results(path), read_outputs(path), strict=True)
    return [
        Row(imported.turn, Answer.model_validate(output["answer"]), published[imported.turn.turn_id])
        for imported, output in pairs
    ]


def chosen(rows: list[Row], model: str) -> Choice:
    """How `score --match bfcl` reads the answers of a model of this name."""
    counter = HandlerCounter()
    for row in rows:
        counter.add(row.turn, model, row.answer.text, row.answer.tool_calls)
    return counter.choices()[model]


def cause(row: Row) -> str:
    """Why the strict and the published verdict differ."""
    bfcl, ours = row.judged("bfcl"), row.judged("strict")
    if (bfcl.outcome == "ok") != row.published:
        return QUOTES if row.valid("bfcl", row.answer.text.replace("'", '"')) == row.published else UNKNOWN
    if not row.published:
        floats = Row(row.turn, Answer(text=_with_floats(row)), row.published)
        return INTEGERS if floats.valid("bfcl") else UNKNOWN
    if ours.outcome == "wrong_args":
        return TEXT if all(_texts(row)) else UNKNOWN
    return {"parse_error": MALFORMED, "schema_invalid": SCHEMA}.get(ours.outcome, UNKNOWN)


def _texts(row: Row) -> Iterator[bool]:
    """Of each place where the answer differs from gold: whether both values are text."""
    catalog, calls = catalog_of(row.turn), [call for call in parse(row.answer.text) if isinstance(call, ToolCall)]
    for pair in match(calls, row.turn.gold, catalog).pairs:
        for found in pair_differences(row.turn.gold[pair.gold], calls[pair.predicted], catalog):
            yield isinstance(found.expected, str) and isinstance(found.got, str)


def _with_floats(row: Row) -> str:
    """The answer with every integer that is directly in a list as a float."""
    calls = [call.model_dump() for call in row.judged("strict").calls]
    for call in calls:
        for name, value in call.get("arguments", {}).items():
            if isinstance(value, list):
                call["arguments"][name] = [float(item) if type(item) is int else item for item in value]
    return "".join(f"<tool_call>{json.dumps(call)}</tool_call>" for call in calls)


def strict_differences(rows: list[Row]) -> Iterator[Difference]:
    for row in rows:
        ours = row.judged("strict")
        if (ours.outcome == "ok") != row.published:
            reasons = (ours if row.published else row.judged("bfcl")).reasons
            detail = "; ".join(reasons) or "BFCL's handler cannot decode the answer"
            yield Difference(row.turn.turn_id, row.published, cause(row), detail)


def print_agreement(path: Path) -> None:
    """A line of the table, then the turns that differ, if any."""
    rows = read(path)
    shares = []
    for model in (path.stem, "model"):
        choice = chosen(rows, model)
        wrong = [row.turn.turn_id for row in rows if row.valid("bfcl", None, choice.reading) != row.published]
        shares.append(f"`{choice.name}` | {len(rows) - len(wrong)} | {', '.join(wrong)}")
    print(f"| `{path.stem}` | {' | '.join(shares)} |", flush=True)


def print_strict(path: Path) -> None:
    rows = read(path)
    differences = list(strict_differences(rows))
    agree = len(rows) - len(differences)
    print(f"\n## {path.stem}, `--match strict`: {agree} of {len(rows)} verdicts agree ({agree / len(rows):.2%})\n")
    print("| turns | cause |\n|---|---|")
    for why, number in Counter(difference.cause for difference in differences).most_common():
        print(f"| {number} | {why} |")
    print("\n| turn | published | cause | detail |\n|---|---|---|---|")
    for turn_id, published, why, detail in differences:
        print(f"| `{turn_id}` | {'valid' if published else 'invalid'} | {why} | {_cell(detail)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Agreement with BFCL's published verdicts, as Markdown.")
    parser.add_argument("file", type=Path, nargs="+", help="joined rows with `valid`")
    parser.add_argument(
        "--strict", action="store_true", help="compare `--match strict` instead, for `<tool_call>` text"
    )
    args = parser.parse_args()
    if not args.strict:
        print("| model | read as | agree | others | without its name | agree | others |\n|---|---|---|---|---|---|---|")
    for path in args.file:
        print_strict(path) if args.strict else print_agreement(path)


def _cell(text: str) -> str:
    text = text if len(text) <= 160 else f"{text[:157]}..."
    return f"``{text.replace('|', '/').replace('`', '')}``"


if __name__ == "__main__":
    main()
