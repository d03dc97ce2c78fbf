"""What starting costs: seconds of `callproof --help`, and of `callproof evaluate score` with ten turns.

    python benchmarks/startup.py --rounds 10

Each is a process of its own; the two take turns, after a round that warms up. The last line on stdout is JSON: medians,
and the lowest and highest.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.gold_answers import write_answers

from callproof.console import Parser, last_line, positive
from callproof.errors import EXIT_PASS, exit_with

WANTED_S = {"help": 0.15, "score_of_ten": 0.5}


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=10, metavar="N", help="of each (default %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        turns, answers = write_answers([Path("configs/car_sales.yaml")], 10, folder)
        scored = ["--turns", str(turns), "--answers", str(answers), "--out", str(folder / "scored")]
        arms = {"help": ["--help"], "score_of_ten": ["evaluate", "score", *scored]}
        seconds: dict[str, list[float]] = {arm: [] for arm in arms}
        for number in range(-1, args.rounds):
            for arm, words in arms.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, "-m", "callproof", *words], check=True, capture_output=True)
                if number >= 0:
                    seconds[arm].append(time.perf_counter() - began)
    medians = {arm: round(statistics.median(values), 3) for arm, values in seconds.items()}
    spread = {arm: [round(min(values), 3), round(max(values), 3)] for arm, values in seconds.items()}
    for arm, value in medians.items():
        print(f"{arm:<14}{value:>8.3f} s, wanted {WANTED_S[arm]} s")
    last_line({"seconds": medians, "spread": spread, "wanted_s": WANTED_S})
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
