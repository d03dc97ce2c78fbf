"""Training examples made of public data sets on software engineering: SWE-bench, SWE-smith, SWE-Synth."""

from .examples import examples
from .wanted import Wanted, checked_options

__all__ = ["Wanted", "checked_options", "examples"]
