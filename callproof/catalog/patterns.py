"""Patterns of schemas, searched in bounded time.

Python's `re` backtracks: `^(a+)+$` takes longer than anyone waits on thirty characters, and the text comes from a
model. The engine here is Rust's, as jsonschema-rs ships it: linear in the text, but for look-around and
back-references, which it gives up after a fixed number of steps, so that a result never depends on the machine.
"""

from functools import lru_cache
from typing import Any

import jsonschema_rs
from jsonschema_rs import FancyRegexOptions, ValidationErrorKind, validator_for

from .ecma import BadPattern, translate

MAX_STEPS = 1_000_000
MAX_PATTERN = 20_000
"""Characters of a pattern."""
_ENGINE = FancyRegexOptions(backtrack_limit=MAX_STEPS)


class TooCostly(Exception):
    """The search was given up, or the text is none that can be searched."""


def check(pattern: str) -> None:
    """Raise BadPattern unless `pattern` can be searched."""
    _searcher(pattern)


def search(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`, as ECMA-262 says.

    Raises:
        BadPattern: see `callproof.catalog.ecma`, or the pattern is too large.
        TooCostly: not answered in `MAX_STEPS`, or half a surrogate pair in the text.
    """
    searcher = _searcher(pattern)
    try:
        if searcher.is_valid(text):
            return True
        refusal = next(searcher.iter_errors(text))
    except UnicodeEncodeError:
        raise TooCostly(f"{pattern!r} cannot be searched in half a surrogate pair") from None
    if isinstance(refusal.kind, ValidationErrorKind.BacktrackLimitExceeded):
        raise TooCostly(f"{pattern!r}: gave up after {MAX_STEPS} steps on {len(text)} characters")
    return False


@lru_cache(maxsize=4096)
def _searcher(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(f"{pattern[:60]!r}... has {len(pattern)} characters, more than {MAX_PATTERN}")
    try:
        return validator_for({"pattern": translate(pattern)}, pattern_options=_ENGINE)
    except (jsonschema_rs.ValidationError, UnicodeEncodeError):
        raise BadPattern(f"{pattern!r} cannot be searched in bounded time: too large, or an unknown property") from None
