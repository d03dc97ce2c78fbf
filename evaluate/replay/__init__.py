"""Replay: sends turns to endpoints, judges the answers, and writes each outcome as it lands."""

from .channels import Disagreement
from .fleet import Fleet, Rest
from .plan import Key, Plan, Question, plan
from .replay import ask, ask_all, check_presence, run_all
from .umpire import Umpire

__all__ = [
    "Disagreement",
    "Fleet",
    "Key",
    "Plan",
    "Question",
    "Rest",
    "Umpire",
    "ask",
    "ask_all",
    "check_presence",
    "plan",
    "run_all",
]
