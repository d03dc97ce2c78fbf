"""What `make demo` says at its end."""

from pathlib import Path

import pytest

from callproof.errors import UserError
from demo import lines_of, run_beside

FIGURES = {
    "tiny": {"turn_exact": 0.306, "name_f1": 0.5, "arg_exact": 0.2, "hallucination_rate": 0.649, "n": 265},
    "car_sales": {"turn_exact": 0.8754, "name_f1": 0.9, "arg_exact": 0.9, "hallucination_rate": 0.027, "n": 265},
    "insurance": {"turn_exact": 0.86, "name_f1": 0.9, "arg_exact": 0.9, "hallucination_rate": None, "n": 265},
}
LATENCY = {"ttft_p50_ms": 82.4, "e2e_p50_ms": 467.0, "req_per_s": 5.8, "correct_per_s": 4.94}


def test_the_demo_ends_with_five_lines_and_the_paths_to_open() -> None:
    summary = {
        "evaluate": {"car_sales": FIGURES, "insurance": FIGURES},
        "gate": {"verdict": "pass"},
        "bench": {"car_sales": LATENCY},
        "seconds": 580.2,
    }
    assert list(lines_of(summary, "tiny", [Path("runs/demo-1/report.html"), Path("runs/demo-bench.json")])) == [
        "",
        "car_sales: 87.5 % of 265 turns exactly right (base 30.6 %), 2.7 % calls where none is due (base 64.9 %)",
        "insurance: 86.0 % of 265 turns exactly right (base 30.6 %), – % calls where none is due (base 64.9 %)",
        "gate: car_sales against the base: pass",
        "bench: car_sales first token 82 ms, answer 467 ms, 4.9 right answers/s",
        "took 9 min 40 s; to look at:",
        "  runs/demo-1/report.html",
        "  runs/demo-bench.json",
    ]


def test_the_demo_on_a_pretrained_base_tells_of_examples_and_checks() -> None:
    summary = {
        "checks": {
            "doctor": {"findings": [{"status": "ok"}] * 8 + [{"status": "unknown"}]},
            "parity": {"equal": 707, "turns": 707},
        },
        "evaluate": {"car_sales": FIGURES},
        "examples": {"turn_exact": 0.25, "n": 265, "over": {"turn_exact": 0.4531, "low": 0.3496, "high": 0.5566}},
        "gate": {"verdict": "pass"},
        "bench": {"car_sales": LATENCY},
        "seconds": 6000,
    }
    assert list(lines_of(summary, "tiny", [Path("runs/r/report.html")]))[2:4] == [
        "the base after 3 examples: 25.0 % of 265 turns exactly right, the adapter +45.3 [35.0, 55.7] points",
        "doctor: 8 of 9 checks ok; parity: 707 of 707 prompts equal",
    ]


def test_a_training_beside_another_says_whose_lines_are_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_beside("one", 1, "train", "--help").startswith("usage: callproof train")
    capfd.readouterr()
    with pytest.raises(UserError, match="`train` ended with exit code 2"):
        run_beside("two", 1, "train", "--config", "missing.yaml")
    assert "two | error: missing.yaml: cannot be read" in capfd.readouterr().err
