"""When requests of an open loop are due."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.load import Arrival, parse_arrival
from callproof.errors import UserError


def trace(tmp_path: Path, *lines: str) -> str:
    (tmp_path / "trace.jsonl").write_text("\n".join(lines) + "\n")
    return f"trace:{tmp_path / 'trace.jsonl'}"


def test_poisson_gaps_are_exponential_and_keep_the_rate() -> None:
    moments = parse_arrival("poisson").moments(5000, 10.0, seed=1)
    gaps = np.diff([0.0, *moments])
    assert moments[-1] == pytest.approx(500.0)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.06)
    assert np.mean(gaps > 0.1) == pytest.approx(np.exp(-1), abs=0.03)


def test_the_seed_decides_the_moments() -> None:
    arrival = Arrival()
    assert arrival.moments(20, 5.0, seed=3) == arrival.moments(20, 5.0, seed=3)
    assert arrival.moments(20, 5.0, seed=3) != arrival.moments(20, 5.0, seed=4)


def test_constant_arrivals_are_one_gap_apart() -> None:
    moments = parse_arrival("constant").moments(5, 4.0, seed=0)
    assert moments == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_a_burst_comes_at_once_and_the_rate_is_kept_over_bursts() -> None:
    assert parse_arrival("burst:3").moments(7, 6.0, seed=0) == [0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    "lines", [('{"timestamp": 1000}', '{"timestamp": 1500, "input_length": 7}'), ('{"seconds": 2}', '{"seconds": 2.5}')]
)
def test_a_trace_gives_milliseconds_or_seconds_and_begins_at_its_first_line(
    lines: tuple[str, ...], tmp_path: Path
) -> None:
    assert parse_arrival(trace(tmp_path, *lines)).moments(9, None, seed=0) == [0.0, 0.5]


def test_a_trace_is_pressed_to_a_rate(tmp_path: Path) -> None:
    name = trace(tmp_path, *(f'{{"seconds": {at}}}' for at in (0, 1, 5, 6)))
    moments = parse_arrival(name).moments(4, 2.0, seed=0)
    assert moments == pytest.approx([0.0, 0.25, 1.25, 1.5])
    assert [later - earlier for earlier, later in pairwise(moments)] == pytest.approx([0.25, 1.0, 0.25])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"timestamp": 5}', '{"timestamp": 4}'], r"trace.jsonl:2: is earlier than the line above it"),
        (['{"timestamp": true}'], r"trace.jsonl:1: expected `timestamp` \(ms\) or `seconds`, .* got 'True'"),
        (['{"timestamp": NaN}'], r"trace.jsonl:1: expected `timestamp`"),
        (['{"seconds": -1}'], r"trace.jsonl:1: expected"),
        (['{"at": 1}'], r"trace.jsonl:1: expected .* got 'None'"),
        (["[1]"], r"trace.jsonl:1: expected a JSON object"),
        ([""], r"trace.jsonl: holds no moments"),
    ],
)
def test_a_bad_trace_names_its_line(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        parse_arrival(trace(tmp_path, *lines))


@pytest.mark.parametrize("text", ["", "uniform", "burst", "burst:0", "burst:x", "poisson:2", "trace:"])
def test_an_unknown_pattern_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UserError, match="write poisson, constant, burst:N or trace:FILE"):
        parse_arrival(text)


def test_a_trace_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.jsonl: cannot be read"):
        parse_arrival(f"trace:{tmp_path / 'none.jsonl'}")
