"""Showing: the summary of a run as tables, as pandas frame and as one HTML page."""

from .frame import load_run
from .results import publish
from .summary import Summary
from .tables import print_summary

__all__ = [
    "Summary",
    "load_run",
    "print_summary",
    "publish",
]
