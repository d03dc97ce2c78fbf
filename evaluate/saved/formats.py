"""Which format saved answers write their calls in, where nobody says it."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from callproof.calls.formats import FORMATS, ReadCall, Tools
from callproof.turns import catalog_of, read_turns

from .answers import SavedAnswers

SAMPLE = 1000
"""How many answers with text are looked at."""


def detected_format(turns_path: Path, answers: SavedAnswers) -> tuple[str, str]:
    """The format that reads calls of known tools in most of the first SAMPLE answers, and a line that says so.

    Without any call it is `hermes`. Of formats that read equally many, the first of `FORMATS` is taken.

    Raises:
        UserError: a malformed line of the turns file (`path:line`).
    """
    counts: Counter[str] = Counter()
    looked_at = 0
    for text, tools in islice(_texts(turns_path, answers), SAMPLE):
        looked_at += 1
        counts.update(name for name in FORMATS if _reads(name, text, tools))
    best = max(FORMATS, key=lambda name: counts[name]) if counts else "hermes"
    if not counts:
        return best, f"format: {best}, for lack of any call in {looked_at} answers"
    return best, f"format: {best}, which reads calls in {counts[best]} of {looked_at} answers (--format NAME sets it)"


def _reads(name: str, text: str, tools: Tools) -> bool:
    blocks = FORMATS[name].read(text, tools)
    return any(isinstance(item, ReadCall) and item.call.name in tools for block in blocks for item in block.items)


def _texts(turns_path: Path, answers: SavedAnswers) -> Iterator[tuple[str, Tools]]:
    """Each saved answer that holds text, with the tools of its turn."""
    for turn in read_turns(turns_path):
        for saved in answers.of(turn.turn_id):
            if (answer := saved.readable()) and answer.text:
                yield answer.text, catalog_of(turn).parameters
