"""What the table of next trainings shows of a gate's result."""

import json
from pathlib import Path

import pytest

from benchmarks.next_training import check_beside, make_sessions, row, shown
from benchmarks.support.other_trainers import check_programs
from callproof.errors import UserError

BETTER = {"baseline": 0.75, "candidate": 0.8, "gain": 0.05, "lower": 0.01, "upper": 0.09}
COUNTS = {"turns": 40, "discordant": 6, "discordant_sessions": 4}
UNKNOWN = dict.fromkeys(BETTER) | COUNTS


def checks(**of: dict[str, object]) -> list[dict[str, object]]:
    return [{"metric": metric, "slice": None, **figures} for metric, figures in of.items()]


def test_a_row_has_steps_verdict_and_the_checks_over_all_turns(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"steps": 91}))
    of_a_slice = {"metric": "turn_exact", "slice": "typo", **UNKNOWN}
    gate = {"verdict": "pass", "checks": [*checks(turn_exact=BETTER | COUNTS), of_a_slice]}
    figures = row(tmp_path, gate)
    assert figures == {"steps": 91, "verdict": "pass", "turn_exact": BETTER | COUNTS}
    assert shown("cars_more", figures).split("  ")[-1] == "turn_exact 80.0 (+5.0, +1.0 to +9.0)"


def test_a_metric_without_a_value_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"steps": 1}))
    gate = {"verdict": "inconclusive", "checks": checks(hallucination_rate=UNKNOWN)}
    assert "hallucination_rate" not in shown("cars_more", row(tmp_path, gate))


def test_adapters_beside_are_looked_at_before_anything_is_trained(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    with pytest.raises(UserError, match=r"has no manifest\.json"):
        check_beside([tmp_path / "tiny"], set())
    (tmp_path / "tiny" / "manifest.json").write_text("{}")
    check_beside([tmp_path / "tiny"], {"cars"})
    with pytest.raises(UserError, match="'tiny' is served already"):
        check_beside([tmp_path / "tiny"], {"tiny"})


def test_sessions_of_an_earlier_run_must_be_as_many_as_are_wanted(tmp_path: Path) -> None:
    for name in ("dev", "test"):
        (tmp_path / f"{name}.jsonl").write_text("{}\n{}\n")
    make_sessions("car_sales", tmp_path, {"dev": 2, "test": 2})
    with pytest.raises(UserError, match=r"test\.jsonl: holds 2 sessions of an earlier run, not 3"):
        make_sessions("car_sales", tmp_path, {"dev": 2, "test": 3})


def test_another_trainer_that_is_not_there_is_named() -> None:
    check_programs({"llamafactory": None, "axolotl": "ls"})
    with pytest.raises(UserError, match="--axolotl /missing/axolotl: is no program that can be run"):
        check_programs({"llamafactory": None, "axolotl": "/missing/axolotl"})
