"""What the table of next trainings shows of a gate's result."""

import json
from pathlib import Path

from benchmarks.next_training import row, shown

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
