"""`messages` in OpenAI's form."""

from collections.abc import Iterator
from typing import Any

from .form import Form, Placed, listed


def _messages(record: dict[str, Any], where: str) -> Iterator[Placed]:
    for number, message in enumerate(listed(record["messages"], f"{where}: messages")):
        yield f"messages.{number}", message


FORMS = (Form(("messages",), (), _messages),)
