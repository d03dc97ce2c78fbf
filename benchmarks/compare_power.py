"""How often `bench compare` errs, and how often it finds a slowdown, measured on simulated benches of known effect.

    python benchmarks/compare_power.py                                # prints the table
    python benchmarks/compare_power.py --write docs/howto/bench-compare.md  # puts it between the markers of that file

A side is a server with `in_flight` requests at a time. A request waits for its first token and then for the others;
both times are lognormal, and one request in fifty stalls for a Pareto-distributed multiple. The machine drifts: all
times of a block are scaled by a random walk over the slots in which blocks run, and by a deviation of each slot
(`noise` is the standard deviation of both). The sides alternate. The effect scales all times of the candidate.
"""

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from callproof.bench.compare import Figures, Ratio, block_figures, ratios
from callproof.bench.figures import SavedRequest
from callproof.bench.names import OVERALL

from callproof.errors import UserError, exit_with
from callproof.records import read_text

SAME_PAIRS, PAIRS = 1000, 200
STALLS = 0.02
TTFT_MS, TPOT_MS, TOKENS = 80.0, 12.0, 40
BEGIN, END = "<!-- written by benchmarks/compare_power.py -->", "<!-- end -->"


@dataclass(frozen=True)
class Scenario:
    """Pairs of benches of `blocks` blocks a side, each of `requests` requests."""

    blocks: int
    requests: int
    noise: float = 0.02
    in_flight: int = 4


def pairs(scenario: Scenario, slowdown: float, count: int, seed: int) -> Iterator[tuple[list[Figures], list[Figures]]]:
    """(baseline, candidate) for `count` independent pairs of benches; each is a list of figures by block."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        walk, moods = rng.normal(0, scenario.noise, (2, 2 * scenario.blocks))
        sides: tuple[list[Figures], list[Figures]] = ([], [])
        for slot, step in enumerate(walk.cumsum() + moods):
            side = (slot + slot // 2) % 2  # A B, B A, A B, ...
            sides[side].append(_block(scenario, float(np.exp(step)) * (slowdown if side else 1.0), rng))
        yield sides


def _block(scenario: Scenario, scale: float, rng: np.random.Generator) -> Figures:
    count = scenario.requests
    stall = np.where(rng.random(count) < STALLS, 1 + rng.pareto(1.5, count), 1.0)
    ttft = scale * stall * TTFT_MS * rng.lognormal(0, 0.4, count)
    e2e = ttft + scale * stall * TPOT_MS * (TOKENS - 1) * rng.lognormal(0, 0.2, count)
    requests = [
        SavedRequest(model="m", started_s=0, ttft_ms=ttft_ms, e2e_ms=e2e_ms, output_tokens=TOKENS, error=None)
        for ttft_ms, e2e_ms in zip(ttft.tolist(), e2e.tolist(), strict=True)
    ]
    return block_figures(requests, float(e2e.sum()) / 1000 / scenario.in_flight)


def verdicts(scenario: Scenario, slowdown: float, count: int = PAIRS, seed: int = 1) -> list[list[Ratio]]:
    """The ratios that `compare` finds in each pair."""
    return [ratios(before, after, paired=True) for before, after in pairs(scenario, slowdown, count, seed)]


def shares(ratios_by_pair: list[list[Ratio]], verdict: str) -> dict[str, float]:
    """Metric -> share of pairs with that verdict."""
    names = [ratio.metric for ratio in ratios_by_pair[0]]
    return {
        name: float(np.mean([pair[at].verdict == verdict for pair in ratios_by_pair])) for at, name in enumerate(names)
    }


def different(ratios_by_pair: list[list[Ratio]], metric: str = OVERALL) -> float:
    """The share of pairs that are called faster or slower."""
    return shares(ratios_by_pair, "faster")[metric] + shares(ratios_by_pair, "slower")[metric]


SCENARIOS = (
    Scenario(5, 100), Scenario(6, 50), Scenario(6, 100), Scenario(10, 100), Scenario(6, 100, noise=0.04),
    Scenario(10, 100, noise=0.04),
)  # fmt: skip
EFFECTS = (1.05, 1.10, 1.20)


def table() -> Iterator[str]:
    yield f"In per cent. Of {SAME_PAIRS} simulated pairs without a difference (A/A): how many are called different by"
    yield f"`overall`, and by the metric that errs most. Of {PAIRS} pairs with a slowdown: how often `overall` sees it."
    yield "benchmarks/compare_power.py describes the simulation and its noise."
    yield ""
    yield (
        "| blocks x requests | noise | A/A different | worst metric | "
        + " | ".join(f"+{e - 1:.0%}" for e in EFFECTS)
        + " |"
    )
    yield "|---|---|---|---|" + "---|" * len(EFFECTS)
    for scenario in SCENARIOS:
        same = verdicts(scenario, 1.0, SAME_PAIRS)
        worst = max(different(same, ratio.metric) for ratio in same[0][:-1])
        power = [shares(verdicts(scenario, effect, seed=2), "slower")[OVERALL] for effect in EFFECTS]
        cells = " | ".join(f"{100 * share:.1f}" for share in (different(same), worst, *power))
        yield f"| {scenario.blocks} x {scenario.requests} | {scenario.noise:.0%} | {cells} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="F.md", help="replace what stands between the markers there")
    args = parser.parse_args()
    if args.write is None:
        for line in table():
            print(line, flush=True)
        return 0
    text = read_text(args.write)
    if not (BEGIN in text and END in text):
        raise UserError(args.write, f"expected the lines `{BEGIN}` and `{END}`", "add them")
    new_table = "\n".join(table())
    new_text = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{new_table}\n{END}", text, flags=re.DOTALL)
    args.write.write_text(new_text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    exit_with(main)
