"""Uncertainty of metrics whose observations come in clusters: turns of one session resemble each other."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 10_000
SEED = 20_260_105
_CHUNK = 4_000_000


def resampled_sums(sums: Array, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[Array]:
    """Sums over clusters drawn with replacement, as many as there are (cluster bootstrap).

    Args:
        sums: (clusters, columns), what each cluster adds.
        resamples: how many draws.
        seed: of the generator; the same input gives the same output.

    Yields:
        (draws of this chunk, columns), so that memory does not grow with the number of draws. Clusters with equal sums
        are drawn together, which does not change the distribution.
    """
    rows, counts = np.unique(sums, axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(rows.shape))
    for start in range(0, resamples, step):
        draws = generator.multinomial(counts.sum(), counts / counts.sum(), size=min(step, resamples - start))
        yield draws.astype(np.float64) @ rows


def wilson(value: float, effective: float, critical: float) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion.

    Args:
        value: the proportion, in [0, 1].
        effective: how many independent observations it is worth.
        critical: normal or t quantile.

    Returns:
        Lower and upper limit, never of zero width and never outside [0, 1].
    """
    square = critical**2
    middle = (value + square / (2 * effective)) / (1 + square / effective)
    spread = math.sqrt(value * (1 - value) / effective + square / (4 * effective**2))
    half = critical / (1 + square / effective) * spread
    return max(min(middle - half, value), 0.0), min(max(middle + half, value), 1.0)


def t_quantile(level: float, freedom: int) -> float:
    """Student's t quantile: exact for one and two degrees of freedom.

    From three on by the expansion around the normal (Abramowitz and Stegun 26.7.5), good to 1 %.
    """
    if freedom == 1:
        return math.tan(math.pi * (level - 0.5))
    if freedom == 2:
        return (2 * level - 1) / math.sqrt(2 * level * (1 - level))
    z = NormalDist().inv_cdf(level)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
