"""Timed replies become latencies, throughput and correct calls per second, which are saved in one form."""

from .failures import ErrorLimit, Failures, count_failures, parse_error_limit
from .quality import Quality, QualityLimit, quality_against_lowest
from .saved import Amount, Saved, SavedBench, SavedLevel, SavedRequest
from .stats import FEW, FURTHER, LATENCIES, PERCENTILES, Sample, figures, judged, level_figures, samples_of

__all__ = [
    "FEW",
    "FURTHER",
    "LATENCIES",
    "PERCENTILES",
    "Amount",
    "ErrorLimit",
    "Failures",
    "Quality",
    "QualityLimit",
    "Sample",
    "Saved",
    "SavedBench",
    "SavedLevel",
    "SavedRequest",
    "count_failures",
    "figures",
    "judged",
    "level_figures",
    "parse_error_limit",
    "quality_against_lowest",
    "samples_of",
]
