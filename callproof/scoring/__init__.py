"""From an answer and its gold to an outcome, and from outcomes to figures with intervals."""

from .answer import Answer, in_time, relieved
from .differences import Difference, differences
from .estimates import Estimate, proportion, slices, summarise
from .intervals import SEED, Array, resampled_sums, t_quantile
from .match import argument_names, match, pair_differences
from .metrics import METRICS
from .outcomes import (
    DIFFERENCES,
    LABELS,
    SCORER_VERSION,
    Channel,
    MatchProfile,
    Outcome,
    OutcomeLabel,
    judge,
    pair_calls,
)
from .spread import LEVEL, Spread, distance, evidence_of
from .tally import Countable, Tally, TallyCounter

__all__ = [
    "DIFFERENCES",
    "LABELS",
    "LEVEL",
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
    "Spread",
    "Tally",
    "TallyCounter",
    "argument_names",
    "differences",
    "distance",
    "evidence_of",
    "in_time",
    "judge",
    "match",
    "pair_calls",
    "pair_differences",
    "proportion",
    "relieved",
    "resampled_sums",
    "slices",
    "summarise",
    "t_quantile",
]
