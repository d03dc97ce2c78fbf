"""Values, n, limits and directions of metrics against figures worked out by hand or by plain sums over turns.

Nothing here reads `METRICS` for what it expects.
"""

import math
from statistics import mean

import pytest

from callproof.calls import ToolCall, render
from callproof.scoring import METRICS, Answer, Outcome, Tally, differences, judge, slices, summarise
from callproof.turns import GoldCall, Turn, catalog_of

TOOLS = tuple({"type": "function", "function": {"name": name}} for name in ("a", "b", "c"))
T975 = {4: 2.7764, 5: 2.5706, 11: 2.2010}
T95 = {5: 2.0150, 11: 1.7959}


def outcome(session: int, turn: int, gold: str, predicted: str | None) -> Outcome:
    """Calls as letters, with an argument: upper case calls with a wrong one; `!` is malformed, None no answer."""
    expected = Turn(
        turn_id=f"{session}/{turn}", session_id=str(session), position=turn, messages=(), tools=TOOLS,
        gold=tuple(GoldCall(name=letter, arguments={"v": 1}) for letter in gold),
    )  # fmt: skip
    blocks = [
        "<tool_call>{</tool_call>" if letter == "!" else
        render([ToolCall(name=letter.lower(), arguments={"v": 2 if letter.isupper() else 1})])
        for letter in predicted or ""
    ]  # fmt: skip
    return judge(
        expected,
        Answer(text="".join(blocks) or "No.", error=None if predicted is not None else "gone"),
        "m",
        catalog_of(expected),
    )


def run(sessions: list[list[tuple[str, str | None]]]) -> Tally:
    """Sessions of (gold, predicted)."""
    return Tally.of(
        outcome(number, turn, *calls) for number, calls_of in enumerate(sessions) for turn, calls in enumerate(calls_of)
    )


MIXED: list[list[tuple[str, str | None]]] = [
    [("ab", "aB"), ("", ""), ("a", "aac")],
    [("a", "!"), ("", "b"), ("c", "")],
    [("a", "x"), ("", "!"), ("b", "b")],
    [("c", "c"), ("", None), ("b", None)],
    [("abc", "a"), ("", "")],
]


def test_n_of_every_metric_is_what_it_counts() -> None:
    counts = {
        # 14 turns; 9 with calls (1 unanswered), 5 without (1 unanswered)
        "turn_exact": 14, "pass_k": 14, "infra_error_rate": 14, "truncated_rate": 14, "empty_rate": 14,
        "hallucination_rate": 4, "false_abstention": 8,
        "decision_precision": 9, "decision_recall": 9, "decision_f1": 9,
        # gold: ab a a c a b c b abc are 12 calls; predicted and parsed: aB aac b x b c a are 10, of them x unknown
        "name_f1": 12, "name_recall": 12, "arg_exact": 12, "name_precision": 10, "unknown_tool_rate": 10,
        "parse_rate": 12, "schema_valid": 9, "unjudged_rate": 9, "unclosed_rate": 12, "decoded_string_rate": 10,
        # pairs of one name: a-a, b-B, a-a, b-b, c-c, a-a, each with one argument
        "arg_exact_given_name": 6, "arg_f1": 6, "arg_precision": 6, "arg_recall": 6,
        "text_beside_rate": 9, "relaxed_rate": 5, "name_f1_macro": 12, "arg_exact_macro": 12,
    }  # fmt: skip
    assert {name: estimate.n for name, estimate in summarise(run(MIXED)).items()} == counts


def test_values_and_sessions_of_the_same_run() -> None:
    estimates = summarise(run(MIXED))
    expected = {
        "turn_exact": (4 / 14, 5), "hallucination_rate": (2 / 4, 4), "false_abstention": (1 / 8, 5),
        "name_f1": (2 * 6 / (10 + 12), 5), "unknown_tool_rate": (1 / 10, 5), "parse_rate": (10 / 12, 5),
        "arg_exact": (5 / 12, 5), "infra_error_rate": (2 / 14, 5), "decision_precision": (7 / 9, 5),
    }  # fmt: skip
    for name, (value, clusters) in expected.items():
        assert estimates[name].value == pytest.approx(value), name
        assert estimates[name].clusters == clusters, name


def test_which_metrics_are_good_when_low() -> None:
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == {
        "hallucination_rate", "unknown_tool_rate", "false_abstention", "infra_error_rate", "truncated_rate",
        "text_beside_rate", "unclosed_rate", "decoded_string_rate", "relaxed_rate", "empty_rate", "unjudged_rate",
    }  # fmt: skip


