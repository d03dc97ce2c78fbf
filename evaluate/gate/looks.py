"""When a gate may decide before all sessions are asked: seven looks, at each eighth of the sessions, on 99.75 % limits.

A group-sequential rule (Pocock 1977: the same limits at every look; the alpha that it spends early is at most 1.1 %, by
normal increments), whose last step is the fixed gate's own verdict on all sessions, as Haybittle (1971) and Peto (1976)
have it. Chosen by simulation against confidence sequences and other boundaries, see docs/explanation/gate.md.
"""

import math

EARLY_LEVEL = 0.9975
LOOKS = 8


def looks(sessions: int) -> tuple[int, ...]:
    """After how many of the sessions to look: each eighth, rounded up, but the last; each once, and from two on."""
    numbers = {math.ceil(sessions * number / LOOKS) for number in range(1, LOOKS)}
    return tuple(sorted(number for number in numbers if 2 <= number < sessions))
