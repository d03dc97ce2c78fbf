"""Training examples made of public data sets on software engineering: SWE-bench, SWE-smith, SWE-Synth."""

from .examples import examples
from .layouts import KEYS
from .wanted import Wanted, checked_options

__all__ = ["KEYS", "Wanted", "checked_options", "examples"]
