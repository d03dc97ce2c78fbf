"""evaluate: ask the turns of an endpoint, judge the answers, and score, report and gate them.

From a notebook: `from evaluate import load_run; load_run("runs/<id>").groupby("model").exact.mean()`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def load_run(path: Path | str) -> "DataFrame":
    """The outcomes of a run as one tidy table; see `evaluate.report.frame.load_run`."""
    from .report import load_run

    return load_run(path)
