"""BFCL's world: how it reads answers and compares calls, for verdicts that can stand beside its leaderboard."""

from .checker import accepts, bfcl_differences, match_bfcl
from .choice import STRICT, Choice, HandlerCounter
from .handlers import HANDLERS, BfclReading, read_items

__all__ = [
    "HANDLERS",
    "STRICT",
    "BfclReading",
    "Choice",
    "HandlerCounter",
    "accepts",
    "bfcl_differences",
    "match_bfcl",
    "read_items",
]
