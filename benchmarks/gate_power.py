"""How often the gate errs, and how often it decides: simulated runs of known effect, judged by its own bootstrap.

    python benchmarks/gate_power.py                       # prints the tables
    python benchmarks/gate_power.py --write docs/gate.md  # puts them between the markers of that file

A session has a chance of its own to be answered right (beta distribution around `accuracy`, intra-session correlation
1/3); each run shifts it by a little of its own (standard deviation 0.15, the noise between runs). A run's turns are
drawn with that chance. An effect turns right answers of the candidate wrong, or wrong ones right, at random.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from callproof.errors import UserError, exit_with
from callproof.records import read_text
from callproof.scoring import Array, resampled_sums

CONCENTRATION = 2.0
RUN_SHIFT = 0.15
LEVELS = (0.025, 0.975, 0.05, 0.95)
AA_SETS, POWER_SETS = 2_000, 400
POWER_ACCURACY, POWER_TURNS = 0.85, 5
POWER_SESSIONS = (30, 60, 120, 250, 500, 1000)
MARGINS = (0.02, 0.05, 0.10)
EFFECTS = (0.05, 0.0, -0.02, -0.05, -0.10)
BEGIN, END = "<!-- written by benchmarks/gate_power.py -->", "<!-- end -->"

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Scenario:
    """Runs of `sessions` with `turns` each, of which a share `kept` is counted (at least one a session)."""

    sessions: int
    turns: int
    accuracy: float
    kept: float = 1.0


@dataclass(frozen=True)
class Pairs:
    """`right`: (data sets, candidate and baseline, sessions, turns); `counted`: (data sets, 1, sessions, turns)."""

    right: Bools
    counted: Bools

    @property
    def sums(self) -> tuple[Array, Array]:
        """Of each data set and session: the candidate's right answers less the baseline's, and counted turns."""
        right = (self.right & self.counted).sum(axis=-1).astype(np.float64)
        return right[:, 0] - right[:, 1], self.counted.sum(axis=-1)[:, 0].astype(np.float64)


def simulate(scenario: Scenario, sets: int, effect: float, seed: int) -> Pairs:
    """Pairs of runs whose candidate differs from its baseline by `effect` in expectation."""
    rng = np.random.default_rng(seed)
    mean, shape = scenario.accuracy * CONCENTRATION, (sets, 1, scenario.sessions, 1)
    chances = rng.beta(mean, CONCENTRATION - mean, size=shape)
    chances = np.clip(chances + rng.normal(0, RUN_SHIFT, size=(sets, 2, scenario.sessions, 1)), 0, 1)
    right = rng.random((sets, 2, scenario.sessions, scenario.turns)) < chances
    flipped = rng.random(right[:, 0].shape)
    share = float(chances.mean())
    if effect < 0:
        right[:, 0] &= flipped >= -effect / share
    else:
        right[:, 0] |= flipped < effect / (1 - share)
    counted = rng.random((sets, 1, scenario.sessions, scenario.turns)) < scenario.kept
    counted[..., 0] |= ~counted.any(axis=-1)
    return Pairs(right, counted)


def bounds(pairs: Pairs) -> Array:
    """(limits at `LEVELS`, data sets) of the difference of accuracies, from the gate's cluster bootstrap."""
    gains, turns = pairs.sums
    columns, sets = np.concatenate([gains, turns]).T, len(gains)
    draws = [(sums[:, :sets] / sums[:, sets:]).astype(np.float32) for sums in resampled_sums(columns)]
    return np.quantile(np.concatenate(draws), LEVELS, axis=0)


@dataclass(frozen=True)
class Rejections:
    """Shares of data sets without true change that a test at nominal 5 % takes for a change."""

    naive: float
    mcnemar: float
    clustered: float
    worse: float
    better: float


