"""How often the gate errs, and how often it decides: simulated runs of known effect, judged as the gate judges.

    python benchmarks/gate_power.py                       # prints the tables, some minutes
    python benchmarks/gate_power.py --write docs/explanation/gate.md  # puts them between the markers of that file

Two kinds of runs. Noisy ones (`simulate`): a session has a chance of its own to be answered right (beta distribution
around `accuracy`, intra-session correlation 1/3); each run shifts it by a little of its own (standard deviation 0.15,
the noise between runs). Steady ones (`steady_changes`): the baseline is right wherever noise does not strike, and the
candidate loses turns one by one, or sessions as a whole.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from callproof.errors import UserError, exit_with
from callproof.records import read_text
from callproof.scoring import Array, distance, evidence_of, resampled_sums

CONCENTRATION = 2.0
RUN_SHIFT = 0.15
LEVELS = (0.025, 0.975, 0.05, 0.95)
AA_SETS, POWER_SETS, GRID_SETS, BOOTSTRAP_SETS = 2_000, 400, 2_000, 500
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
    """(limits at `LEVELS`, data sets) of the difference of accuracies, as the gate has them."""
    return limits(*pairs.sums)


def limits(gains: Array, turns: Array) -> Array:
    """(limits at `LEVELS`, data sets) of the mean gain a turn, of (data sets, sessions) sums, each with some turns."""
    total = turns.sum(axis=1)
    value = gains.sum(axis=1) / total
    sizes = turns / total[:, None]
    error, losing, gaining = evidence_of(value, gains / total[:, None] - value[:, None] * sizes, sizes)
    wide, narrow = (
        [distance(error, clump, gains.shape[1], level) for clump in (losing, gaining)] for level in (0.975, 0.95)
    )
    return np.stack([value - wide[0], value + wide[1], value - narrow[0], value + narrow[1]])


def bootstrap_limits(gains: Array, turns: Array, resamples: int = 500) -> Array:
    """The same by percentiles of a bootstrap over sessions, which the gate had before."""
    columns, sets = np.concatenate([gains, turns]).T, len(gains)
    draws = [(sums[:, :sets] / sums[:, sets:]).astype(np.float32) for sums in resampled_sums(columns, resamples)]
    return np.quantile(np.concatenate(draws), LEVELS, axis=0)


@dataclass(frozen=True)
class Rejections:
    """Shares of data sets without true change that a test at nominal 5 % takes for a change."""

    naive: float
    mcnemar: float
    two_sided: float
    worse: float
    better: float


def rejections(scenario: Scenario, sets: int, seed: int = 1) -> Rejections:
    """`worse` and `better`: one-sided limits that exclude 0; the others are two-sided tests."""
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
        two_sided=float(((low > 0) | (high < 0)).mean()),
        worse=float((upper < 0).mean()),
        better=float((lower > 0).mean()),
    )


def decisions(limits: Array, margin: float) -> tuple[float, float]:
    """Shares of data sets on which a check of `margin` passes, and fails; the rest are inconclusive."""
    _, _, lower, upper = limits
    return float((lower > -margin).mean()), float((upper < -margin).mean())


Kind = Literal["spread", "collapse"]


class Cell(NamedTuple):
    """A steady baseline of `sessions` with `turns` each; `noise`: how often a turn of either side goes wrong at random.

    `kind`: losses strike turn by turn, or sessions as a whole.
    """

    margin: float
    kind: Kind
    noise: float
    sessions: int
    turns: int


GRID = [
    cell
    for cell in map(
        Cell._make,
        product(
            (0.02, 0.05),
            ("spread", "collapse"),
            (0.0, 0.03, 0.1),
            (1, 3, 5, 7, 10, 15, 20, 30, 37, 45, 60, 74, 90, 105, 120, 138, 150, 175, 200, 225, 250),
            (1, 2, 3, 5),
        ),
    )
    if cell.turns > 1 or cell.kind == "spread"
]


def steady_changes(cell: Cell, loss: float, sets: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """(data sets, sessions) gains and turns, of a candidate that is worse by `loss` in expectation."""
    shape = sets, cell.sessions
    gained, lost = (rng.binomial(cell.turns, cell.noise, shape) for _ in range(2))
    if cell.kind == "spread":
        lost = lost + rng.binomial(cell.turns, loss, shape)
    else:
        lost = lost + cell.turns * (rng.random(shape) < loss)
    gains = np.clip(gained - lost, -cell.turns, cell.turns).astype(np.float64)
    return gains, np.full(shape, float(cell.turns))


class Errors(NamedTuple):
    """Shares of data sets, by the gate's interval and by the bootstrap's.

    `false_pass`: the candidate is worse by just the margin, and passes. `power`: it is no worse, and passes.
    """

    false_pass: float
    power: float
    bootstrap_false_pass: float
    bootstrap_power: float


def errors_of(cell: Cell, sets: int, bootstrap_sets: int, seed: int = 4) -> Errors:
    rng = np.random.default_rng(seed)
    worse, same = (steady_changes(cell, loss, sets, rng) for loss in (cell.margin, 0.0))
    ours = [decisions(limits(*runs), cell.margin)[0] for runs in (worse, same)]
    fewer = [(gains[:bootstrap_sets], turns[:bootstrap_sets]) for gains, turns in (worse, same)]
    theirs = [decisions(bootstrap_limits(*runs), cell.margin)[0] for runs in fewer]
    return Errors(*ours, *theirs)


def grid_tables(errors: dict[Cell, Errors]) -> Iterator[str]:
    yield "| interval | cells | above 7 % | above 10 % | worst |"
    yield "|---|---|---|---|---|"
    for name, found in (
        ("the gate's", [cell.false_pass for cell in errors.values()]),
        ("bootstrap over sessions", [cell.bootstrap_false_pass for cell in errors.values()]),
    ):
        shares = np.array(found)
        counts = f"{(shares > 0.07).sum()} | {(shares > 0.10).sum()} | {shares.max():.1%}"
        yield f"| {name} | {len(errors)} | {counts} |"
    yield from ("", "Of these, a baseline without noise, losses turn by turn, margin 2 points:", "")
    yield "| sessions x turns | the gate | bootstrap |"
    yield "|---|---|---|"
    for cell, found in errors.items():
        if cell[:3] == (0.02, "spread", 0.0) and (cell.sessions, cell.turns) in _SHOWN:
            shares = f"{found.false_pass:.1%} | {found.bootstrap_false_pass:.1%}"
            yield f"| {cell.sessions} x {cell.turns} | {shares} |"


_SHOWN = {(1, 1), (5, 1), (20, 1), (30, 1), (37, 2), (60, 1), (120, 1), (250, 1)}


def cost_table(errors: dict[Cell, Errors]) -> Iterator[str]:
    """Power of an unchanged candidate, where the bootstrap keeps its level however losses come."""
    yield "| noise | margin | cells | bootstrap | the gate | lost, mean | lost, most |"
    yield "|---|---|---|---|---|---|---|"
    valid = {cell: found for cell, found in errors.items() if cell.sessions >= 30 and _valid(errors, cell)}
    for noise, margin in product((0.0, 0.03, 0.1), (0.02, 0.05)):
        some = [found for cell, found in valid.items() if (cell.noise, cell.margin) == (noise, margin)]
        if some:
            yield f"| {noise:.0%} | {100 * margin:g} | {_cost(some)} |"
    yield f"| all | all | {_cost(list(valid.values()))} |"


def _cost(cells: list[Errors]) -> str:
    old, new = np.array([cell.bootstrap_power for cell in cells]), np.array([cell.power for cell in cells])
    powers = old.mean(), new.mean(), (old - new).mean(), (old - new).max()
    return " | ".join([str(len(cells)), *(f"{power:.1%}" for power in powers)])


def _valid(errors: dict[Cell, Errors], cell: Cell) -> bool:
    kinds = [errors.get(cell._replace(kind=kind)) for kind in ("spread", "collapse")]
    return all(found.bootstrap_false_pass <= 0.07 for found in kinds if found)


def few_sessions_table(sets: int) -> Iterator[str]:
    """How often the two-sided 95 % limits of two equal runs exclude 0."""
    yield "| sessions | the gate | bootstrap |"
    yield "|---|---|---|"
    for sessions in (3, 5, 8, 10, 20, 30, 60, 120, 250):
        runs = simulate(Scenario(sessions, 5, 0.8), sets, 0.0, seed=6).sums
        shares = [
            float(((low > 0) | (high < 0)).mean()) for low, high, _, _ in (limits(*runs), bootstrap_limits(*runs))
        ]
        yield f"| {sessions} | {shares[0]:.1%} | {shares[1]:.1%} |"


GATE_SESSIONS, GATE_CALLS, GATE_QUIET, GATE_MARGIN = 120, 3, 2, 0.05


def whole_gate(call_loss: float, quiet_loss: float, sets: int, seed: int = 5) -> list[float]:
    """Shares of gates that pass: `name_f1`, `hallucination_rate` and `turn_exact` each alone, and all three together.

    The candidate loses so many of the three call turns and of the two no-call turns of each session; noise 3 %.
    """
    rng = np.random.default_rng(seed)
    sizes = (GATE_CALLS, call_loss), (GATE_QUIET, quiet_loss)
    parts = [
        steady_changes(Cell(GATE_MARGIN, "spread", 0.03, GATE_SESSIONS, turns), loss, sets, rng)
        for turns, loss in sizes
    ]
    whole = parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]
    passed = np.array([limits(*runs)[2] > -GATE_MARGIN for runs in (*parts, whole)])
    return [*map(float, passed.mean(axis=1)), float(passed.all(axis=0).mean())]


def whole_gate_table(sets: int) -> Iterator[str]:
    yield "| the candidate is worse by the margin in | `name_f1` | `hallucination_rate` | `turn_exact` | the gate |"
    yield "|---|---|---|---|---|"
    for words, call_loss, quiet_loss in (
        ("nothing", 0.0, 0.0),
        ("calls only", GATE_MARGIN, 0.0),
        ("abstentions only", 0.0, GATE_MARGIN),
        ("everything", GATE_MARGIN, GATE_MARGIN),
    ):
        shares = " | ".join(f"{share:.1%}" for share in whole_gate(call_loss, quiet_loss, sets))
        yield f"| {words} | {shares} |"


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
    yield "| metric | sessions x turns | value | paired z | McNemar | two-sided | gate: worse | gate: better |"
    yield "|---|---|---|---|---|---|---|---|"
    for metric, scenarios in AA_SCENARIOS.items():
        for scenario in scenarios:
            found = rejections(scenario, sets)
            shares = [found.naive, found.mcnemar, found.two_sided, found.worse, found.better]
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
    errors = {cell: errors_of(cell, GRID_SETS, BOOTSTRAP_SETS) for cell in GRID}
    lines = [
        f"False passes of a candidate that is worse by just the margin, {GRID_SETS:,} simulated pairs in each cell",
        f"({BOOTSTRAP_SETS:,} for the bootstrap): margins of 2 and 5 points, 1 to 250 sessions of 1 to 5 turns, losses",
        "turn by turn or by whole sessions, turns of either side wrong at random in 0, 3 or 10 %.",
        "",
        *grid_tables(errors),
        "",
        "What that costs: passes of a candidate that is no worse, 30 sessions and more, over the cells where the",
        "bootstrap's false passes are at most 7 % whether losses come turn by turn or by session:",
        "",
        *cost_table(errors),
        "",
        "Two runs without a true change (accuracy 0.8, 5 turns a session): two-sided 95 % limits exclude 0 in",
        "",
        *few_sessions_table(AA_SETS),
        "",
        f"Passes of the whole gate, {GATE_SESSIONS} sessions of {GATE_CALLS} calls and {GATE_QUIET} abstentions,",
        f"margin {100 * GATE_MARGIN:g} points:",
        "",
        *whole_gate_table(GRID_SETS),
        "",
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
