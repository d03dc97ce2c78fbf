"""Scoring answers that were saved elsewhere, without an endpoint."""

from .gold import BAD_GOLD, lint_gold
from .score import score_answers

__all__ = [
    "BAD_GOLD",
    "lint_gold",
    "score_answers",
]
