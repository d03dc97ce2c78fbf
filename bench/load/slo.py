"""The service level: limits that a request keeps or breaks, as `vllm bench serve --goodput` counts them.

A request keeps it if it was answered and none of its latencies is above its limit; an answer of one token has no TPOT
and keeps that limit. In an open loop TTFT and E2E count from the moment at which the request was due.
"""

import math
from typing import Protocol

from callproof.errors import UserError
from callproof.records import Record

LIMITS = ("ttft", "tpot", "e2e")


class Latencies(Protocol):
    """What a request is held against, in milliseconds; `delay_ms` is how long after its moment it was sent."""

    @property
    def ttft_ms(self) -> float | None: ...
    @property
    def tpot_ms(self) -> float | None: ...
    @property
    def e2e_ms(self) -> float | None: ...
    @property
    def delay_ms(self) -> float: ...


class Slo(Record):
    """Limits in milliseconds; None: no limit."""

    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None

    def kept(self, request: Latencies) -> bool:
        """Whether an answered request keeps every limit."""
        ttft, e2e = request.ttft_ms, request.e2e_ms
        if ttft is None or e2e is None:
            return False
        seen = {"ttft": ttft + request.delay_ms, "tpot": request.tpot_ms or 0.0, "e2e": e2e + request.delay_ms}
        return all(limit is None or seen[name] <= limit for name, limit in self)


def parse_slo(text: str) -> Slo:
    """The limits that `--slo ttft=200,tpot=50,e2e=2000` gives.

    Raises:
        UserError: an unknown name, a name twice, or no positive number.
    """
    limits: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in LIMITS or name in limits or not _positive(value):
            problem = f"expected each of {', '.join(LIMITS)} at most once with milliseconds, got {part.strip()!r}"
            raise UserError(f"--slo {text}", problem, "write it as ttft=200,tpot=50,e2e=2000")
        limits[name] = float(value)
    return Slo(**limits)


def _positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
