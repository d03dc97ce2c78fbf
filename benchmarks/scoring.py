"""What scoring costs: seconds and peak memory of `callproof evaluate score`, for few turns and for many.

    python benchmarks/scoring.py --turns runs/<id>/turns.jsonl --answers runs/<id>/outcomes.jsonl --model car_sales
    python benchmarks/scoring.py --turns DIR/turns.jsonl --answers DIR/answers.jsonl --count 10000,100000

The turns of the file are repeated under new ids, in new sessions, until there are enough. Metrics and report are
included. The goal is 100,000 turns in 30 s. Memory is the peak of the process that takes most, and the sum of the peaks
of all of them, which counts what they share several times. Prints a line for each count to stderr, and JSON to stdout.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from itertools import count, islice
from pathlib import Path

from callproof.console import positive
from callproof.errors import EXIT_PASS, UserError, exit_with
from callproof.records import read_jsonl

WANTED_S = 30


def texts(path: Path, model: str | None) -> dict[str, str]:
    """Turn id -> answer of one model, from an outcomes file or one of `{"turn_id", "text"}` lines."""
    rows = (row for _, row in read_jsonl(path) if model is None or row.get("model") == model)
    return {row["turn_id"]: row["answer"]["text"] if "answer" in row else row["text"] for row in rows}


def enlarge(turns: Path, answers: dict[str, str], number: int, folder: Path) -> None:
    """Write `number` turns and their answers to `folder`."""
    answered = [turn for _, turn in read_jsonl(turns) if turn["turn_id"] in answers]
    if not answered:
        raise UserError(turns, "no turn has an answer", "give the answers to these turns, or another --model")
    copies = ((copy, turn) for copy in count() for turn in answered)
    with (folder / "turns.jsonl").open("w") as turns_file, (folder / "answers.jsonl").open("w") as answers_file:
        for copy, turn in islice(copies, number):
            names = {key: f"{turn[key]}#{copy}" for key in ("turn_id", "session_id")}
            turns_file.write(json.dumps(turn | names) + "\n")
            answers_file.write(json.dumps({"turn_id": names["turn_id"], "text": answers[turn["turn_id"]]}) + "\n")


def peaks(group: int) -> dict[int, float]:
    """Process id -> peak memory in MiB of each process of a group that lives."""
    by_process: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ends meanwhile
            if int((folder / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                by_process |= {int(folder.name): int(line.split()[1]) / 1024 for line in _peak_lines(folder)}
    return by_process


def _peak_lines(folder: Path) -> list[str]:
    return [line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM:")]


class Watch(threading.Thread):
    """Notes the peaks of a group's processes, until it is `done`."""

    def __init__(self, group: int) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[int, float] = {}
        self.done = threading.Event()
        self._group = group

    def run(self) -> None:
        while not self.done.wait(0.1):
            self.peaks |= peaks(self._group)


def score(folder: Path) -> dict[str, float]:
    """Seconds; peak memory in MiB of the largest process, and of all of them together; and how many there are."""
    words = ["--turns", folder / "turns.jsonl", "--answers", folder / "answers.jsonl", "--out", folder / "scored"]
    command = [sys.executable, "-m", "evaluate", "score", *words]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=-3, stderr=-3, process_group=0)
    watch = Watch(process.pid)
    watch.start()
    try:
        status = process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    seconds = time.perf_counter() - began
    watch.done.set()
    watch.join()
    if status:
        raise UserError("evaluate score", f"ended with {status}", "run it on the turns and answers to see why")
    taken = watch.peaks.values()
    return {"seconds": seconds, "MiB": max(taken), "all_MiB": sum(taken), "processes": len(taken)}


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=Path, required=True, help="a turns.jsonl")
    parser.add_argument("--answers", type=Path, required=True, help="answers to it, or the outcomes.jsonl of a run")
    parser.add_argument("--model", help="whose answers; default: those of the last one in the file")
    parser.add_argument("--count", type=numbers, default="10000,100000", help="of turns (default %(default)s)")
    parser.add_argument("--rounds", type=positive, default=1, help="of each count (default %(default)s)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    answers, costs = texts(args.answers, args.model), {}
    for number in args.count:
        with tempfile.TemporaryDirectory() as folder:
            enlarge(args.turns, answers, number, Path(folder))
            rounds = [score(Path(folder)) for _ in range(args.rounds)]
        seconds = [cost["seconds"] for cost in rounds]
        cost = {name: statistics.median(cost[name] for cost in rounds) for name in rounds[0]}
        costs[number] = {**cost, "spread_s": [min(seconds), max(seconds)]}
        line = f"{number} turns: {cost['seconds']:.1f} s, {cost['MiB']:.0f} MiB ({cost['all_MiB']:.0f} in all)"
        print(line, file=sys.stderr, flush=True)
    print(json.dumps({"wanted_s": WANTED_S, "turns": costs}))
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
