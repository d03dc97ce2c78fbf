"""JSON read strictly: no duplicate keys, no NaN or Infinity, no endless numbers, nothing nested too deep.

Lone surrogates, which no UTF-8 file can hold, become U+FFFD.
"""

import json
import math
import re
from typing import Any, Literal

from pydantic_core import to_json

MAX_DEPTH = 64
MAX_DIGITS = 4300

MalformedReason = Literal[
    "invalid_json",
    "duplicate_key",
    "not_finite",
    "number_too_long",
    "too_deep",
    "not_an_object",
    "no_name",
    "extra_key",
    "bad_arguments",
    "bad_syntax",
    "trailing_text",
    "truncated",
    "left_in_text",
    "foreign_format",
]

_SPACE = re.compile(r"\s*")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON writes half a surrogate pair, joined or alone."""
_SLACK = 32
_AFTER_BRACE = '"} \t\r\n'  # and nothing, at the end of the text


class RefusedJSON(ValueError):
    """Text that is not accepted, and why. `end`: how far the reading came, where that is known."""

    def __init__(self, reason: MalformedReason, detail: str, end: int = 0) -> None:
        super().__init__(detail)
        self.reason: MalformedReason = reason
        self.end = end


def decode(text: str) -> Any:
    """The value of a whole JSON text, under the rules for calls.

    Raises:
        RefusedJSON: malformed, duplicate key, NaN or Infinity, over-long number, nested too deep.
    """
    start = skip_space(text, 0)
    try:
        value, end = DECODER.raw_decode(text, start)
        value = _checked(value, text, start, end)
    except (ValueError, RecursionError):
        value, end = decode_at(text, start)
    if text[end:].strip():
        raise RefusedJSON("invalid_json", f"text after the value (char {end})", end)
    return value


def decode_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. An error costs no more than the text it saw.

    Raises:
        RefusedJSON: as `decode`; every character from `start` to its `end` belongs to the refused value.
    """
    if text.startswith("{", start) and text[start + 1 : start + 2] not in _AFTER_BRACE:
        raise RefusedJSON("invalid_json", "a key without quotes", start + 1)
    try:
        value, end = _in_windows(DECODER, text, start)
    except RefusedJSON as error:
        if not error.end:
            error.end = _reach(text, start)
        raise
    return _checked(value, text, start, end), end


def skip_space(text: str, position: int) -> int:
    """The first position from `position` on that holds no white space."""
    match = _SPACE.match(text, position)
    return match.end() if match else position


def after_comma(text: str, position: int, closing: str) -> int:
    """Where the next item of a list begins, behind its comma; or the position of the closing mark.

    Raises:
        RefusedJSON: neither stands there.
    """
    position = skip_space(text, position)
    if text.startswith(",", position):
        return skip_space(text, position + 1)
    if text.startswith(closing, position):
        return position
    raise RefusedJSON("bad_syntax", f"expected a comma or {closing}", position)


def writable(text: str) -> str:
    """`text` with surrogate pairs joined and lone surrogates replaced, so that UTF-8 can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def writable_value(value: Any, depth: int = MAX_DEPTH + 1) -> Any:
    """A JSON value with all its strings `writable`.

    Raises:
        RefusedJSON: nested deeper than `depth` lists and objects.
    """
    if not _is_writable(value):
        return _mended(value, depth)
    if depth_is_over(value, depth):
        raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}")
    return value


def _in_windows(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    """Decode within a window, as errors count the lines of all it holds; it grows while its edge may be at fault."""
    size = 64
    while True:
        window = text[start : start + size]
        whole = start + size >= len(text)
        try:
            value, length = decoder.raw_decode(window)
            if whole or length < len(window):
                return value, start + length
        except json.JSONDecodeError as error:
            open_string = error.msg.startswith("Unterminated string")
            if whole or not (open_string or error.pos + _SLACK > len(window)):
                raise RefusedJSON("invalid_json", f"{error.msg} (char {error.pos})", start + error.pos) from None
        except RecursionError:
            raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}", start + 1) from None
        size *= 4


def _reach(text: str, start: int) -> int:
    """Where a value that was refused for what it holds ends."""
    try:
        return _in_windows(_LENIENT, text, start)[1]
    except RefusedJSON as error:
        return error.end


def _is_writable(value: Any) -> bool:
    """Whether UTF-8 can hold a value's strings; what is nested beyond pydantic's depth counts as not."""
    try:
        to_json(value)
    except ValueError:
        return False
    return True


def depth_is_over(value: Any, depth: int) -> bool:
    """Whether a value has more than `depth` lists and objects in each other."""
    level = [value] if isinstance(value, dict | list) else []
    while level and depth > 0:
        depth -= 1
        insides = (item.values() if isinstance(item, dict) else item for item in level)
        level = [inner for inside in insides for inner in inside if isinstance(inner, (dict, list))]
    return bool(level)


def _mended(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else writable(value)
    if isinstance(value, dict | list) and depth <= 0:
        raise RefusedJSON("too_deep", f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_mended(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_mended(key, depth): _mended(item, depth - 1) for key, item in value.items()}
    return value


def _checked(value: Any, text: str, start: int, end: int) -> Any:
    if text.count("{", start, end) + text.count("[", start, end) <= MAX_DEPTH and not _HALF.search(text, start, end):
        return value
    try:
        return writable_value(value, MAX_DEPTH)
    except RefusedJSON as error:
        error.end = end
        raise


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = {key if key.isascii() else writable(key): item for key, item in pairs}
    if len(value) != len(pairs):
        raise RefusedJSON("duplicate_key", "an object has a key twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise RefusedJSON("number_too_long", f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise RefusedJSON("not_finite", f"{digits[:20]} is beyond any float")
    return value


def _constant(name: str) -> Any:
    raise RefusedJSON("not_finite", f"{name} is no JSON")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
_LENIENT = json.JSONDecoder(parse_int=len, parse_float=len)
