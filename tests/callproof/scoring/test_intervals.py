import numpy as np
import pytest

from callproof.scoring import resampled_sums, t_quantile
from callproof.scoring.intervals import wilson


def test_the_same_input_gives_the_same_draws() -> None:
    sums = np.arange(20, dtype=np.float64).reshape(10, 2)
    first, second = (np.concatenate(list(resampled_sums(sums, 1000))) for _ in range(2))
    assert np.array_equal(first, second)


def test_draws_have_the_bootstraps_mean_and_variance() -> None:
    values = np.array([0.0, 0.0, 0.0, 1.0, 5.0, 5.0, 9.0])[:, None]
    draws = np.concatenate(list(resampled_sums(values, 200_000)))
    assert draws.mean() == pytest.approx(values.sum(), rel=0.01)
    assert draws.var() == pytest.approx(len(values) * values.var(), rel=0.02)


def test_every_draw_takes_as_many_clusters_as_there_are() -> None:
    sums = np.column_stack([np.ones(7), np.array([1.0, 1, 2, 2, 2, 3, 9])])
    assert {float(total) for chunk in resampled_sums(sums, 500) for total in chunk[:, 0]} == {7.0}


def test_a_bootstrap_takes_10_000_draws_unless_told_otherwise() -> None:
    assert sum(map(len, resampled_sums(np.ones((3, 1))))) == 10_000


def test_many_draws_come_in_chunks() -> None:
    sums = np.arange(20_000, dtype=np.float64)[:, None]
    assert [len(chunk) for chunk in resampled_sums(sums, 450)] == [200, 200, 50]


@pytest.mark.parametrize(
    ("value", "n", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (1.0, 5, 0.5655, 1.0), (0.0, 5, 0.0, 0.4345), (0.9, 100, 0.8256, 0.9448)],
)
def test_wilson_agrees_with_published_values(value: float, n: int, low: float, high: float) -> None:
    assert wilson(value, n, 1.959964) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (29, 2.0452), (1000, 1.9623)],
)
def test_t_quantiles_agree_with_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(quantile, rel=0.01)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 6.3138), (2, 2.9200), (4, 2.1318), (29, 1.6991), (1000, 1.6464)])
def test_one_sided_t_quantiles_agree_with_the_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(0.95, freedom) == pytest.approx(quantile, rel=0.003)


@pytest.mark.parametrize(
    ("level", "freedom", "quantile", "error"),
    [
        (0.975, 3, 3.182446, 1.3e-3),
        (0.975, 4, 2.776445, 3.2e-4),
        (0.975, 5, 2.570582, 1.1e-4),
        (0.975, 8, 2.306004, 1.1e-5),
        (0.975, 30, 2.042272, 5e-7),
        (0.95, 3, 2.353363, 4.5e-4),
        (0.95, 5, 2.015048, 4e-5),
        (0.995, 10, 3.169273, 3e-5),
    ],
)
def test_every_term_of_the_expansion_counts(level: float, freedom: int, quantile: float, error: float) -> None:
    assert t_quantile(level, freedom) == pytest.approx(quantile, rel=error)


@pytest.mark.parametrize(
    ("level", "printed", "next_term"),
    [
        (0.75, {3: 0.764892, 4: 0.740697, 6: 0.717558}, 0.03),
        (0.8, {3: 0.978472, 4: 0.940965, 6: 0.905703}, 0.039),
        (0.95, {3: 2.353363, 4: 2.131847, 6: 1.943180}, 0.24),
        (0.975, {3: 3.182446, 4: 2.776445, 6: 2.446912}, 0.88),
    ],
)
def test_what_the_expansion_lacks_falls_with_the_fifth_power_of_the_freedom(
    level: float, printed: dict[int, float], next_term: float
) -> None:
    for freedom, quantile in printed.items():
        lacking = (quantile - t_quantile(level, freedom)) * freedom**5
        assert lacking == pytest.approx(next_term, rel=0.07)
