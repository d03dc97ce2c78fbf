"""A million hostile inputs, and processes that are killed at random moments: what breaks, with the seed that shows it.

    python -m benchmarks.campaign                                  # all parts, one after another, each in a process
    python -m benchmarks.campaign --part judge --seed 2 --inputs 20000
    python -m benchmarks.campaign --part judge --seed 2 --only 1234   # one trial again, with all that it finds

Parts: parsers (every format: spoiled calls, heaps of tags, calls that must be read back, answers in pieces), judge
(random schemas and values, beside plain jsonschema), patterns (beside the regular expressions of Node and Python),
sessions (records of every form, spoiled), wire (bodies and streams of a server, spoiled, cut and late, some over
sockets), kills (of evaluate, score and bench), training (kills, and `--resume`) and service (requests to it, and kills
of it). Each goes on where `--results` says that it stopped. A fault is printed as it is found. The last line
on stdout is JSON: part -> what was counted, faults, processor seconds, and peak memory in MiB of the part itself and of
the largest process that it started. Exits with 1 where anything was found.
"""

import argparse
import faulthandler
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

PARTS = {
    "parsers": 150_000,
    "judge": 150_000,
    "patterns": 520_000,
    "sessions": 60_000,
    "wire": 200_000,
    "kills": 60,
    "training": 12,
    "service": 2_000,
}
"""Inputs of each; an input of the kills is a process that is killed."""
SAVED_EVERY_S = 5.0
HUNG_S = 900.0
"""After this long without an end of a trial the process gives up, and says where it stood."""


class Part:
    """One part with one seed: its trials, and the file that holds what came of them."""

    def __init__(self, name: str, seed: int, results: Path) -> None:
        self.name, self.seed = name, seed
        self._path, self._place = results / f"{name}-{seed}.json", results / f"{name}-{seed}.trial"
        self._trial = importlib.import_module(f"benchmarks.hostile.{name}").trial
        saved = json.loads(self._path.read_text()) if self._path.is_file() else {}
        self.trials: int = saved.get("trials", 0)
        self.counts = Counter[str](saved.get("counts", {}))
        self.faults: list[str] = saved.get("faults", [])
        self.figures: dict[str, float] = saved.get("figures", {})
        if self._place.is_file():
            print(f"{name}: an earlier process ended in --only {self._place.read_text()}", file=sys.stderr)

    def again(self, number: int) -> list[str]:
        """What one trial finds."""
        return self._trial(Random(f"{self.name}/{self.seed}/{number}")).faults

    def run(self, inputs: int) -> None:
        """Trials until so many inputs were given."""
        began, saved = time.process_time(), time.monotonic()
        before = self.figures.get("processor_s", 0.0)
        while self.counts["inputs"] < inputs:
            faulthandler.dump_traceback_later(HUNG_S, exit=True)
            self._place.write_text(str(self.trials))
            done = self._trial(Random(f"{self.name}/{self.seed}/{self.trials}"))
            for fault in done.faults:
                print(f"FAULT --part {self.name} --seed {self.seed} --only {self.trials}: {fault[:2000]}", flush=True)
                self.faults.append(f"{self.trials}: {fault[:2000]}")
            self.counts += done.counts
            self.trials += 1
            if time.monotonic() - saved > SAVED_EVERY_S:
                self._save(before + time.process_time() - began)
                saved = time.monotonic()
        faulthandler.cancel_dump_traceback_later()
        self._save(before + time.process_time() - began)
        self._place.unlink(missing_ok=True)

    def _save(self, processor_s: float) -> None:
        peaks = {name: _peak_mib(who) for name, who in (("own", resource.RUSAGE_SELF), ("of_others", _OTHERS))}
        for name, mib in peaks.items():
            self.figures[f"peak_mib_{name}"] = max(mib, self.figures.get(f"peak_mib_{name}", 0.0))
        self.figures["processor_s"] = round(processor_s, 1)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({**self.result(), "faults": self.faults}))
        os.replace(new, self._path)

    def result(self) -> dict[str, Any]:
        """What there is to tell of it."""
        return {
            "seed": self.seed,
            "trials": self.trials,
            "counts": dict(self.counts),
            "faults": len(self.faults),
            "figures": self.figures,
        }


_OTHERS = resource.RUSAGE_CHILDREN


def _peak_mib(who: int) -> float:
    return round(resource.getrusage(who).ru_maxrss / 1024, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, nargs="*", help="one runs in this process; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, help="of each part; default: as many as make a million")
    parser.add_argument("--results", type=Path, default=Path("runs/campaign"), help="folder of what is gone on with")
    parser.add_argument("--only", type=int, metavar="TRIAL", help="run this trial of one part again")
    args = parser.parse_args()
    args.results.mkdir(parents=True, exist_ok=True)
    names = args.part or list(PARTS)
    if len(names) > 1:
        return _each_in_a_process(names, args)
    part = Part(names[0], args.seed, args.results)
    if args.only is not None:
        faults = part.again(args.only)
        print("\n".join(faults))
        return int(bool(faults))
    print(f"{part.name}: seed {part.seed}, from trial {part.trials} on", file=sys.stderr, flush=True)
    part.run(PARTS[part.name] if args.inputs is None else args.inputs)
    print(json.dumps({part.name: part.result()}))
    return int(bool(part.faults))


def _each_in_a_process(names: list[str], args: argparse.Namespace) -> int:
    """Every part in a process of its own, so that its memory is its own."""
    code, results = 0, {}
    for name in names:
        words = ["--part", name, "--seed", str(args.seed), "--results", str(args.results)]
        words += [] if args.inputs is None else ["--inputs", str(args.inputs)]
        command = [sys.executable, "-m", "benchmarks.campaign", *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        *found, last = done.stdout.splitlines() or [f"{name} ended with exit code {done.returncode}"]
        print("\n".join(found), end="\n" if found else "", flush=True)
        code = code or done.returncode
        results |= json.loads(last) if last.startswith("{") else {name: last}
    print(json.dumps(results))
    return code


if __name__ == "__main__":
    sys.exit(main())
