"""From an answer and its gold to an outcome, and from outcomes to figures with intervals."""

from .answer import Answer
from .intervals import SEED, Array, resampled_sums, t_quantile
from .match import match, pair_differences
from .metrics import METRICS, Difference, Estimate, differences, proportion, slices, summarise
from .outcomes import (
    DIFFERENCES,
    LABELS,
    SCORER_VERSION,
    Channel,
    MatchProfile,
    Outcome,
    OutcomeLabel,
    catalog_of,
    judge,
    pair_calls,
)
from .tally import Countable, Tally, TallyCounter

__all__ = [
    "DIFFERENCES",
    "LABELS",
    "METRICS",
    "SCORER_VERSION",
    "SEED",
    "Answer",
    "Array",
    "Channel",
    "Countable",
    "Difference",
    "Estimate",
    "MatchProfile",
    "Outcome",
    "OutcomeLabel",
    "Tally",
    "TallyCounter",
    "catalog_of",
    "differences",
    "judge",
    "match",
    "pair_calls",
    "pair_differences",
    "proportion",
    "resampled_sums",
    "slices",
    "summarise",
    "t_quantile",
]
