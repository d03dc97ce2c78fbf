"""Formats of text that schemas assert, the same ones whatever packages are installed.

date, time and date-time (seconds and offset may be left out), email, ipv4, ipv6, uuid, uri. Others are annotations.
"""

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from jsonschema import FormatChecker

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"(\d{2}:\d{2})(?::(\d{2}(?:\.\d+)?))?([zZ]|[+-]\d{2}:\d{2})?", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\\^`{|}<>\"]+")
_DAY = 24 * 60 * 60
_EPOCH = datetime.date(1, 1, 1).toordinal()


class Instant(NamedTuple):
    """A point of time: seconds since the first of January of year 1, or since midnight where there is no date.

    `zoned`: in UTC; otherwise on a clock of an unknown zone. `leap`: the second that a clock shows as 60.
    """

    seconds: Fraction
    zoned: bool
    leap: bool


def instant(text: str, form: str) -> Instant | None:
    """What a text of format `date-time` or `time` means; None if it is not of that format.

    Seconds that are left out are 0. A time of day with an offset is taken to UTC within its day: 00:30+01:00 is
    23:30Z.
    """
    try:
        if form == "time":
            clock = _clock(text)
            return clock and clock._replace(seconds=clock.seconds % _DAY)
        if form != "date-time" or text[10:11] not in ("T", "t", " ") or not _DATE.fullmatch(text[:10]):
            return None
        day = datetime.date.fromisoformat(text[:10]).toordinal() - _EPOCH
        clock = _clock(text[11:])
    except ValueError:
        return None
    return clock and clock._replace(seconds=clock.seconds + day * _DAY)


def _clock(text: str) -> Instant | None:
    """Seconds since midnight, less the offset.

    Raises:
        ValueError: an hour, minute or offset that no clock shows.
    """
    parts = _TIME.fullmatch(text)
    if not parts:
        return None
    second, zone = Fraction(parts[2] or 0), parts[3]
    if second >= 61:
        return None
    leap = second >= 60
    seconds = _minutes(parts[1]) * 60 + second - leap
    if zone and len(zone) > 1:
        seconds -= _minutes(zone[1:]) * (-60 if zone[0] == "-" else 60)
    return Instant(seconds, zone is not None, leap)


def _minutes(text: str) -> int:
    clock = datetime.time.fromisoformat(text)
    return clock.hour * 60 + clock.minute


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text) and datetime.date.fromisoformat(text))


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not any(char.isspace() for char in text)


_CHECKS: dict[str, Callable[[str], object]] = {
    "date": _is_date,
    "time": lambda text: instant(text, "time"),
    "date-time": lambda text: instant(text, "date-time"),
    "email": _is_email,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "uuid": lambda text: len(text) == 36 and bool(uuid.UUID(text)),
    "uri": _SCHEME.fullmatch,
}


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, accepts in _CHECKS.items():
        checker.checks(name, raises=ValueError)(_on_text(accepts))
    return checker


def _on_text(accepts: Callable[[str], object]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or bool(accepts(value))


FORMATS = _format_checker()
