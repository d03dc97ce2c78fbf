"""Rendered text in ChatML."""

import re
from collections.abc import Iterator
from typing import Any

from ..talk import kind, refuse
from .form import Form, Placed
from .sharegpt import results

_CHATML = re.compile(r"\s*<\|im_start\|>([a-z]+)\n((?:(?!<\|im_start\|>|<\|im_end\|>).)*)<\|im_end\|>", re.DOTALL)


def _rendered(record: dict[str, Any], where: str) -> Iterator[Placed]:
    text = record["text"]
    if not isinstance(text, str):
        refuse(f"{where}: text", f"expected text, got {kind(text)}")
    at = number = 0
    while at < len(text.rstrip()):
        turn = _CHATML.match(text, at)
        if not turn:
            excerpt = text[at : at + 60]
            problem = f"expected a turn in ChatML, <|im_start|>role ... <|im_end|>, at character {at}, got {excerpt!r}"
            refuse(f"{where}: text", problem, "give the messages instead: rendered text of another template is lost")
        at = turn.end()
        yield from ((f"text: turn {number}", message) for message in _turn(turn[1], turn[2], where, number))
        number += 1


def _turn(role: str, content: str, where: str, number: int) -> Iterator[dict[str, Any]]:
    """The messages of one ChatML turn; Qwen's templates write tool results into a turn of the user."""
    if role == "tool" or (role == "user" and content.lstrip().startswith("<tool_response>")):
        yield from results(content, f"{where}: text: turn {number}")
    else:
        yield {"role": role, "content": content}


FORMS = (Form(("text",), (), _rendered),)
