"""How saved answers are read where calls are compared as BFCL does: by which of its handlers, model by model."""

from collections import Counter
from pathlib import Path

from callproof.errors import UserError
from callproof.scoring.bfcl import HANDLERS, STRICT, Choice, HandlerCounter
from callproof.turns import read_turns

from .answers import SavedAnswers

MAX_ANSWERS = 2000


def bfcl_readings(turns_path: Path, answers: SavedAnswers, format: str) -> dict[str, Choice]:
    """By model, how its answers are read; what is derived comes from the first `MAX_ANSWERS` of each.

    Args:
        format: the name of a handler, `STRICT`, or "auto".

    Raises:
        UserError: no such handler; a malformed turn (`path:line`).
    """
    if format not in (known := ("auto", STRICT, *HANDLERS)):
        raise UserError(f"--format {format}", "is not known with --match bfcl", f"choose of: {', '.join(known)}")
    counter = HandlerCounter() if format == "auto" else HandlerCounter([format])
    read: Counter[str] = Counter()
    for turn in read_turns(turns_path):
        for saved in answers.of(turn.turn_id):
            if read[saved.model] < MAX_ANSWERS and (answer := saved.readable()) and answer.error is None:
                read[saved.model] += 1
                counter.add(turn, saved.model, answer.text, answer.tool_calls)
    return counter.choices()
