import random
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from callproof.calls import ToolCall, render
from callproof.scoring import METRICS, Answer, Difference, Estimate, Outcome, Tally, differences, judge
from callproof.scoring import slices as slices_of
from callproof.scoring import summarise as summarise_tally
from callproof.scoring.metrics import Metric
from callproof.turns import GoldCall, Turn, catalog_of

TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("a", "b", "c"))
OTHER = "<tool_call>{</tool_call>"


def outcome(session: int, turn: int, gold: str, predicted: str | None, tags: tuple[str, ...] = ()) -> Outcome:
    """A judged turn; calls are written as letters, `x` is an unknown tool, `!` a malformed call,
    `0` an empty answer, None no answer; without a call there is text."""
    asked = Turn(
        turn_id=f"{session}/{turn}",
        session_id=str(session),
        position=turn,
        messages=(),
        tools=TOOLS,
        gold=tuple(GoldCall(name=letter, arguments={"v": 1}) for letter in gold),
        tags=tags,
    )
    blocks = [OTHER if letter == "!" else _block(letter) for letter in (predicted or "").replace("0", "")]
    text = "" if predicted == "0" else "".join(blocks) or "Hello."
    answer = Answer(text=text, error="gone" if predicted is None else None)
    return judge(asked, answer, "m", catalog_of(asked))


def _block(letter: str) -> str:
    """An upper-case letter calls the tool with a wrong argument."""
    return render([ToolCall(name=letter.lower(), arguments={"v": 2 if letter.isupper() else 1})])


def summarise(outcomes: list[Outcome]) -> dict[str, Estimate]:
    return summarise_tally(Tally.of(outcomes))


def difference(candidate: list[Outcome], baseline: list[Outcome], metric: str) -> Difference:
    return differences(Tally.of(candidate), Tally.of(baseline))[metric]


def values(*turns: tuple[str, str | None]) -> dict[str, float | None]:
    found = [outcome(session, 0, gold, predicted) for session, (gold, predicted) in enumerate(turns)]
    return {name: estimate.value for name, estimate in summarise(found).items()}


def test_every_metric_of_the_contract_is_there() -> None:
    expected = (
        "name_precision name_recall name_f1 decision_f1 parse_rate schema_valid arg_exact arg_exact_given_name arg_f1"
    )
    expected += " turn_exact hallucination_rate unknown_tool_rate false_abstention infra_error_rate"
    assert set(expected.split()) <= set(METRICS)


