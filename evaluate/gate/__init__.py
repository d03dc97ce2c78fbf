"""May a candidate replace the baseline? Blessed runs, the noise between runs, the comparison and its verdict."""

from .blessed import Blessed, blessed_for
from .early import Part, judge_early, look_of, with_stopping
from .gate import GateResult, judge_pair
from .gate_command import bless, gate, noise, recorded_gate, write_results
from .gate_table import print_flips, print_gate
from .looks import EARLY_LEVEL, looks
from .noise import Noise, noise_of
from .sides import Flip, Side, channel_of, flips, read_side

__all__ = [
    "EARLY_LEVEL",
    "Blessed",
    "Flip",
    "GateResult",
    "Noise",
    "Part",
    "Side",
    "bless",
    "blessed_for",
    "channel_of",
    "flips",
    "gate",
    "judge_early",
    "judge_pair",
    "look_of",
    "looks",
    "noise",
    "noise_of",
    "print_flips",
    "print_gate",
    "read_side",
    "recorded_gate",
    "with_stopping",
    "write_results",
]
