"""May a candidate replace the baseline? Blessed runs, the noise between runs, the comparison and its verdict."""

from .blessed import Blessed, blessed_for
from .gate_command import bless, gate, noise
from .gate_table import print_flips
from .sides import Flip, Side, channel_of, flips, read_side

__all__ = [
    "Blessed",
    "Flip",
    "Side",
    "bless",
    "blessed_for",
    "channel_of",
    "flips",
    "gate",
    "noise",
    "print_flips",
    "read_side",
]
