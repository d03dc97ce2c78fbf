"""What is measured: every metric by name, as a ratio of two weighted sums of counts.

A ratio is taken over all turns (micro) or averaged over the tools in gold (macro). Undefined is None, never 0 or 1.
See `estimates` for values with intervals, `differences` for the comparison of two models.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """Top over bottom, each a weighted sum of `Counts`; `by_tool`: of `ToolCounts`, averaged over the tools in gold.

    `n_field`: the count that `n` is, where that is not the bottom: of an F1, those in gold.
    """

    name: str
    description: str
    top: Mapping[str, int]
    bottom: Mapping[str, int]
    higher_is_better: bool = True
    by_tool: bool = False
    n_field: str | None = None

    @property
    def n_weights(self) -> Mapping[str, int]:
        """The weighted sum of `Counts` that `n` is: how many turns, calls or arguments the metric rests on."""
        return {self.n_field: 1} if self.n_field else self.bottom

    @property
    def needs(self) -> str:
        """A count that the turns alone decide; where it is 0, good answers leave the metric undefined."""
        return _NEEDS[next(iter(self.n_weights))]


_NEEDS = {
    "turn": "turn",
    "answered_no_call_turn": "no_call_turn",
    **dict.fromkeys(("call_turn", "answered_call_turn", "attempted", "attempts", "parsed", "known"), "call_turn"),
    **dict.fromkeys(("gold_calls", "predicted_calls", "name_matches", "exact_matches"), "gold_calls"),
    **dict.fromkeys(("gold_args", "predicted_args"), "gold_calls"),
}


def _ratio(name: str, top: str, bottom: str, description: str, better: bool = True) -> Metric:
    return Metric(name, description, {top: 1}, {bottom: 1}, better)


def _f1(name: str, both: str, predicted: str, gold: str, description: str, by_tool: bool = False) -> Metric:
    return Metric(name, description, {both: 2}, {predicted: 1, gold: 1}, by_tool=by_tool, n_field=gold)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _ratio("turn_exact", "exact", "turn", "turns answered exactly right, correct abstention included / turns"),
        _ratio("pass_k", "always_exact", "turn", "turns answered exactly right in each of their repeats / turns"),
        _f1("name_f1", "name_matches", "predicted_calls", "gold_calls", "F1 of function names, as multisets a turn"),
        _ratio("name_precision", "name_matches", "predicted_calls", "common names / predicted calls"),
        _ratio("name_recall", "name_matches", "gold_calls", "common names / gold calls"),
        Metric(
            "decision_f1",
            "F1 of attempting where gold has a call",
            {"attempted_call_turn": 2},
            {"attempted": 1, "attempted_either_turn": -1, "call_turn": 1},
            n_field="call_turn",
        ),
        Metric(
            "decision_precision",
            "attempting turns where gold has a call",
            {"attempted_call_turn": 1},
            {"attempted": 1, "attempted_either_turn": -1},
        ),
        _ratio("decision_recall", "attempted_call_turn", "call_turn", "turns with gold calls that attempt one"),
        _ratio("parse_rate", "parsed", "attempts", "parsed blocks / attempted blocks"),
        Metric(
            "schema_valid",
            "schema-valid calls / parsed calls of known tools, but for unjudged ones",
            {"schema_valid": 1},
            {"known": 1, "unjudged": -1},
        ),
        _ratio("arg_exact", "exact_matches", "gold_calls", "gold calls matched exactly / gold calls"),
        _ratio("arg_exact_given_name", "exact_matches", "name_matches", "gold calls matched exactly / name matches"),
        _f1("arg_f1", "matched_args", "predicted_args", "gold_args", "F1 of arguments in calls of one name"),
        _ratio("arg_precision", "matched_args", "predicted_args", "matched / predicted arguments"),
        _ratio("arg_recall", "matched_args", "gold_args", "matched / gold arguments"),
        _ratio(
            "hallucination_rate",
            "attempted_no_call_turn",
            "answered_no_call_turn",
            "answered no-call turns with an attempt, malformed ones included / answered no-call turns",
            better=False,
        ),
        Metric(
            "unknown_tool_rate",
            "parsed calls of tools that are not in the turn's catalog / parsed calls",
            {"parsed": 1, "known": -1},
            {"parsed": 1},
            higher_is_better=False,
        ),
        Metric(
            "false_abstention",
            "answered call turns without an attempt / answered call turns",
            {"answered_call_turn": 1, "attempted_call_turn": -1},
            {"answered_call_turn": 1},
            higher_is_better=False,
        ),
        _ratio("infra_error_rate", "infra", "turn", "turns without answer after retries / turns", better=False),
        _ratio("empty_rate", "empty", "turn", "turns answered with neither text nor a call / turns", better=False),
        _ratio(
            "truncated_rate",
            "truncated",
            "turn",
            "turns cut off in a call, in thinking or before it / turns",
            better=False,
        ),
        _ratio("text_beside_rate", "text_beside", "attempted", "attempts with text beside them", better=False),
        _ratio("unclosed_rate", "unclosed", "attempts", "accepted blocks without end tag / attempts", better=False),
        _ratio("decoded_string_rate", "decoded_strings", "parsed", "calls with arguments as a string", better=False),
        _ratio("unjudged_rate", "unjudged", "known", "calls that no schema could judge / known ones", better=False),
        _ratio("relaxed_rate", "relaxed_matches", "exact_matches", "exact only as `x-match` allows", better=False),
        _f1(
            "name_f1_macro",
            "name_matches",
            "predicted_calls",
            "gold_calls",
            "mean of the name F1 of each tool in gold",
            by_tool=True,
        ),
        Metric(
            "arg_exact_macro",
            "mean over the tools in gold of gold calls matched exactly / gold calls",
            {"exact_matches": 1},
            {"gold_calls": 1},
            by_tool=True,
        ),
    )
}

MICRO = tuple(metric for metric in METRICS.values() if not metric.by_tool)
MACRO = tuple(metric for metric in METRICS.values() if metric.by_tool)