def rejections(scenario: Scenario, sets: int, seed: int = 1) -> Rejections:
    """`worse` and `better`: one-sided bounds that exclude 0; the others are two-sided tests."""
    pairs = simulate(scenario, sets, 0.0, seed)
    low, high, lower, upper = bounds(pairs)
    gained = (pairs.right[:, 0] & ~pairs.right[:, 1] & pairs.counted[:, 0]).sum(axis=(1, 2))
    lost = (~pairs.right[:, 0] & pairs.right[:, 1] & pairs.counted[:, 0]).sum(axis=(1, 2))
    turns = pairs.counted.sum(axis=(1, 2, 3))
    mean, discordant = (gained - lost) / turns, np.maximum(gained + lost, 1)
    deviation = np.sqrt(np.maximum(discordant / turns - mean**2, 1e-12) / turns)
    chi_square = np.maximum(np.abs(gained - lost) - 1, 0) ** 2 / discordant
    return Rejections(
        naive=float((np.abs(mean) > 1.96 * deviation).mean()),
        mcnemar=float((chi_square > 3.841).mean()),
        clustered=float(((low > 0) | (high < 0)).mean()),
        worse=float((upper < 0).mean()),
        better=float((lower > 0).mean()),
    )


def decisions(limits: Array, margin: float) -> tuple[float, float]:
    """Shares of data sets on which a check of `margin` passes, and fails; the rest are inconclusive."""
    _, _, lower, upper = limits
    return float((lower > -margin).mean()), float((upper < -margin).mean())


AA_SCENARIOS = {
    "turn_exact": (
        Scenario(60, 8, 0.8),
        Scenario(30, 8, 0.8),
        Scenario(30, 5, 0.95),
        Scenario(60, 5, 0.5),
        Scenario(120, 5, 0.9),
        Scenario(300, 4, 0.9),
    ),
    "hallucination_rate": (Scenario(60, 8, 0.9, kept=0.3), Scenario(120, 8, 0.95, kept=0.3)),
}


def aa_table(sets: int) -> Iterator[str]:
    yield "| metric | sessions x turns | value | paired z | McNemar | cluster bootstrap | gate: worse | gate: better |"
    yield "|---|---|---|---|---|---|---|---|"
    for metric, scenarios in AA_SCENARIOS.items():
        for scenario in scenarios:
            errors = rejections(scenario, sets)
            shares = [errors.naive, errors.mcnemar, errors.clustered, errors.worse, errors.better]
            value = scenario.accuracy if scenario.kept == 1 else 1 - scenario.accuracy
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            yield f"| `{metric}` | {scenario.sessions} x {scenario.turns} | {value:.2f} | {cells} |"


def power_tables(sets: int) -> Iterator[str]:
    limits = {
        (sessions, effect): bounds(simulate(_power_scenario(sessions), sets, effect, seed=2))
        for sessions in POWER_SESSIONS
        for effect in EFFECTS
    }
    for margin in MARGINS:
        yield from ("", f"Margin {100 * margin:g} points:", "")
        yield "| sessions | turns | " + " | ".join(f"{100 * effect:+g}" if effect else "0" for effect in EFFECTS) + " |"
        yield "|---|---|" + "---|" * len(EFFECTS)
        for sessions in POWER_SESSIONS:
            cells = [_cell(limits[sessions, effect], margin) for effect in EFFECTS]
            yield f"| {sessions} | {sessions * POWER_TURNS} | " + " | ".join(cells) + " |"


def _power_scenario(sessions: int) -> Scenario:
    return Scenario(sessions, POWER_TURNS, POWER_ACCURACY)


def _cell(limits: Array, margin: float) -> str:
    passed, failed = decisions(limits, margin)
    return f"{100 * passed:.0f} / {100 * failed:.0f}"


def tables() -> str:
    lines = [
        f"Without a true change, of {AA_SETS:,} simulated pairs of runs, a test at nominal 5 % sees one in:",
        "",
        *aa_table(AA_SETS),
        "",
        f"A check passes / fails, in per cent of {POWER_SETS} simulated pairs (the rest is inconclusive), by the true",
        f"change of the candidate in points; accuracy {POWER_ACCURACY}, {POWER_TURNS} turns a session.",
        *power_tables(POWER_SETS),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="F.md", help="replace what stands between the markers there")
    args = parser.parse_args()
    if args.write is None:
        print(tables())
        return 0
    text = read_text(args.write)
    if not (BEGIN in text and END in text):
        raise UserError(args.write, f"expected the lines `{BEGIN}` and `{END}`", "add them")
    new_text = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{tables()}\n{END}", text, flags=re.DOTALL)
    args.write.write_text(new_text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    exit_with(main)
