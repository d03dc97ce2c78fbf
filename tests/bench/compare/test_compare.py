"""What a comparison refuses, and what it writes."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from saved_benches import Change, at_concurrency, save

from bench.compare.comparison import Comparison, compare, side_of
from bench.compare.text import junit, markdown
from callproof.errors import UserError

HOSTILE = "</script><img src=x onerror=alert(1)> | `x` \u0007"


def compared(folder: Path, scale: float = 1.0, change: Change | None = None, **how: Any) -> Comparison:
    """A bench against one that is slower by `scale` and otherwise as `change` has it."""
    sides = save(folder / "a.json", seed=1), save(folder / "b.json", scale=scale, seed=2, change=change)
    limits = how.pop("limits", {})
    one, two = (side_of(path, None, {}) for path in sides)
    return compare(one, two, limits, **how)


def test_a_bench_of_a_slower_server_is_slower_and_fails_the_gate(tmp_path: Path) -> None:
    comparison = compared(tmp_path, 1.3, limits={"e2e_p95": 1.10})
    assert (comparison.verdict, comparison.gate, comparison.exit_code) == ("slower", "regression", 1)
    assert (comparison.blocks, comparison.requests, comparison.interleaved) == (6, 40, True)


def test_one_limit_that_fails_is_a_regression_whatever_the_others_say(tmp_path: Path) -> None:
    comparison = compared(tmp_path, 1.3, limits={"overall": 2.0, "e2e_p95": 1.10})
    assert [check.status for check in comparison.checks] == ["pass", "fail"]
    assert comparison.gate == "regression"


def test_without_a_gate_a_slower_candidate_is_no_failure(tmp_path: Path) -> None:
    comparison = compared(tmp_path, 1.3)
    assert (comparison.verdict, comparison.gate, comparison.exit_code) == ("slower", None, 0)


def with_key(key: str, value: Any) -> Change:
    return lambda bench: bench.update({key: value})


def with_errors(bench: dict[str, Any]) -> None:
    for sample in bench["levels"][0]["samples"][:3]:
        sample.update(error="HTTP 500", ttft_ms=None, e2e_ms=None)


def busier(bench: dict[str, Any]) -> None:
    for level in bench["levels"]:
        at_concurrency(level, 4)


def cut(bench: dict[str, Any]) -> None:
    bench["levels"] = bench["levels"][:4]


def torn(bench: dict[str, Any]) -> None:
    bench["levels"][2]["partial"] = True


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (with_key("device", "gpu, H100"), "the benches differ in device"),
        (with_key("versions", {"server": "0.33.0"}), "the benches differ in versions"),
        (with_key("parser", {"server": "xlam"}), "the benches differ in parser"),
        (with_key("turns", {"m": "4567"}), "the benches differ in turns: 0123 against 4567"),
        (with_key("sampling", {"temperature": 1.0}), "the benches differ in sampling"),
        (with_key("prefix_cache", "as the server had it"), "the benches differ in prefix_cache"),
        (with_key("loop", "open"), "the benches differ in loop"),
        (with_key("arrival", "constant"), "the benches differ in arrival: None against constant"),
        (with_key("max_in_flight", 4), "the benches differ in max_in_flight"),
        (with_key("mix", {"m": 1.0, "n": 2.0}), "the benches differ in mix"),
        (with_key("seed", 1), "the benches differ in seed"),
        (busier, "the benches differ in load: 1 in flight against 4 in flight"),
        (with_key("partial", True), "candidate: is unfinished"),
        (with_key("turns", {}), "candidate: does not tell which turns it asked"),
        (torn, "candidate: is unfinished"),
        (cut, "candidate: has 4 blocks and needs at least 5"),
        (with_errors, "candidate: 3 of 240 requests failed, above 0.5%"),
    ],
)
def test_what_is_not_comparable_is_invalid(change: Change, problem: str, tmp_path: Path) -> None:
    comparison = compared(tmp_path, change=change, limits={"e2e_p50": 100.0})
    assert (comparison.verdict, comparison.gate, comparison.exit_code) == ("invalid", "invalid", 3)
    assert any(stated.startswith(problem) for stated in comparison.problems)
    assert not comparison.checks


def test_what_the_comparison_is_about_may_differ(tmp_path: Path) -> None:
    change = with_key("versions", {"server": "0.33.0"})
    assert compared(tmp_path, change=change, vary=["versions"]).verdict != "invalid"


def test_blocks_that_were_run_apart_are_compared_with_a_warning(tmp_path: Path) -> None:
    comparison = compared(tmp_path, change=with_key("interleaved", None))
    assert not comparison.interleaved
    assert "did not alternate" in comparison.warnings[0]


def test_metrics_that_point_the_other_way_than_the_whole_are_named(tmp_path: Path) -> None:
    def sooner(bench: dict[str, Any]) -> None:
        for level in bench["levels"]:
            for sample in level["samples"]:
                sample["ttft_ms"] /= 4

    comparison = compared(tmp_path, 1.6, change=sooner)
    ttft = next(ratio for ratio in comparison.ratios if ratio.metric == "ttft_p50")
    assert ttft.verdict == "faster"
    assert any("the other way in" in warning for warning in comparison.warnings) == (comparison.verdict == "slower")


def test_a_cpu_is_called_functional_in_every_output(tmp_path: Path) -> None:
    comparison = compared(tmp_path)
    for text in (comparison.model_dump_json(), markdown(comparison), junit(comparison)):
        assert "functional, not performance" in text


def test_names_cannot_become_markup_in_any_output(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{seed}.json", model=HOSTILE, seed=seed) for seed in (1, 2)]
    sides = [side_of(path, None, {}) for path in paths]
    comparison = compare(sides[0], sides[1], {"e2e_p50": 1.0})
    suite = ElementTree.fromstring(junit(comparison))
    assert int(suite.get("tests", "0")) == len(suite.findall("testcase")) == 1 + 1 + 8
    text = markdown(comparison)
    assert "| `x`" not in text
    assert "<img" not in text.replace("`</script><img", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "holds no bench"),
        ("[]", "holds no bench"),
        ("{}", "holds no bench"),
        ('{"schema_version": 2}', "holds no bench"),
    ],
)
def test_a_file_that_is_no_bench_is_named(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        side_of(path, None, {})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, "x", [], {}, 10**400, True, None])
@pytest.mark.parametrize("key", ["ttft_ms", "started_s", "output_tokens", "error", "model"])
def test_a_hostile_value_in_a_request_is_refused_or_read_never_a_traceback(
    key: str, value: Any, tmp_path: Path
) -> None:
    def spoil(bench: dict[str, Any]) -> None:
        bench["levels"][0]["samples"][0][key] = value

    with suppress(UserError):
        assert json.loads(compared(tmp_path, change=spoil).model_dump_json())


def test_a_bench_of_several_models_or_levels_asks_which_is_meant(tmp_path: Path) -> None:
    def two_levels(bench: dict[str, Any]) -> None:
        at_concurrency(bench["levels"][0], 4)

    path = save(tmp_path / "a.json", change=two_levels)
    with pytest.raises(UserError, match="holds the loads 4 in flight; 1 in flight; choose one by --concurrency N"):
        side_of(path, None, {})
    with pytest.raises(UserError, match="holds the models m, and n is asked for; choose one by --model"):
        side_of(path, "n", {"concurrency": 1})
    with pytest.raises(UserError, match="and concurrency 2 is asked for"):
        side_of(path, "m", {"concurrency": 2})
    assert len(side_of(path, "m", {"concurrency": 1, "rate": None}).blocks) == 5
