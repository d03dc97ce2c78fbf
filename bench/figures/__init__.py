"""Timed replies become latencies, throughput and correct calls per second, which are saved in one form."""

from .quality import quality_against_lowest
from .saved import Amount, Saved, SavedBench, SavedLevel, SavedRequest
from .stats import FURTHER, LATENCIES, PERCENTILES, Sample, figures, judged, level_figures, samples_of

__all__ = [
    "FURTHER",
    "LATENCIES",
    "PERCENTILES",
    "Amount",
    "Sample",
    "Saved",
    "SavedBench",
    "SavedLevel",
    "SavedRequest",
    "figures",
    "judged",
    "level_figures",
    "quality_against_lowest",
    "samples_of",
]
