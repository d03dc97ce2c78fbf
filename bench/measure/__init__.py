"""Runs a bench: which levels it measures, in which order, and when it ends."""

from .bench import Bench, Options, run_until_interrupted
from .blocks import new_mark, run_in_turns
from .options import numbers, read_options, turns_of

__all__ = [
    "Bench",
    "Options",
    "new_mark",
    "numbers",
    "read_options",
    "run_in_turns",
    "run_until_interrupted",
    "turns_of",
]
