"""Failed requests: how many of how many, the commonest reason, and whether that is above a limit."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from callproof.config import GateConfig
from callproof.errors import UserError
from callproof.records import Record

REASON = 200


class ErrorLimit(Record):
    """How many failed requests are borne: a share of all that were sent, or a count."""

    share: float | None = None
    count: int | None = None

    @classmethod
    def of(cls, gate: GateConfig) -> "ErrorLimit":
        """The share of unanswered turns above which a run is invalid, `gate.max_infra_error_rate`."""
        return cls(share=gate.max_infra_error_rate)

    def __str__(self) -> str:
        return f"{self.count}" if self.share is None else f"{100 * self.share:g}%"

    def allows(self, errors: int, requests: int) -> bool:
        """Whether `errors` of `requests` are within the limit."""
        return errors <= (self.count or 0) if self.share is None else errors <= self.share * requests


class Failures(Record):
    """The failed requests of a bench.

    Attributes:
        reason: the commonest one, shortened; None if none is known.
        limit: of `--max-errors`; None without one.
        above: whether there are more of them than the limit allows.
    """

    errors: int
    requests: int
    reason: str | None
    limit: str | None
    above: bool

    @property
    def words(self) -> str:
        """One line, such as `3 of 200 requests failed, above 1%; most often: timed out`."""
        above = f", above {self.limit}" if self.above else ""
        reason = f"; most often: {self.reason}" if self.reason else ""
        return f"{self.errors} of {self.requests} requests failed{above}{reason}"

    def as_json(self) -> dict[str, Any]:
        """The fields, and the line in words."""
        return {**self.model_dump(mode="json"), "words": self.words}


def count_failures(errors: Iterable[str | None], limit: ErrorLimit | None) -> Failures:
    """Count the requests whose error is not None, of all that `errors` has an entry for."""
    reasons = Counter(errors)
    total, failed = reasons.total(), reasons.total() - reasons.pop(None, 0)
    reason = next((_line(str(text)) for text, _ in reasons.most_common(1)), None)
    above = limit is not None and not limit.allows(failed, total)
    return Failures(
        errors=failed, requests=total, reason=reason, limit=None if limit is None else str(limit), above=above
    )


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= REASON else f"{line[:REASON]} ..."


def parse_error_limit(text: str) -> ErrorLimit:
    """The limit of `--max-errors`, such as `1%` or `5`.

    Raises:
        UserError: it is neither a share of 0 % to 100 % nor a count from 0.
    """
    if re.fullmatch(r"[0-9]{1,9}", text):
        return ErrorLimit(count=int(text))
    if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?%", text) and float(text[:-1]) <= 100:
        return ErrorLimit(share=float(text[:-1]) / 100)
    raise UserError(f"--max-errors {text}", "is neither a share nor a count of requests", "write it as 1% or 5")
