"""Values that data sets write as text: JSON, or what Python prints in its place."""

from typing import Any

from callproof.calls import RefusedJSON, decode
from callproof.calls.formats import literal_at
from callproof.calls.strict_json import decode_at, skip_space


def loose_value(text: str) -> Any:
    """The value of a whole text of JSON, or of a Python literal (`{'city': 'Bern', 'days': None}`).

    Raises:
        RefusedJSON: it is neither; the reason is the one for JSON.
    """
    try:
        return decode(text)
    except RefusedJSON as error:
        try:
            value, end = literal_at(text, skip_space(text, 0))
        except RefusedJSON:
            raise error from None
        if text[end:].strip():
            raise error from None
        return value


def loose_values(text: str) -> list[Any]:
    """The values of a text, one after another, perhaps with commas between them; of a list, its items.

    Raises:
        RefusedJSON: something else stands in it.
    """
    values: list[Any] = []
    at = skip_space(text, 0)
    while at < len(text):
        value, at = loose_at(text, at)
        values += value if isinstance(value, list) else [value]
        at = skip_space(text, at)
        at = skip_space(text, at + 1) if text.startswith(",", at) else at
    return values


def loose_at(text: str, begin: int) -> tuple[Any, int]:
    """The JSON value or the Python literal that begins at a position, and where it ends.

    Raises:
        RefusedJSON: neither does; the reason is the one for JSON.
    """
    try:
        return decode_at(text, begin)
    except RefusedJSON as error:
        try:
            return literal_at(text, begin)
        except RefusedJSON:
            raise error from None


def as_json(value: Any) -> Any:
    """A value as JSON has it: what JSON has not, such as a time, becomes text, and no number becomes nothing."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, float) and value != value:
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
