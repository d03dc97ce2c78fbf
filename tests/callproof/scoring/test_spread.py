"""The score interval against its definition, solved by bisection, and against cases worked out by hand."""

import math

import numpy as np
import pytest

from callproof.scoring import Spread, distance, evidence_of

T95 = {1: 6.3138, 2: 2.9200, 9: 1.8331, 39: 1.6849, 136: 1.6561, 249: 1.6510}
"""Student's t at 95 %, by degrees of freedom, from printed tables."""


def by_bisection(student: float, error: float, clump: float, sessions: int) -> float:
    """The distance at which it is `student` standard errors of a run with that true difference."""
    low, high = 0.0, 1000.0
    for _ in range(200):
        middle = (low + high) / 2
        far = middle**2 > student**2 * (error**2 + middle * clump / sessions)
        low, high = (low, middle) if far else (middle, high)
    return low


@pytest.mark.parametrize("freedom", list(T95))
@pytest.mark.parametrize(("error", "clump"), [(0.0, 1.0), (0.01, 0.3), (0.05, 1.0), (0.1, 0.0)])
def test_the_distance_of_a_limit_is_the_root_of_its_definition(freedom: int, error: float, clump: float) -> None:
    expected = by_bisection(T95[freedom], error, clump, freedom + 1)
    assert distance(error, clump, freedom + 1, 0.95) == pytest.approx(expected, rel=0.002)


def test_one_session_has_one_degree_of_freedom_and_tells_nothing() -> None:
    assert distance(0.0, 1.0, 1, 0.95) == pytest.approx(6.3138**2, rel=1e-4)


def test_without_a_change_the_limits_are_students_t_squared_over_the_sessions() -> None:
    evidence = evidence_of(0.0, np.zeros(137), np.full(137, 1 / 137))
    assert tuple(map(float, evidence)) == pytest.approx((0.0, 1.0, 1.0))
    spread = Spread(0.0, 1.0, 1.0, 137)
    assert spread.below(0.95) == spread.above(0.95) == pytest.approx(1.6561**2 / 137, rel=1e-3)
    assert spread.below(0.975) == pytest.approx(1.9776**2 / 137, rel=1e-3)


def test_evidence_of_four_equal_sessions_by_hand() -> None:
    """Sessions of 5 turns; one loses all, one gains one: changes -1, 0.2, 0, 0 and a mean of -0.2."""
    changes = np.array([-1.0, 0.2, 0.0, 0.0])
    evidence = evidence_of(-0.2, (changes + 0.2) / 4, np.full(4, 0.25))
    # squares of the deviations: 0.64, 0.16, 0.04, 0.04; their sum over 3 is the variance, over 4 that of the mean
    assert float(evidence.error) == pytest.approx(math.sqrt(0.88 / 3 / 4))
    assert float(evidence.losses) == pytest.approx((4.0 + 1.0 - 0.04) / (4.0 + 1.0 + 0.2))
    assert float(evidence.gains) == pytest.approx((4.0 - 1.0 + 0.04) / (4.0 + 1.0 + 0.2) + 2 * 0.2)


def test_gains_of_four_equal_sessions_are_the_mirror_of_losses() -> None:
    """Changes 1, -0.2, 0, 0 and a mean of 0.2: the lower limit is the nearer one to 0, and has twice 0.2 on top."""
    evidence = evidence_of(0.2, (np.array([1.0, -0.2, 0.0, 0.0]) - 0.2) / 4, np.full(4, 0.25))
    assert float(evidence.losses) == pytest.approx((4.0 - 1.0 + 0.04) / (4.0 + 1.0 + 0.2) + 2 * 0.2)
    assert float(evidence.gains) == pytest.approx((4.0 + 1.0 - 0.04) / (4.0 + 1.0 + 0.2))


def test_a_clump_is_never_below_0() -> None:
    """Twenty of a hundred sessions gain all their turns: (4 - 20) / 24 + 2 * 0.2 is below 0."""
    evidence = evidence_of(0.2, (np.array([1.0] * 20 + [0.0] * 80) - 0.2) / 100, np.full(100, 0.01))
    assert float(evidence.losses) == 0.0
    assert float(evidence.gains) == pytest.approx(1.0)
    mirror = evidence_of(-0.2, (0.2 - np.array([1.0] * 20 + [0.0] * 80)) / 100, np.full(100, 0.01))
    assert (float(mirror.losses), float(mirror.gains)) == (pytest.approx(1.0), 0.0)


def test_where_every_session_is_lost_the_upper_limit_is_close_to_wilsons() -> None:
    evidence = evidence_of(-1.0, np.zeros(40), np.full(40, 1 / 40))
    above = Spread(*map(float, evidence), 40).above(0.95)
    wilson = T95[39] ** 2 / (40 + T95[39] ** 2)
    assert wilson < above < 1.3 * wilson


def test_evidence_of_sessions_of_unequal_size_by_hand() -> None:
    """Sessions of 6 and 2 turns, of which the first loses 3: 3 of 8 lost, and a session of mean size has 4."""
    sizes = np.array([0.75, 0.25])
    residuals = np.array([-3.0, 0.0]) / 8 + 3 / 8 * sizes
    evidence = evidence_of(-3 / 8, residuals, sizes)
    assert float(evidence.error) == pytest.approx(math.sqrt(2 * float((residuals**2).sum())))
    whole = 2 * (0.75**2 + 0.25**2)
    assert float(evidence.losses) == pytest.approx((4.0 * whole + 0.75**2) / (4.0 + 0.75))
    assert float(evidence.gains) == pytest.approx((4.0 * whole - 0.75**2) / (4.0 + 0.75) + 2 * 3 / 8)


def test_many_pairs_of_runs_are_taken_at_once() -> None:
    residuals = np.array([[0.1, -0.1], [0.0, 0.0]])
    together = np.array(evidence_of(np.array([0.2, 0.0]), residuals, np.full((2, 2), 0.5)))
    for row in range(2):
        alone = evidence_of([0.2, 0.0][row], residuals[row], np.full(2, 0.5))
        assert together[:, row] == pytest.approx(np.array(alone))


def test_four_times_the_sessions_halve_the_standard_error() -> None:
    assert Spread(0.04, 0.5, 0.2, 25).of(100) == pytest.approx((0.02, 0.5, 0.2, 100))


def test_the_other_direction_exchanges_the_clumps() -> None:
    spread = Spread(0.04, 0.5, 0.2, 25)
    assert spread.turned() == (0.04, 0.2, 0.5, 25)
    assert spread.turned().below(0.95) == spread.above(0.95) < spread.below(0.95)
