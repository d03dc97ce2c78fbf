"""Rows of right and of rejected answers to the same prompts, for methods that learn from both (DPO, KTO).

Each row is a prompt and one answer; all assistant turns before it are part of the prompt. What a rejected answer is
compared with is the recorded one, which passes every guard of supervised training (`train.rows.encode`). A rejected
answer that the chat template cannot write, or that is written as the recorded one, is left out, and said.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from callproof.console import say_once
from callproof.turns import Conversation

from .encode import IGNORED, Encoder, Row, learnt_turns
from .template import Unrenderable


class _Judged(NamedTuple):
    """The rows of a turn: the recorded answer, and the rejected ones."""

    recorded: Row
    rejected: list[Row]


def paired_rows(encoder: Encoder, conversation: Conversation) -> list[Row]:
    """The recorded answer and a rejected one in turn, for each rejected answer; none where nothing is rejected.

    Raises:
        Unrenderable: see `Encoder.rows`.
    """
    pairs = [
        (turn.recorded, wrong) for turn in _judged(encoder, conversation, rejected_only=True) for wrong in turn.rejected
    ]
    return [row for pair in pairs for row in pair]


def judged_rows(encoder: Encoder, conversation: Conversation) -> list[Row]:
    """Every recorded answer that is to be learned, once, and every rejected one.

    Raises:
        Unrenderable: see `Encoder.rows`.
    """
    return [row for turn in _judged(encoder, conversation) for row in (turn.recorded, *turn.rejected)]


def prompt_and_answer(row: Row) -> tuple[list[int], list[int]]:
    """The tokens before the answer of a row, and those of it, its end of turn included."""
    start = next(at for at, label in enumerate(row.labels) if label != IGNORED)
    return row.input_ids[:start], [label for label in row.labels if label != IGNORED]


def _judged(encoder: Encoder, conversation: Conversation, rejected_only: bool = False) -> Iterator[_Judged]:
    if conversation.rejected or not rejected_only:
        encoder.rows(conversation)  # the guards of every recorded answer
    for number, index in learnt_turns(conversation):
        if rejected_only and number not in conversation.rejected:
            continue
        recorded = encoder.answer_row(conversation, index, conversation.messages[index])
        yield _Judged(recorded, list(_rejected(encoder, conversation, number, index, recorded)))


def _rejected(encoder: Encoder, conversation: Conversation, number: int, index: int, recorded: Row) -> Iterator[Row]:
    for answer in conversation.rejected.get(number, ()):
        try:
            row = encoder.answer_row(conversation, index, answer)
        except Unrenderable as error:
            say_once(f"a rejected answer is left out: {error.problem}")
            continue
        if row.labels == recorded.labels:
            say_once("a rejected answer is left out: the chat template writes it as the recorded one")
        else:
            yield replace(row, right=False)
