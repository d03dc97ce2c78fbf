"""Ratios of blocks, and how often they err."""

import math

import numpy as np
import pytest

from bench.compare import Figures, Ratio, block_figures, ratios
from bench.compare.ratios import Check, check, paired_ratio
from bench.compare.text import cells, check_cells
from bench.figures import SavedRequest
from bench.names import HIGHER_IS_BETTER, MIN_BLOCKS, OVERALL
from benchmarks.compare_power import PAIRS, Scenario, different, shares, verdicts


def side(scale: float, seed: int, blocks: int = 6, noise: float = 0.02) -> list[Figures]:
    """Blocks whose latencies are 100 and rate is 10, slower by `scale`."""
    rng = np.random.default_rng(seed)
    return [
        {name: (10 / scale if better else 100 * scale) * rng.lognormal(0, noise)
         for name, better in HIGHER_IS_BETTER.items()}
        for _ in range(blocks)
    ]  # fmt: skip


def by_name(all_ratios: list[Ratio]) -> dict[str, Ratio]:
    return {ratio.metric: ratio for ratio in all_ratios}


def test_a_candidate_that_takes_a_fifth_longer_is_slower_in_every_metric_and_its_rate_falls() -> None:
    metrics = by_name(ratios(side(1, 1), side(1.2, 2), paired=True))
    assert {ratio.verdict for ratio in metrics.values()} == {"slower"}
    assert metrics["e2e_p95"].ratio == pytest.approx(1.2, rel=0.03)
    assert metrics["req_per_s"].ratio == pytest.approx(1 / 1.2, rel=0.03)
    assert metrics["req_per_s"].slowdown == pytest.approx(1.2, rel=0.03)
    assert metrics[OVERALL].ratio == pytest.approx(1.2, rel=0.02)


def test_swapping_the_sides_turns_the_ratio_and_the_verdict_round() -> None:
    ahead, back = (by_name(ratios(*sides, paired=True)) for sides in ((side(1, 1), side(1.2, 2)),
                                                                      (side(1.2, 2), side(1, 1))))  # fmt: skip
    for name, forward in ahead.items():
        assert forward.ratio is not None
        assert back[name].ratio == pytest.approx(1 / forward.ratio, rel=0.001)
        assert back[name].verdict == "faster"


def test_drift_that_falls_on_both_sides_cancels_in_pairs_and_widens_the_interval_otherwise() -> None:
    drift = np.linspace(1, 3, 6)
    sides = [[{name: value and value * (1 / grow if HIGHER_IS_BETTER[name] else grow) for name, value in one.items()}
              for one, grow in zip(side(scale, seed), drift, strict=True)]
             for scale, seed in ((1.0, 1), (1.2, 2))]  # fmt: skip
    assert by_name(ratios(sides[0], sides[1], paired=True))[OVERALL].verdict == "slower"
    assert by_name(ratios(sides[0], sides[1], paired=False))[OVERALL].verdict == "inconclusive"


def test_a_figure_that_one_block_lacks_is_undefined_and_leaves_the_verdict_to_the_others() -> None:
    candidate = [dict(one) for one in side(1.2, 2)]
    candidate[3]["tpot_p50"] = None
    metrics = by_name(ratios(side(1, 1), candidate, paired=True))
    assert metrics["tpot_p50"].ratio is None
    assert metrics[OVERALL].verdict == "slower"


def test_without_any_figure_nothing_is_concluded() -> None:
    nothing: list[Figures] = [dict.fromkeys(HIGHER_IS_BETTER)] * 6
    assert {ratio.verdict for ratio in ratios(nothing, nothing, paired=True)} == {"inconclusive"}


def test_the_interval_of_six_blocks_is_at_least_as_wide_as_students_t_has_it() -> None:
    before, after = side(1, 1, noise=0.1), side(1, 2, noise=0.1)
    ratio = by_name(ratios(before, after, paired=True))["e2e_p50"]
    logs = [math.log((b["e2e_p50"] or 1) / (a["e2e_p50"] or 1)) for a, b in zip(before, after, strict=True)]
    half = 2.776 * np.std(logs, ddof=1) / math.sqrt(6)
    assert ratio.low is not None
    assert ratio.high is not None
    assert 2 * half <= math.log(ratio.high / ratio.low) + 0.001 <= 2.4 * half


def test_a_gate_passes_fails_or_waits_by_its_bounds() -> None:
    ratio = by_name(ratios(side(1, 1), side(1.2, 2), paired=True))["e2e_p50"]
    wide = by_name(ratios(side(1, 1, noise=0.2), side(1.2, 2, noise=0.2), paired=True))["e2e_p50"]
    assert check(ratio, 1.4, 6).status == "pass"
    assert check(ratio, 1.1, 6).status == "fail"
    waiting = check(wide, 1.2, 6)
    assert waiting.status == "inconclusive"
    assert waiting.blocks_needed is None or waiting.blocks_needed >= MIN_BLOCKS
    assert check(Ratio(metric="ttft_p50"), 2.0, 6).status == "inconclusive"


