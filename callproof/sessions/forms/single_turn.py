"""One question with its tools, and the right answer: xLAM, When2Call's test, and ms-swift's queries."""

from collections.abc import Iterator
from typing import Any

from ..reading.dialects import listed
from ..reading.refusal import kind, refuse
from .form import Form, Placed, Record, has


def _xlam(record: Record, where: str) -> Iterator[Placed]:
    """A query and the calls that answer it; without any, there is nothing to learn or to judge."""
    yield "query", {"role": "user", "content": _text(record, "query", where)}
    calls = listed(record["answers"], f"{where}: answers")
    if calls:
        yield "answers", {"role": "assistant", "content": "", "tool_calls": calls}


def _when2call_test(record: Record, where: str) -> Iterator[Placed]:
    """A question and, of its answers, the one that is correct."""
    yield "question", {"role": "user", "content": _text(record, "question", where)}
    answers, correct = record["answers"], record["correct_answer"]
    if not isinstance(correct, str) or not isinstance(answers, dict) or not isinstance(answers.get(correct), str):
        refuse(f"{where}: answers", f"expected a text under {correct!r}, the correct answer"[:200])
    yield f"answers.{correct}", {"role": "assistant", "content": answers[correct]}


def _query(record: Record, where: str) -> Iterator[Placed]:
    yield from history(record, where)
    yield "query", {"role": "user", "content": _text(record, "query", where)}
    yield "response", {"role": "assistant", "content": _text(record, "response", where)}


def history(record: Record, where: str) -> Iterator[Placed]:
    """Earlier questions and their answers, written as pairs of texts under `history`.

    Raises:
        UserError: they are none.
    """
    for number, pair in enumerate(listed(record.get("history") or [], f"{where}: history")):
        yield from _pair(pair, f"history.{number}", where)


def _pair(pair: Any, path: str, where: str) -> Iterator[Placed]:
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
        refuse(f"{where}: {path}", "expected a pair of texts, what was asked and what was answered")
    yield f"{path}.0", {"role": "user", "content": pair[0]}
    yield f"{path}.1", {"role": "assistant", "content": pair[1]}


def _text(record: Record, key: str, where: str) -> str:
    if not isinstance(record[key], str):
        refuse(f"{where}: {key}", f"expected text, got {kind(record[key])}")
    return record[key]


FORMS = (
    Form("xlam", "xLAM", ("query", "answers"), has("query", "answers"), _xlam),
    Form("when2call_test", "When2Call's test", ("question", "answers", "correct_answer"),
         has("question", "answers", "correct_answer"), _when2call_test),
    Form("query", "ms-swift query and response", ("query", "response", "history"), has("query", "response"), _query),
)  # fmt: skip
