"""The service level: latency limits that each request meets or misses, as in `vllm bench serve --goodput`.

A request meets the service level if it was answered and no latency is above its limit. An answer of one token has no
TPOT and meets that limit. In an open loop TTFT and E2E count from the time at which the request was due.
"""

import math
from typing import Protocol

from callproof.errors import UserError
from callproof.records import Record

LIMITS = ("ttft", "tpot", "e2e")


class Latencies(Protocol):
    """The latencies of a request in milliseconds; `delay_ms`: how long after its due time it was sent."""

    @property
    def ttft_ms(self) -> float | None: ...
    @property
    def tpot_ms(self) -> float | None: ...
    @property
    def e2e_ms(self) -> float | None: ...
    @property
    def delay_ms(self) -> float: ...


class Slo(Record):
    """The limits in milliseconds; None means no limit."""

    ttft: float | None = None
    tpot: float | None = None
    e2e: float | None = None

    def kept(self, request: Latencies) -> bool:
        """Whether an answered request is within every limit."""
        ttft, e2e = request.ttft_ms, request.e2e_ms
        if ttft is None or e2e is None:
            return False
        seen = {"ttft": ttft + request.delay_ms, "tpot": request.tpot_ms or 0.0, "e2e": e2e + request.delay_ms}
        return all(limit is None or seen[name] <= limit for name, limit in self)


def parse_slo(text: str) -> Slo:
    """The limits of `--slo`, such as `ttft=200,tpot=50,e2e=2000`.

    Raises:
        UserError: a name is unknown or comes twice, or a limit is no positive number.
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