def test_metrics_of_a_small_run_by_hand() -> None:
    found = values(
        ("ab", "aB"),  # one exact, one wrong argument
        ("a", "ac"),  # an extra call
        ("a", "!"),  # malformed
        ("a", ""),  # missed
        ("a", "x"),  # unknown tool
        ("", ""),  # rightly none
        ("", "!"),  # hallucinated, malformed
        ("", "bb"),  # hallucinated twice
    )
    names = {"predicted": 2 + 2 + 1 + 2, "gold": 2 + 1 + 1 + 1 + 1, "both": 3}
    expected: dict[str, float] = {
        "turn_exact": 1 / 8,
        "name_precision": 3 / 7,
        "name_recall": 3 / 6,
        "name_f1": 2 * names["both"] / (names["predicted"] + names["gold"]),
        "decision_precision": 4 / 6,
        "decision_recall": 4 / 5,
        "decision_f1": 2 * 4 / (6 + 5),
        "parse_rate": 7 / 9,
        "schema_valid": 1.0,
        "arg_exact": 2 / 6,
        "arg_exact_given_name": 2 / 3,
        "arg_f1": 2 * 2 / (3 + 3),
        "hallucination_rate": 2 / 3,
        "unknown_tool_rate": 1 / 7,
        "false_abstention": 1 / 5,
        "infra_error_rate": 0.0,
        "name_f1_macro": (2 * 2 / (2 + 5) + 2 * 1 / (3 + 1)) / 2,
        "arg_exact_macro": (2 / 5 + 0 / 1) / 2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_turns_without_answer_lower_the_headline_and_recall_but_prove_no_abstention() -> None:
    found = values(("a", None), ("", None), ("a", "a"), ("", ""))
    assert found["turn_exact"] == 0.5
    assert found["infra_error_rate"] == 0.5
    assert found["name_recall"] == found["decision_recall"] == found["arg_exact"] == 0.5
    assert found["name_precision"] == 1.0
    assert found["hallucination_rate"] == found["false_abstention"] == 0.0
    assert summarise([outcome(0, 0, "", None), outcome(1, 0, "", "")])["hallucination_rate"].n == 1


def test_an_empty_answer_is_no_correct_abstention_and_has_a_rate_of_its_own() -> None:
    found = values(("", "0"), ("", ""), ("a", "0"), ("a", "a"))
    assert found["empty_rate"] == 0.5
    assert found["turn_exact"] == 0.5
    assert found["hallucination_rate"] == 0.0
    assert found["false_abstention"] == 0.5


def test_correct_abstention_is_no_part_of_f1() -> None:
    assert (
        values(("a", "a"), ("b", "c"))["name_f1"]
        == values(("a", "a"), ("b", "c"), ("", ""), ("", ""))["name_f1"]
        == 0.5
    )


def test_the_undefined_is_none_and_neither_zero_nor_one() -> None:
    nothing = summarise([])
    assert all((e.value, e.low, e.high, e.n, e.clusters) == (None, None, None, 0, 0) for e in nothing.values())
    quiet = summarise([outcome(0, 0, "", "")])
    assert {name for name, estimate in quiet.items() if estimate.value is not None} == {
        "turn_exact",
        "pass_k",
        "hallucination_rate",
        "infra_error_rate",
        "empty_rate",
        "truncated_rate",
    }
    assert values(("a", ""))["name_f1"] == 0.0
    assert values(("a", ""))["name_precision"] is None


def simulated(seed: int, sessions: int, right: float, correlation: float = 0.3, turns: int = 4) -> list[Outcome]:
    """Turns whose chance to be right varies between sessions (beta distribution of this intra-class correlation)."""
    rng = np.random.default_rng(seed)
    scale = 1 / correlation - 1
    chances = rng.beta(right * scale, (1 - right) * scale, size=sessions)
    kinds = [("a", "a", "B"), ("", "", "b"), ("bc", "cb", "b"), ("c", "c", "")]
    found = []
    for session, chance in enumerate(chances):
        for turn in range(turns):
            gold, good, bad = kinds[turn % len(kinds)]
            found.append(outcome(session, turn, gold, good if rng.random() < chance else bad, tags=(f"t{turn % 2}",)))
    return found


def test_estimates_agree_with_the_definition_and_hold_their_value() -> None:
    found = simulated(1, 40, 0.7)
    for name, estimate in summarise(found).items():
        value, n = by_definition(METRICS[name], found)
        assert estimate.n == n
        if value is None or estimate.value is None or estimate.low is None or estimate.high is None:
            assert estimate.value is value is None
        else:
            assert estimate.value == pytest.approx(value)
            assert 0 <= estimate.low <= value <= estimate.high <= 1
            assert estimate.high - estimate.low > 0


def by_definition(metric: Metric, found: list[Outcome]) -> tuple[float | None, int]:
    """(value, n), added up turn by turn."""

    def added(weights: Mapping[str, int], counts: Iterable[Any]) -> int:
        fields = {**weights, "exact": weights.get("exact", 0) + weights.get("always_exact", 0)}
        return sum(weight * getattr(each, name, 0) for each in counts for name, weight in fields.items())

    whole = [each.counts for each in found]
    of_tool = [[each.per_tool[tool] for each in found if tool in each.per_tool] for tool in "abc"]
    tables = [counts for counts in of_tool if added({"gold_calls": 1}, counts)] if metric.by_tool else [whole]
    ratios = [added(metric.top, each) / bottom for each in tables if (bottom := added(metric.bottom, each))]
    n = added({metric.n_field: 1} if metric.n_field else metric.bottom, whole)
    return sum(ratios) / len(ratios) if ratios else None, n


def test_all_right_of_five_is_not_certainty() -> None:
    estimate = summarise([outcome(session, 0, "a", "a") for session in range(5)])["turn_exact"]
    assert (estimate.value, estimate.high, estimate.n, estimate.clusters) == (1.0, pytest.approx(1.0), 5, 5)
    assert estimate.low is not None
    assert estimate.low < 0.6


def test_many_turns_of_one_session_are_little_evidence() -> None:
    one = summarise([outcome(0, turn, "a", "a") for turn in range(100)])["turn_exact"]
    many = summarise([outcome(turn, 0, "a", "a") for turn in range(100)])["turn_exact"]
    assert one.clusters == 1
    assert one.low is not None
    assert many.low is not None
    assert one.low < 0.3 < 0.9 < many.low


def test_correlated_turns_widen_the_interval() -> None:
    def width(found: list[Outcome]) -> float:
        estimate = summarise(found)["turn_exact"]
        assert estimate.low is not None
        assert estimate.high is not None
        return estimate.high - estimate.low

    together = [outcome(session, turn, "a", "a" if session % 2 else "") for session in range(40) for turn in range(6)]
    spread = [outcome(session, turn, "a", "a" if turn % 2 else "") for session in range(40) for turn in range(6)]
    assert width(together) > 2 * width(spread)


def coverage(right: float) -> float:
    hits = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        chances = rng.beta(right * 3, (1 - right) * 3, size=40)
        sums = [(int(rng.binomial(4, chance)), session) for session, chance in enumerate(chances)]
        found = [outcomes_pool(session, turn, turn < good) for good, session in sums for turn in range(4)]
        estimate = summarise(found)["turn_exact"]
        hits += (estimate.low or 0) <= right <= (estimate.high or 0)
    return hits / 150


_POOL: dict[tuple[int, int, bool], Outcome] = {}


def outcomes_pool(session: int, turn: int, right: bool) -> Outcome:
    key = session, turn, right
    if key not in _POOL:
        _POOL[key] = outcome(session, turn, "a", "a" if right else "")
    return _POOL[key]


@pytest.mark.parametrize("right", [0.5, 0.9])
def test_intervals_cover_the_truth_about_as_often_as_they_say(right: float) -> None:
    assert 0.90 <= coverage(right) <= 0.99


def test_no_limit_of_a_difference_is_beyond_one() -> None:
    right = [outcome(session, 0, "a", "a") for session in range(8)]
    wrong = [outcome(session, 0, "a", "b") for session in range(8)]
    up, down = difference(right, wrong, "turn_exact"), difference(wrong, right, "turn_exact")
    assert (up.value, up.high, up.upper_one_sided) == (1.0, 1.0, 1.0)
    assert (down.value, down.low, down.lower_one_sided) == (-1.0, -1.0, -1.0)


def test_a_run_does_not_differ_from_itself() -> None:
    found = simulated(2, 20, 0.7)
    for name, result in differences(Tally.of(found), Tally.of(found)).items():
        assert (result.value, result.error) in ((0.0, 0.0), (None, None))
        assert (result.discordant, result.discordant_clusters, result.unpaired, result.metric) == (0, 0, 0, name)
        if result.low is not None and result.high is not None:
            assert result.low == -result.high < 0
    assert (difference(found, found, "turn_exact").n, difference(found, found, "turn_exact").clusters) == (80, 20)


def test_a_difference_is_candidate_minus_baseline_with_ordered_limits() -> None:
    better, worse = simulated(3, 60, 0.9), simulated(3, 60, 0.5)
    result = difference(better, worse, "turn_exact")
    limits = [result.low, result.lower_one_sided, result.value, result.upper_one_sided, result.high]
    assert all(left is not None and right is not None and left <= right for left, right in pairwise(limits))
    assert result.low is not None
    assert result.low > 0
    back = difference(worse, better, "turn_exact")
    assert back.value == pytest.approx(-(result.value or 0))
    assert difference(better, worse, "turn_exact") == result


def test_pairing_is_by_turn_whatever_the_order_of_the_lines() -> None:
    one, two = simulated(4, 20, 0.8), simulated(5, 20, 0.8)
    first, second = (difference(*sides, "name_f1").model_dump() for sides in ((one[::-1], two), (one, two[::-1])))
    assert first.pop("metric") == second.pop("metric")
    assert first.pop("clumps") == pytest.approx(second.pop("clumps"))
    assert first == pytest.approx(second)


def test_turns_of_one_side_only_are_left_out_and_counted() -> None:
    one, two = simulated(4, 20, 0.8), simulated(5, 20, 0.8)
    result = difference(one[8:], two[:-4], "turn_exact")
    assert result.n == 80 - 12
    assert result.unpaired == 12
    assert result.value == pytest.approx(difference(one[8:-4], two[8:-4], "turn_exact").value)


def test_repeats_are_averaged_within_the_turn_and_are_no_more_evidence() -> None:
    once = [outcome(session, 0, "a", "a" if session % 3 else "b") for session in range(30)]
    thrice = summarise(once * 3)
    for name, estimate in summarise(once).items():
        assert thrice[name].model_dump() == pytest.approx(estimate.model_dump())
    mixed = summarise([outcome(0, 0, "a", "a"), outcome(0, 0, "a", ""), outcome(1, 0, "a", "a")])
    assert (mixed["turn_exact"].value, mixed["pass_k"].value) == (0.75, 0.5)
    assert (mixed["turn_exact"].n, mixed["turn_exact"].clusters) == (2, 2)


def test_repeats_are_paired_by_turn() -> None:
    steady = [outcome(session, 0, "a", "a") for session in range(20)]
    shaky = [outcome(session, 0, "a", answer) for session in range(20) for answer in ("a", "b")]
    result = difference(shaky, steady, "turn_exact")
    assert (result.value, result.error, result.n) == (-0.5, 0.0, 20)
    # half of each of 20 sessions is lost, and t at 97.5 % with 19 degrees of freedom is 2.0930
    below, above = (2.0930**2 * clump / 20 for clump in ((4 + 20 * 0.25) / 14, (4 - 20 * 0.25) / 14 + 2 * 0.5))
    assert (result.low, result.high) == pytest.approx((-0.5 - below, -0.5 + above), rel=1e-3)


def test_a_difference_of_what_is_undefined_is_none() -> None:
    quiet = [outcome(session, 0, "", "") for session in range(3)]
    loud = [outcome(session, 0, "", "a") for session in range(3)]
    result = difference(quiet, loud, "parse_rate")
    assert (result.value, result.low, result.high, result.lower_one_sided, result.upper_one_sided) == (None,) * 5
    assert result.spread is None
    assert difference([], loud, "turn_exact").value is None


def test_slices_name_what_they_hold() -> None:
    found = slices_of(Tally.of(simulated(6, 12, 0.7, turns=8)))
    assert list(found) == [
        *("tool=a", "tool=b", "tool=c", "gold_calls=0", "gold_calls=1", "gold_calls=2"),
        *("position=0", "position=1", "position=2", "position=3", "position=4", "position=5-8"),
        *("catalog_size=3", "tag=t0", "tag=t1"),
    ]
    assert found["gold_calls=2"]["turn_exact"].n == 24
    assert found["tool=a"]["turn_exact"].n == 24
    assert found["gold_calls=0"]["name_f1"].value in (None, 0.0)
    assert found["tag=t0"]["turn_exact"].n == 48


def test_all_metrics_of_160_sessions_take_less_than_a_second() -> None:
    found, other = simulated(7, 160, 0.8), simulated(8, 160, 0.8)
    started = time.process_time()
    summarise(found)
    differences(Tally.of(found), Tally.of(other))
    assert time.process_time() - started < 1


def test_json_of_a_summary_can_be_read_back() -> None:
    estimate: Any = summarise(simulated(9, 5, 0.5))["turn_exact"]
    assert type(estimate).model_validate_json(estimate.model_dump_json()) == estimate


def test_repeats_that_come_in_another_order_change_no_digit() -> None:
    draw = random.Random(3)
    answers = ["a", "b", "ab", "A", "!", "", "0", None]
    outcomes = [outcome(n % 7, n, draw.choice(["", "a", "ab", "bc"]), None) for n in range(60)]
    repeated = [
        outcome(n % 7, n, "".join(call.name for call in first.gold), draw.choice(answers))
        for n, first in enumerate(outcomes)
        for _ in range(3)
    ]
    figures = summarise(repeated), slices_of(Tally.of(repeated)), differences(Tally.of(repeated), Tally.of(outcomes))
    for _ in range(5):
        draw.shuffle(repeated)
        tally = Tally.of(repeated)
        draw.shuffle(outcomes)
        assert (summarise(repeated), slices_of(tally), differences(tally, Tally.of(outcomes))) == figures
