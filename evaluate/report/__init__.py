"""The results of a run: tables on stdout, a pandas frame, metrics.json and an HTML page."""

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
