"""Runs that other tools made, as turns and saved answers: inspect_ai, lm-eval, BFCL, tau2, promptfoo, OpenTelemetry.

`forms` tells which tool made a file, and each tool has a reader; `record` is what they all read into, `gold` how they
note expected calls, `writer` what comes out.
"""

from .forms import FORMS, find_runs
from .record import Options
from .writer import Written, write_runs

__all__ = ["FORMS", "Options", "Written", "find_runs", "write_runs"]
