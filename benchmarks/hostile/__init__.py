"""The parts of benchmarks/campaign.py: each makes hostile input from random numbers, and says what the product does.

A part is a module with `trial(rng)`, which returns a `Trial`; the same random numbers make the same input. Servers that
fail and small domains are those of the tests.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / folder) for folder in ("", "support", "evaluate/support", "train/support")]