def test_limits_of_one_model_are_wilsons_with_the_variance_between_sessions() -> None:
    right = [3, 4, 4, 1, 4, 2]
    tally = run([[("a", "a" if turn < good else "b") for turn in range(4)] for good in right])
    value = sum(right) / 24
    deviations = [good - 4 * value for good in right]
    variance = sum(d * d for d in deviations) / 24**2 * 6 / 5
    effective = value * (1 - value) / variance
    assert effective < 24
    t = T975[5]
    middle = (value + t * t / (2 * effective)) / (1 + t * t / effective)
    half = t / (1 + t * t / effective) * math.sqrt(value * (1 - value) / effective + (t / (2 * effective)) ** 2)
    estimate = summarise(tally)["turn_exact"]
    assert (estimate.low, estimate.high) == pytest.approx((middle - half, middle + half), rel=2e-3)


def test_the_limits_of_two_sessions_are_wilsons_too() -> None:
    """Sessions of 4 turns with 4 and 2 right: 6/8, each 1/8 off, so the variance is 2 (1/8)^2 2 = 1/16."""
    estimate = summarise(run([[("a", "a")] * 4, [("a", "a"), ("a", "a"), ("a", "b"), ("a", "b")]]))["turn_exact"]
    effective, t = 0.75 * 0.25 * 16, 4.3027
    middle = (0.75 + t * t / (2 * effective)) / (1 + t * t / effective)
    half = t / (1 + t * t / effective) * math.sqrt(0.75 * 0.25 / effective + (t / (2 * effective)) ** 2)
    assert (estimate.low, estimate.high) == pytest.approx((middle - half, middle + half), rel=1e-4)


def test_where_all_agree_the_sessions_are_the_observations() -> None:
    estimate = summarise(run([[("a", "a")] * 4] * 5))["turn_exact"]
    t = T975[4]
    assert estimate.value == 1
    assert estimate.low == pytest.approx(5 / (5 + t * t), rel=2e-3)


BEFORE = [[("a", "a"), ("", ""), ("bc", "bc")] for _ in range(12)]


def changed() -> list[list[tuple[str, str]]]:
    """Three sessions lose a call, of which one both its calls; one hallucinates."""
    after = [list(session) for session in BEFORE]
    after[0][0] = ("a", "")
    after[1][0] = ("a", "b")
    after[2][2] = ("bc", "bca")
    after[2][0] = ("a", "A")
    after[3][1] = ("", "c")
    return after


def test_limits_of_a_difference_by_plain_sums_over_turns() -> None:
    result = differences(run(changed()), run(BEFORE))["turn_exact"]
    losses = [1, 1, 2, 1, *[0] * 8]
    value = -sum(losses) / 36
    deviations = [-loss / 3 - value for loss in losses]
    error = math.sqrt(sum(d * d for d in deviations) / 11 / 12)
    parts = [loss / 3 for loss in losses]
    squares = sum(part**2 for part in parts)
    losing, gaining = (4 + squares) / (4 + sum(parts)), (4 - squares) / (4 + sum(parts)) - 2 * value
    assert (result.value, result.error) == pytest.approx((value, error))
    assert result.clumps == pytest.approx((losing, gaining))
    assert result.spread == pytest.approx((error, losing, gaining, 12))
    for t, low, high in (
        (T975[11], result.low, result.high),
        (T95[11], result.lower_one_sided, result.upper_one_sided),
    ):
        below, above = (
            t * t * clump / 24 + math.sqrt((t * t * clump / 24) ** 2 + t * t * error**2) for clump in (losing, gaining)
        )
        assert (low, high) == pytest.approx((value - below, value + above), rel=2e-3)
    assert (result.n, result.clusters, result.discordant, result.discordant_clusters) == (36, 12, 5, 4)


def test_evidence_of_a_difference_is_that_of_the_metric() -> None:
    results = differences(run(changed()), run(BEFORE))
    evidence = {
        name: (result.n, result.clusters, result.discordant, result.discordant_clusters)
        for name, result in results.items()
    }
    assert evidence["hallucination_rate"] == (12, 12, 1, 1)
    assert evidence["false_abstention"] == (24, 12, 1, 1)
    # turns with a call on either side: 24, and the one that hallucinates
    assert evidence["name_f1"] == (25, 12, 4, 4)
    assert evidence["arg_exact"] == (24, 12, 3, 3)
    # one attempt less, one more beside a right answer, and one hallucinated
    assert evidence["parse_rate"] == (25, 12, 3, 3)
    assert evidence["infra_error_rate"] == (36, 12, 0, 0)


