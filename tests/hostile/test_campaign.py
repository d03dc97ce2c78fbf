"""The fast part of benchmarks/campaign.py: a few thousand inputs of the parts that need no other process."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from benchmarks.hostile import ROOT, judge, parsers, patterns, sessions, wire

COUNTS = {parsers: 700, judge: 150, patterns: 1500, sessions: 1000, wire: 600}


@pytest.mark.parametrize("part", COUNTS, ids=lambda part: part.__name__.rpartition(".")[2])
def test_no_input_of_a_part_finds_a_fault(part) -> None:
    faults = [fault for number in range(COUNTS[part]) for fault in part.trial(Random(f"fast/{number}")).faults]
    assert faults == []


def test_a_campaign_goes_on_where_it_stopped(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.campaign", "--part", "patterns", "--results", str(tmp_path)]
    for inputs in ("300", "900"):
        done = subprocess.run([*words, "--inputs", inputs], cwd=ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)["patterns"]
    assert "from trial 50 on" in done.stderr
    assert (told["trials"], told["counts"]["inputs"], told["faults"]) == (150, 900, 0)
