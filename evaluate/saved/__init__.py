"""Scoring answers that were saved elsewhere, without an endpoint."""

from .gold import BAD_GOLD, gold_problems, unjudged_gold
from .score import score_answers

__all__ = [
    "BAD_GOLD",
    "gold_problems",
    "score_answers",
    "unjudged_gold",
]