def test_a_gate_on_the_rate_bounds_how_far_it_may_fall() -> None:
    ratio = by_name(ratios(side(1, 1), side(1.2, 2), paired=True))["req_per_s"]
    assert check(ratio, 1.1, 6).status == "fail"
    assert check(ratio, 1.3, 6).status == "pass"
    assert check(by_name(ratios(side(1.2, 1), side(1, 2), paired=True))["req_per_s"], 1.0, 6).status == "pass"


def test_fewer_blocks_are_asked_for_the_larger_the_difference() -> None:
    needed = [by_name(ratios(side(1, 1, noise=0.1), side(scale, 2, noise=0.1), paired=True))["e2e_p50"].blocks_needed
              for scale in (1.05, 1.5)]  # fmt: skip
    assert needed[0] is not None
    assert needed[1] is not None
    assert needed[0] > needed[1] >= MIN_BLOCKS


def test_failed_requests_have_no_latency_and_no_part_in_the_rate() -> None:
    fine = SavedRequest(model="m", started_s=0, ttft_ms=10, e2e_ms=50, output_tokens=5, error=None)
    failed = SavedRequest(model="m", started_s=0, ttft_ms=None, e2e_ms=None, output_tokens=0, error="HTTP 500")
    metrics = block_figures([fine, fine, failed], 2.0)
    assert (metrics["ttft_p50"], metrics["tpot_p50"], metrics["e2e_p95"], metrics["req_per_s"]) == (10, 10, 50, 1.0)
    assert block_figures([failed], 2.0)["e2e_p50"] is None


def test_of_simulated_noisy_pairs_without_a_difference_one_in_twenty_at_most_is_called_different() -> None:
    ratios_by_pair = verdicts(Scenario(blocks=6, requests=100), slowdown=1.0, count=2 * PAIRS)
    assert different(ratios_by_pair) <= 0.05


def test_a_slowdown_of_a_tenth_is_found_in_four_of_five_simulated_pairs() -> None:
    ratios_by_pair = verdicts(Scenario(blocks=6, requests=100), slowdown=1.1, count=PAIRS, seed=2)
    assert shares(ratios_by_pair, "slower")[OVERALL] >= 0.8
    assert shares(ratios_by_pair, "faster")[OVERALL] == 0


def test_the_limits_of_few_blocks_reach_at_least_as_far_as_students_t() -> None:
    """Six pairs, four degrees of freedom: one goes to the mean and one to drift; t at 97.5 % is 2.7764."""
    pairs = [1.1, 1.3, 1.15, 1.25, 1.2, 1.05]
    logarithms = [math.log(ratio) for ratio in pairs]
    mean = sum(logarithms) / 6
    error = math.sqrt(sum((value - mean) ** 2 for value in logarithms) / 5 / 6)
    middle, low, high = paired_ratio(pairs)
    assert middle == pytest.approx(math.exp(mean), abs=1e-4)
    assert math.log(high) >= mean + 2.77 * error
    assert math.log(low) <= mean - 2.77 * error
    assert math.log(high / low) < 1.5 * 2 * 2.7764 * error


def test_figures_are_shown_with_their_units_and_the_interval_of_their_ratio() -> None:
    latency = Ratio(
        metric="e2e_p95", baseline=123.456, candidate=150.0, ratio=1.21504, low=1.1, high=1.34449, verdict="slower",
        blocks_needed=1234,
    )  # fmt: skip
    row = ["e2e_p95", "123.5 ms", "150 ms", "1.215 [1.100, 1.344]", "slower", "1,234"]
    assert cells(latency) == row
    rate = Ratio(metric="req_per_s", baseline=10.0, candidate=8.0, ratio=0.8, low=0.7, high=0.9)
    assert cells(rate)[:4] == ["req_per_s", "10 /s", "8 /s", "0.800 [0.700, 0.900]"]
    assert cells(Ratio(metric=OVERALL))[1:] == ["", "", "–", "inconclusive", ""]


def test_a_limit_is_shown_with_the_slowdown_and_its_one_sided_limits() -> None:
    limit = Check(
        metric="e2e_p95", limit=1.1, slowdown=1.05, lower=0.9, upper=1.2, status="inconclusive",
        reason="too few blocks to tell", blocks_needed=40,
    )  # fmt: skip
    words = "too few blocks to tell; about 40 blocks would settle it"
    assert check_cells(limit) == ["1.1", "1.050 [0.900, 1.200]", words]
