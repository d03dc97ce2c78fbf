"""May a candidate replace the baseline? Blessed runs, the noise between runs, the comparison and its verdict."""

from .blessed import Blessed, blessed_for
from .gate_command import bless, gate, noise
from .gate_text import percent, points

__all__ = [
    "Blessed",
    "bless",
    "blessed_for",
    "gate",
    "noise",
    "percent",
    "points",
]
