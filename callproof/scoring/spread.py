"""How sure a difference of two rates is, from what its sessions show: a score interval, honest where little differs.

At a limit L, the distance |difference - L| is t standard errors of a run whose true difference *is* L. Such a run loses
(or gains) sessions that this one has not seen to change, so its variance is that between sessions plus
|difference - L| * clump / sessions, where the clump says how much of a session goes at a time: 1 where whole sessions
do. With Student's t and k sessions, the distance w of a limit is that of

    w^2 = t^2 * (standard error^2 + w * clump / k)

Where no turn differs the standard error is 0 and w = t^2 / k, close to the "rule of three" (3 / k); a bootstrap says 0
there. Of changes z, each a part of a session of mean size, the clump of the lower limit is the sum of z^2 over losses
less that over gains, divided by the sum of |z|; that of the upper limit likewise, with gains and losses exchanged.
`UNSEEN` whole sessions are counted with them, since a few sessions show little of how losses come. The limit nearer to
0 gets twice the difference on top, since a variance is a mean square less a squared mean; a clump is at least 0. Where
all of many sessions are lost that comes close to Wilson's interval. Chosen by simulation, see docs/explanation/gate.md.
"""

import math
from typing import NamedTuple

import numpy as np

from .intervals import Array, t_quantile

UNSEEN = 4.0
LEVEL = 0.95
"""Of the one-sided limits of a verdict."""
_MOST_SESSIONS = 10**9


class Evidence(NamedTuple):
    """The standard error between sessions, and the clumps of losses and of gains; one number each, or arrays."""

    error: Array
    losses: Array
    gains: Array


def evidence_of(value: Array | float, residuals: Array, sizes: Array) -> Evidence:
    """What S sessions show.

    Args:
        value: (...) the difference.
        residuals: (..., S) by how much each session moves it; they add up to 0.
        sizes: (..., S) the part of all turns that each session holds; above 0, and they add up to 1.
    """
    sessions = residuals.shape[-1]
    variance = np.square(residuals).sum(axis=-1) * sessions / max(sessions - 1, 1)
    mean = np.asarray(value)
    changes = sessions * (residuals + mean[..., None] * sizes)
    unseen = UNSEEN * sessions * np.square(sizes).sum(axis=-1)
    excess = (np.abs(changes) * changes).sum(axis=-1)
    total = UNSEEN + np.abs(changes).sum(axis=-1)
    losses = (unseen - excess) / total + 2 * np.maximum(mean, 0.0)
    gains = (unseen + excess) / total + 2 * np.maximum(-mean, 0.0)
    return Evidence(np.sqrt(variance), np.maximum(losses, 0.0), np.maximum(gains, 0.0))


def distance(error: Array | float, clump: Array | float, sessions: int, level: float) -> Array:
    """How far off the one-sided limit at a level such as 0.95 is; see the module's docstring."""
    student = t_quantile(level, max(sessions - 1, 1))
    unseen = np.asarray(student**2 * clump / sessions)
    return unseen / 2 + np.sqrt(unseen**2 / 4 + np.square(student * error))


class Spread(NamedTuple):
    """Standard error, clumps and number of sessions of one difference."""

    error: float
    losses: float
    gains: float
    sessions: int

    def below(self, level: float) -> float:
        """The distance of the lower one-sided limit at this level."""
        return float(distance(self.error, self.losses, self.sessions, level))

    def above(self, level: float) -> float:
        """The distance of the upper one-sided limit at this level."""
        return float(distance(self.error, self.gains, self.sessions, level))

    def of(self, sessions: int) -> "Spread":
        """The same of another number of sessions like these."""
        return self._replace(error=self.error * math.sqrt(self.sessions / sessions), sessions=sessions)

    def sessions_needed(self, distance: float) -> int | None:
        """How many sessions like these bring a limit of the difference closer than `distance`; None where none do.

        The lower limit, or for a distance below 0 the upper one.
        """
        if distance == 0:
            return None

        def far(sessions: int) -> bool:
            limit = Spread.below if distance > 0 else Spread.above
            return limit(self.of(sessions), LEVEL) >= abs(distance)

        low, high = 0, 1
        while far(high):
            low, high = high, 2 * high
            if high > _MOST_SESSIONS:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if far(middle) else (low, middle)
        return high

    def turned(self) -> "Spread":
        """Of the difference with the other sign."""
        return self._replace(losses=self.gains, gains=self.losses)
