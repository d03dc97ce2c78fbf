"""A run that stops once its verdict is sure: the plan that it was begun with, and the looks that were taken."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Literal

from callproof.records import Positive, Record


class Look(Record):
    """The verdict over the first `sessions` of the order, which hold `turns`; None: not sure yet."""

    sessions: Positive
    turns: Positive
    verdict: Literal["pass", "regression"] | None


class Until(Record):
    """Part of run.json.

    Attributes:
        seed: of the order in which sessions are asked, see `session_order`.
        baseline: run, run id and model that the answers are held against.
        level: of the one-sided limits that a look goes by.
        looks: after how many sessions to look.
        made: the looks so far; the run stops at the first one with a verdict.
    """

    seed: int
    baseline: dict[str, str]
    level: float
    looks: tuple[Positive, ...]
    made: tuple[Look, ...] = ()

    @property
    def stop(self) -> Look | None:
        """The look that was sure."""
        return self.made[-1] if self.made and self.made[-1].verdict else None


def session_order(session_ids: Iterable[str], seed: int) -> list[str]:
    """The distinct ids by the SHA-256 of `<seed>/<id>`: a random order that is the same everywhere."""
    return sorted(set(session_ids), key=lambda name: (sha256(f"{seed}/{name}".encode()).hexdigest(), name))
