"""A question or an instruction, and its response."""

from collections.abc import Iterator
from typing import Any

from ..talk import kind, refuse
from .form import Form, Placed


def _instruction(record: dict[str, Any], where: str) -> Iterator[Placed]:
    answer = "response" if "response" in record else "output"
    yield from _question_and_answer(record, where, ("instruction", "context", "input"), answer)


def _question(record: dict[str, Any], where: str) -> Iterator[Placed]:
    yield from _question_and_answer(record, where, ("context", "input"), "response")


def _question_and_answer(record: dict[str, Any], where: str, parts: tuple[str, ...], answer: str) -> Iterator[Placed]:
    """A user message that joins the texts under `parts` with empty lines, then the assistant message under `answer`."""
    texts: list[str] = []
    for key in parts:
        value = record.get(key)
        pieces = value if key == "context" and isinstance(value, list) else [value]
        if not all(isinstance(text, str | None) for text in pieces):
            refuse(f"{where}: {key}", f"expected text{' or a list of texts' * (key == 'context')}, got {kind(value)}")
        texts += [text for text in pieces if text]
    if not texts:
        refuse(f"{where}: {parts[-1]}", "expected text, got nothing")
    yield parts[-1], {"role": "user", "content": "\n\n".join(texts)}
    if not isinstance(record[answer], str) or not record[answer].strip():
        refuse(f"{where}: {answer}", f"expected text that is not empty, got {kind(record[answer])}")
    yield answer, {"role": "assistant", "content": record[answer]}


FORMS = (
    Form(("instruction", "response"), ("input", "context"), _instruction),
    Form(("instruction", "output"), ("input", "context"), _instruction),
    Form(("input", "response"), ("context",), _question),
)
