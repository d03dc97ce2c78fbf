"""Run folders: writing, finding and reading them."""

from .find import Baseline, choose_model, find_run
from .run import (
    Identifier,
    Identity,
    OutcomeLine,
    OutcomeLog,
    Run,
    RunInfo,
    check_folder_name,
    check_format,
    identify,
    keep_answered,
    now,
    outcome_line,
    read_as,
    read_outcomes,
    text_format,
    write_turns,
)

__all__ = [
    "Baseline",
    "Identifier",
    "Identity",
    "OutcomeLine",
    "OutcomeLog",
    "Run",
    "RunInfo",
    "check_folder_name",
    "check_format",
    "choose_model",
    "find_run",
    "identify",
    "keep_answered",
    "now",
    "outcome_line",
    "read_as",
    "read_outcomes",
    "text_format",
    "write_turns",
]