def test_the_difference_of_an_f1_by_plain_sums_over_turns() -> None:
    result = differences(run(changed()), run(BEFORE))["name_f1"]
    # names in common, predicted, gold of each session; before: 3, 3, 3
    after = [(2, 2, 3), (2, 3, 3), (3, 4, 3), (3, 4, 3), *[(3, 3, 3)] * 8]
    ours = 2 * sum(c for c, _, _ in after) / sum(p + g for _, p, g in after)
    assert result.value == pytest.approx(ours - 1)
    total = sum(p + g for _, p, g in after)
    residuals = [(2 * c - ours * (p + g)) / total for c, p, g in after]
    assert result.error == pytest.approx(math.sqrt(sum(r * r for r in residuals) * 12 / 11))


def test_the_mean_over_tools_weighs_every_tool_alike() -> None:
    tally = run([[("a", "a")] * 8 + [("b", "")] * 2, [("a", "a"), ("b", "b")]])
    assert summarise(tally)["arg_exact_macro"].value == pytest.approx(mean([9 / 9, 1 / 3]))
    tools = slices(tally)
    assert (tools["tool=a"]["arg_exact"].n, tools["tool=b"]["arg_exact"].n) == (9, 3)
    result = differences(tally, run([[("a", "a")] * 8 + [("b", "b")] * 2, [("a", "a"), ("b", "b")]]))
    macro = result["arg_exact_macro"]
    assert (macro.value, macro.n, macro.discordant, macro.discordant_clusters) == (pytest.approx(-1 / 3), 12, 2, 1)


def test_the_mean_over_tools_within_a_slice_counts_its_turns_alone() -> None:
    tally = run([[("ab", "aB"), ("b", "b"), ("a", "")], [("b", "b"), ("c", "c")], [("c", "c")]])
    found = slices(tally)
    # turns with b: `ab` (a right, b wrong) and two of b alone, in sessions 0 and 1
    macro = found["tool=b"]["arg_exact_macro"]
    assert (macro.value, macro.n, macro.clusters) == (pytest.approx(mean([1, 2 / 3])), 4, 2)
    assert found["tool=c"]["arg_exact_macro"].value == 1
    assert summarise(tally)["arg_exact_macro"].clusters == 3


def test_the_difference_of_a_mean_over_one_tool_is_that_of_the_tool() -> None:
    results = differences(run([[("a", "A")], [("a", "a")], [("a", "a")]]), run([[("a", "a")]] * 3))
    macro = results["arg_exact_macro"]
    evidence = (macro.n, macro.clusters, macro.discordant, macro.discordant_clusters)
    assert (macro.value, *evidence) == (pytest.approx(-1 / 3), 3, 3, 1, 1)


def test_the_error_of_a_mean_over_tools_is_that_between_sessions() -> None:
    """Six sessions call a, four of them b too; the first gets a wrong, the second b: 5/6 and 3/4 are right."""
    right = [("a", "a"), ("b", "b")]
    sessions = [[("a", "A"), ("b", "b")], [("a", "a"), ("b", "B")], right, right, [("a", "a")], [("a", "a")]]
    macro = differences(run(sessions), run([right] * 4 + [[("a", "a")]] * 2))["arg_exact_macro"]
    of_a, of_b = [-5 / 6, *[1 / 6] * 5], [1 / 4, -3 / 4, 1 / 4, 1 / 4, 0, 0]
    residuals = [a / (6 * 2) + b / (4 * 2) for a, b in zip(of_a, of_b, strict=True)]
    assert macro.value == pytest.approx((5 / 6 + 3 / 4) / 2 - 1)
    assert macro.error == pytest.approx(math.sqrt(sum(r * r for r in residuals) * 6 / 5))
    assert (macro.n, macro.clusters, macro.discordant) == (10, 6, 2)
    assert summarise(run(sessions))["arg_exact_macro"].clusters == 6


def test_a_metric_is_applicable_where_the_turns_can_give_it_a_value() -> None:
    def not_applicable(turns: list[tuple[str, str | None]]) -> set[str]:
        return {name for name, estimate in summarise(run([turns])).items() if not estimate.applicable}

    assert not_applicable([("a", "a")]) == {"hallucination_rate"}
    quiet = not_applicable([("", "")])
    assert {"name_f1", "arg_exact", "parse_rate", "schema_valid", "false_abstention", "decision_f1"} <= quiet
    assert not quiet & {"turn_exact", "hallucination_rate", "infra_error_rate"}
    assert not_applicable([("a", ""), ("", "")]) == set()
    assert not_applicable([("", None)]) == quiet
    assert "parse_rate" not in not_applicable([("", "a")])
