"""When a session was recorded, as the record itself says it.

A date stands under `timestamp`, `created`, `created_at` or the like, beside the messages, in `metadata`, or in the
bodies of a logged request: as text in ISO 8601, or as seconds since 1970 (or milliseconds, and so on, by its size).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from callproof.console import say_once

DATES = ("timestamp", "created", "created_at", "createdAt", "start_time", "startTime")
_EARLIEST, _LATEST = 10**8, 10**11
"""Seconds since 1970 that are taken for a date: 1973 to 5138."""


def recorded_at(record: Mapping[str, Any]) -> str | None:
    """The date of a record in ISO 8601, with its offset where it has one; None where it has none.

    A value that is no date is not used, which one line on stderr says.
    """
    return first_date([record, record.get("metadata")])


def first_date(places: Iterable[Any]) -> str | None:
    """The first date that stands in one of the objects."""
    for place in places:
        for key in DATES if isinstance(place, dict) else ():
            if place.get(key) not in (None, ""):
                if (moment := _iso(place[key])) is not None:
                    return moment
                say_once(f"a session's {key!r} is used as its date only where it is ISO 8601 or seconds since 1970")
    return None


def is_day(at: str) -> bool:
    """Whether a date in ISO 8601 tells no time."""
    return len(at) <= len("2026-05-04")


def is_iso(at: str) -> bool:
    """Whether a text is a date in ISO 8601, with or without a time, of a year that people live in."""
    try:
        return 1900 <= datetime.fromisoformat(at).year < 9999
    except ValueError:
        return False


def as_text(value: Any) -> Any:
    """A date as tables hold it, in ISO 8601; any other value as it is."""
    return value.isoformat() if isinstance(value, date) else value


def _iso(value: Any) -> str | None:
    value = as_text(value)
    if isinstance(value, str) and re.fullmatch(r"\d{9,}(\.\d+)?", value):
        value = float(value)
    if isinstance(value, str):
        return value if is_iso(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**20:
        return None
    while value >= _LATEST:
        value /= 1000
    if not _EARLIEST <= value < _LATEST:
        return None
    return datetime.fromtimestamp(int(value), UTC).isoformat()
