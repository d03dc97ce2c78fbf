"""What a form is: the keys that identify it, and the function that reads its messages."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..talk import kind, refuse

Placed = tuple[str, Any]
"""A message in OpenAI's form, and its path in the record."""


class Form(NamedTuple):
    """A form: the keys that identify it, further keys that it may have, and the function that reads its messages."""

    needs: tuple[str, ...]
    may: tuple[str, ...]
    messages: Callable[[dict[str, Any], str], Iterator[Placed]]


def listed(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        refuse(place, f"expected a list of messages, got {kind(value)}")
    return value
