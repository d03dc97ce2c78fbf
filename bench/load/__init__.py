"""Sends the requests of a bench: closed and open loops, arrival patterns, shares of models, service levels."""

from .arrivals import Arrival, parse_arrival
from .loops import Job, Level, make_jobs, run_level, salted, scheduled, warm_up
from .mix import parse_mix
from .slo import Slo, parse_slo

__all__ = [
    "Arrival",
    "Job",
    "Level",
    "Slo",
    "make_jobs",
    "parse_arrival",
    "parse_mix",
    "parse_slo",
    "run_level",
    "salted",
    "scheduled",
    "warm_up",
]
