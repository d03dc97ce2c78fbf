"""A question or an instruction, and its response."""

from collections.abc import Iterator

from ..reading.refusal import kind, refuse
from .form import Form, Placed, Record, Shape, has
from .single_turn import history

_PARTS = ("instruction", "context", "input")


def _instruction(record: Record, where: str) -> Iterator[Placed]:
    yield from history(record, where)
    yield from _question_and_answer(record, where, _PARTS)


def _question(record: Record, where: str) -> Iterator[Placed]:
    yield from _question_and_answer(record, where, ("context", "input"))


def _question_and_answer(record: Record, where: str, parts: tuple[str, ...]) -> Iterator[Placed]:
    """A user message, then the assistant's response or output."""
    answer = "response" if record.get("response") is not None else "output"
    yield from asked_in(record, where, parts)
    if not isinstance(record[answer], str) or not record[answer].strip():
        refuse(f"{where}: {answer}", f"expected text that is not empty, got {kind(record[answer])}")
    yield answer, {"role": "assistant", "content": record[answer]}


def asked_in(record: Record, where: str, parts: tuple[str, ...] = _PARTS) -> Iterator[Placed]:
    """A user message that joins the texts under `parts` with empty lines.

    Raises:
        UserError: something else than text, or nothing.
    """
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


def _is_instruction(shape: Shape) -> bool:
    return has("instruction", "response")(shape) or has("instruction", "output")(shape)


def _is_question(shape: Shape) -> bool:
    return has("input", "response")(shape) or has("input", "output")(shape)


FORMS = (
    Form("instruction", "instructions", ("instruction", "input", "context", "output", "response", "history"),
         _is_instruction, _instruction),
    Form("question", "questions", ("input", "context", "response", "output"), _is_question, _question),
)  # fmt: skip
