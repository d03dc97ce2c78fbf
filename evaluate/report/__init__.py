"""The results of a run: tables on stdout, a pandas frame, metrics.json and an HTML page."""

from .frame import load_run
from .report import Explorer, write_report
from .results import publish
from .summary import HEADLINE, Summary, series, summarise_run
from .tables import print_summary

__all__ = [
    "HEADLINE",
    "Explorer",
    "Summary",
    "load_run",
    "print_summary",
    "publish",
    "series",
    "summarise_run",
    "write_report",
]
