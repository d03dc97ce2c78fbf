"""Shares of the models."""

from collections import Counter
from itertools import pairwise

import pytest

from bench.load import parse_mix
from bench.load.mix import shared_out
from callproof.errors import UserError


def test_weights_become_exact_shares() -> None:
    weights = parse_mix("cars=3,cover=1", ["cars", "cover"])
    assert Counter(shared_out(weights, {"cars": 60, "cover": 60}, seed=0)) == {"cars": 60, "cover": 20}


def test_no_model_is_asked_more_turns_than_it_has() -> None:
    assert Counter(shared_out({"a": 3.0, "b": 1.0}, {"a": 300, "b": 10}, seed=0)) == {"a": 30, "b": 10}


def test_zipf_gives_the_kth_model_one_kth_to_the_power() -> None:
    weights = parse_mix("zipf:1", ["a", "b", "c"])
    assert weights == pytest.approx({"a": 1.0, "b": 1 / 2, "c": 1 / 3})
    assert Counter(shared_out(weights, dict.fromkeys("abc", 60), seed=0)) == {"a": 60, "b": 30, "c": 20}


def test_a_rare_model_is_asked_at_least_once() -> None:
    assert Counter(shared_out({"a": 1000.0, "b": 1.0}, {"a": 50, "b": 50}, seed=0))["b"] == 1


def test_the_order_is_mixed_and_the_seed_decides_it() -> None:
    weights, available = {"a": 1.0, "b": 1.0}, {"a": 50, "b": 50}
    order = shared_out(weights, available, seed=5)
    assert order == shared_out(weights, available, seed=5)
    assert order != shared_out(weights, available, seed=6)
    assert 20 < sum(one != other for one, other in pairwise(order)) < 80


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cars=3", "gives no weight to cover"),
        ("cars=3,cover=1,cars=2", "expected each --model once"),
        ("cars=3,other=1", "expected each --model once .cars, cover., got 'other=1'"),
        ("cars=3,cover=0", "'0' is no weight"),
        ("cars=3,cover=-1", "'-1' is no weight"),
        ("cars=3,cover=nan", "'nan' is no weight"),
        ("cars=3,cover=inf", "'inf' is no weight"),
        ("cars", "expected each --model once"),
        ("zipf:x", "'x' is no weight"),
        ("zipf:", "'' is no weight"),
    ],
)
def test_a_mix_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_mix(text, ["cars", "cover"])
