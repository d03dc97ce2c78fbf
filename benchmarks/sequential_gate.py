"""A gate that stops when it knows against the fixed one: how often each errs, decides, and how many sessions it asks.

    python -m benchmarks.sequential_gate                                 # prints the tables, some minutes
    python -m benchmarks.sequential_gate --write docs/explanation/gate.md  # puts them between the markers of that file

Runs are simulated as in `gate_power`: noisy ones (each session has a chance of its own, each run shifts it), and steady
ones (the baseline is right but for noise at random, losses come turn by turn or by whole sessions). Sessions are
exchangeable there, so that their number is a random order. Both gates see the same runs. Besides the rule that
`--until-decided` has, others are tried: other levels, O'Brien and Fleming's boundary, and a confidence sequence by
betting on session sums (Waudby-Smith and Ramdas 2024) that looks after every session. All end with the fixed gate.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from callproof.evaluate.gate import EARLY_LEVEL, looks
from numpy.typing import NDArray

from benchmarks.gate_power import Cell, Kind, Scenario, simulate, steady_changes
from callproof.errors import UserError, exit_with
from callproof.records import read_text
from callproof.scoring import Array, distance, evidence_of

TYPE_I_SETS, POWER_SETS, CHUNK, MIN_SESSIONS = 4_000, 1_000, 500, 30
CLEAR = 0.999
BEGIN, END = "<!-- written by benchmarks/sequential_gate.py -->", "<!-- end of sequential_gate.py -->"

Signs = NDArray[np.int8]
Runs = tuple[Array, Array]
"""(data sets, sessions): the candidate's right answers less the baseline's, and turns."""


class Design(NamedTuple):
    """What is asked, of how many sessions; `kind` None: noisy runs of accuracy 0.85."""

    kind: Kind | None
    noise: float
    sessions: int
    turns: int
    margin: float

    @property
    def words(self) -> str:
        answers = "noisy" if self.kind is None else f"steady, {self.noise:.0%} noise"
        losses = {None: "turns", "spread": "turns", "collapse": "sessions"}[self.kind]
        return f"{answers} | {losses} | {self.sessions} x {self.turns} | {100 * self.margin:g}"

    def runs(self, effect: float, sets: int, seed: int) -> Iterator[Runs]:
        """Pairs of runs with this true change, in chunks."""
        for number in range(0, sets, CHUNK):
            yield self._runs(effect, min(CHUNK, sets - number), 1_000 * seed + number)

    def _runs(self, effect: float, sets: int, seed: int) -> Runs:
        if self.kind is None:
            return simulate(Scenario(self.sessions, self.turns, 0.85), sets, effect, seed).sums
        cell = Cell(self.margin, self.kind, self.noise, self.sessions, self.turns)
        return steady_changes(cell, -effect, sets, np.random.default_rng(seed))


DESIGNS = [
    *(Design(None, 0.0, *size) for size in (
        (30, 2, 0.1), (60, 2, 0.1), (120, 5, 0.05), (250, 5, 0.05), (500, 5, 0.05), (1000, 5, 0.02),
    )),
    *(Design(kind, noise, *size)
      for noise in (0.0, 0.01, 0.03)
      for kind in ("spread", "collapse")
      for size in ((60, 2, 0.1), (150, 2, 0.05), (400, 2, 0.05), (1000, 2, 0.02))),
]  # fmt: skip


class Verdicts(NamedTuple):
    """(data sets): 1 pass, -1 regression, 0 inconclusive of either gate; sessions asked; whether it stopped early."""

    fixed: Signs
    until: Signs
    sessions: NDArray[np.int64]
    early: NDArray[np.bool_]

    def shares(self, sign: Literal[1, -1]) -> tuple[float, float, float]:
        """Of verdicts of this sign: fixed, until decided, and until decided early."""
        right = self.until == sign
        return float((self.fixed == sign).mean()), float(right.mean()), float((right & self.early).mean())


Looking = Callable[[Runs, float], Iterator[tuple[int, Signs]]]
"""(runs, margin) -> after how many sessions, and what a look says."""


def signs(runs: Runs, margin: float, level: float) -> Signs:
    """What a check says on one-sided limits of this level."""
    gains, turns = runs
    total = turns.sum(axis=1)
    value, sizes = gains.sum(axis=1) / total, turns / total[:, None]
    error, losses, gaining = evidence_of(value, gains / total[:, None] - value[:, None] * sizes, sizes)
    lower = value - distance(error, losses, gains.shape[1], level)
    upper = value + distance(error, gaining, gains.shape[1], level)
    passed = (lower > -margin) & (gains.shape[1] >= MIN_SESSIONS)
    return passed.astype(np.int8) - (upper < -margin).astype(np.int8)


def at_levels(level: Callable[[float], float]) -> Looking:
    """Looks after each eighth, on limits of a level that may depend on the share of the sessions."""

    def look(runs: Runs, margin: float) -> Iterator[tuple[int, Signs]]:
        for number in looks(runs[0].shape[1]):
            part = runs[0][:, :number], runs[1][:, :number]
            yield number, signs(part, margin, level(number / runs[0].shape[1]))

    return look


def obrien_fleming(share: float) -> float:
    """The level of a boundary that falls with the root of the share, about right for one-sided 5 % and eight looks."""
    return NormalDist().cdf(min(1.76 / share**0.5, 6.0))


BETS = 24


def betting(alpha: float) -> Looking:
    """A mixture of bets on `gain + margin * turns` of each session, which are at most 0 on average if it is worse."""

    def look(runs: Runs, margin: float) -> Iterator[tuple[int, Signs]]:
        gains, turns = runs
        changes, most = gains + margin * turns, turns.max()
        shares = np.geomspace(0.01, 0.99, BETS)
        better = _capital(changes, shares / (most * (1 - margin)))
        worse = _capital(-changes, shares / (most * (1 + margin)))
        for number in range(2, gains.shape[1]):
            sure = (better[:, number - 1] >= 1 / alpha) & (number >= MIN_SESSIONS)
            yield number, sure.astype(np.int8) - (worse[:, number - 1] >= 1 / alpha).astype(np.int8)

    return look


def _capital(changes: Array, bets: Array) -> Array:
    """(data sets, sessions) of a gambler who splits 1 among the bets: a test supermartingale, if changes are unfair."""
    return np.mean([np.exp(np.log1p(bet * changes).cumsum(axis=1)) for bet in bets], axis=0)


RULES: dict[str, Looking] = {
    f"eighths, {100 * EARLY_LEVEL:g} %": at_levels(lambda _: EARLY_LEVEL),
    "eighths, 99.5 %": at_levels(lambda _: 0.995),
    "eighths, 99.9 %": at_levels(lambda _: 0.999),
    "O'Brien-Fleming": at_levels(obrien_fleming),
    "betting, 5 %": betting(0.05),
    "betting, 1 %": betting(0.01),
}
RULE = RULES[f"eighths, {100 * EARLY_LEVEL:g} %"]


def judged(runs: Runs, margin: float, rule: Looking = RULE) -> Verdicts:
    """Both gates on the same runs."""
    fixed = signs(runs, margin, 0.95)
    until, sessions = fixed.copy(), np.full(len(fixed), runs[0].shape[1])
    open_ = np.ones(len(fixed), dtype=bool)
    for number, found in rule(runs, margin):
        stops = open_ & (found != 0)
        until[stops], sessions[stops] = found[stops], number
        open_ &= ~stops
    return Verdicts(fixed, until, sessions, ~open_)


def verdicts(design: Design, effect: float, sets: int, seed: int, rule: Looking = RULE) -> Verdicts:
    parts = [judged(runs, design.margin, rule) for runs in design.runs(effect, sets, seed)]
    return Verdicts(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Row(NamedTuple):
    """Of one design: worse by just the margin, unchanged, and worse by four margins."""

    worse: Verdicts
    same: Verdicts
    clear: Verdicts


def row_of(design: Design, rule: Looking = RULE) -> Row:
    effects = ((-design.margin, TYPE_I_SETS), (0.0, POWER_SETS), (-4 * design.margin, POWER_SETS))
    return Row(*(verdicts(design, effect, sets, seed, rule) for seed, (effect, sets) in enumerate(effects, start=1)))


def main_table(rows: dict[Design, Row]) -> Iterator[str]:
    yield "| answers | lost by | sessions x turns | margin | worse by the margin: passes | fails | sessions "
    yield "| unchanged: passes | sessions | worse by four: fails | sessions |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for design, row in rows.items():
        cells = [_pair(row.worse, 1), _pair(row.worse, -1), _asked(design, row.worse)]
        cells += [_pair(row.same, 1), _asked(design, row.same), _pair(row.clear, -1), _asked(design, row.clear)]
        yield f"| {design.words} | " + " | ".join(cells) + " |"


def _pair(found: Verdicts, sign: Literal[1, -1]) -> str:
    fixed, until, _ = found.shares(sign)
    return f"{100 * fixed:.1f} / {100 * until:.1f}"


def _asked(design: Design, found: Verdicts) -> str:
    return f"{found.sessions.mean() / design.sessions:.0%}"


def summary(rows: dict[Design, Row]) -> Iterator[str]:
    """Type I over all designs, and sessions where the truth is clear."""
    errors = np.array([row.worse.shares(sign) for row in rows.values() for sign in (1, -1)])
    fixed, until, early = errors.T
    yield f"- Wrong verdicts on a candidate that is worse by just the margin, {len(errors)} rates (passes, failures):"
    yield f"  fixed {fixed.mean():.2%} on average and {fixed.max():.1%} at most, until decided {until.mean():.2%} and"
    yield f"  {until.max():.1%}; never more than {max(until - fixed):.1%} above the fixed gate; stopped early with one:"
    above = [int((rates > 0.05).sum()) for rates in (fixed, until)]
    yield f"  {early.mean():.2%} and {early.max():.1%}. Above 5 %: {above[0]} and {above[1]} rates."
    clear = [
        found.sessions.mean() / design.sessions
        for design, row in rows.items()
        for found, sign in ((row.same, 1), (row.clear, -1))
        if (found.fixed == sign).mean() >= CLEAR
    ]
    half = sum(share <= 0.5 for share in clear)
    yield f"- Where the truth is clear (unchanged or worse by four margins, the fixed gate right in {CLEAR:.1%}"
    yield f"  or more: {len(clear)} of {2 * len(rows)} cases): {np.mean(clear):.1%} of the sessions on average,"
    yield f"  half or less in {half} cases, {max(clear):.0%} at most."
    power = np.array(
        [row.same.shares(1)[:2] for row in rows.values()] + [row.clear.shares(-1)[:2] for row in rows.values()]
    )
    yield f"- Right verdicts: fixed {power[:, 0].mean():.1%}, until decided {power[:, 1].mean():.1%}."


COMPARED = [
    Design(None, 0.0, 120, 5, 0.05),
    Design(None, 0.0, 500, 5, 0.05),
    Design("collapse", 0.0, 400, 2, 0.05),
    Design("collapse", 0.03, 400, 2, 0.05),
]


def rules_table() -> Iterator[str]:
    """What other rules would do, on the same runs."""
    yield "| rule | worse by the margin: most passes | most fails | most early | sessions: unchanged | worse by four |"
    yield "|---|---|---|---|---|---|"
    for name, rule in RULES.items():
        rows = {design: row_of(design, rule) for design in COMPARED}
        passes, fails = (max(row.worse.shares(sign)[1] for row in rows.values()) for sign in (1, -1))
        early = max(row.worse.shares(sign)[2] for row in rows.values() for sign in (1, -1))
        asked = [
            np.mean([getattr(row, name).sessions.mean() / design.sessions for design, row in rows.items()])
            for name in ("same", "clear")
        ]
        yield f"| {name} | {passes:.1%} | {fails:.1%} | {early:.1%} | {asked[0]:.0%} | {asked[1]:.0%} |"


WHOLE = (240, 3, 2, 0.05)


def whole_gate(call_loss: float, quiet_loss: float, sets: int) -> tuple[Verdicts, list[float]]:
    """Gates of three metrics (calls, abstentions, all turns), and how often each alone passes; noise 3 %."""
    sessions, calls, quiet, margin = WHOLE
    rng = np.random.default_rng(9)
    parts = [
        steady_changes(Cell(margin, "spread", 0.03, sessions, turns), loss, sets, rng)
        for turns, loss in ((calls, call_loss), (quiet, quiet_loss))
    ]
    metrics = [*parts, (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])]

    def together(level: float, number: int) -> Signs:
        found = [signs((gains[:, :number], turns[:, :number]), margin, level) for gains, turns in metrics]
        passed, failed = np.min(found, axis=0) == 1, np.min(found, axis=0) == -1
        return passed.astype(np.int8) - failed.astype(np.int8)

    fixed = together(0.95, sessions)
    until, asked, open_ = fixed.copy(), np.full(sets, sessions), np.ones(sets, dtype=bool)
    for number in looks(sessions):
        found = together(EARLY_LEVEL, number)
        stops = open_ & (found != 0)
        until[stops], asked[stops], open_ = found[stops], number, open_ & ~stops
    return Verdicts(fixed, until, asked, ~open_), [judged(runs, margin).shares(1)[1] for runs in metrics]


def whole_gate_table() -> Iterator[str]:
    margin = WHOLE[3]
    yield "| the candidate is worse in | each metric alone passes | the gate passes, fixed / until | fails | sessions |"
    yield "|---|---|---|---|---|"
    for words, losses in (
        ("nothing", (0.0, 0.0)),
        ("calls, by the margin", (margin, 0.0)),
        ("abstentions, by the margin", (0.0, margin)),
        ("everything, by the margin", (margin, margin)),
        ("everything, by four margins", (4 * margin, 4 * margin)),
    ):
        found, alone = whole_gate(*losses, sets=2_000)
        each = ", ".join(f"{share:.1%}" for share in alone)
        asked = f"{found.sessions.mean() / WHOLE[0]:.0%}"
        yield f"| {words} | {each} | {_pair(found, 1)} | {_pair(found, -1)} | {asked} |"


def tables() -> str:
    rows = {design: row_of(design) for design in DESIGNS}
    table = list(main_table(rows))
    lines = [
        f"Verdicts in per cent, fixed / until decided, and sessions asked until decided; {TYPE_I_SETS:,} simulated",
        f"pairs for a candidate that is worse by just the margin, {POWER_SETS:,} for the others.",
        "",
        table[0] + table[1],
        *table[2:],
        "",
        *summary(rows),
        "",
        f"Other rules, over {len(COMPARED)} of these designs:",
        "",
        *rules_table(),
        "",
        f"Three metrics at once, {WHOLE[0]} sessions of {WHOLE[1]} calls and {WHOLE[2]} abstentions, 3 % noise, margin",
        f"{100 * WHOLE[3]:g} points; verdicts in per cent:",
        "",
        *whole_gate_table(),
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
