"""`evaluate`, `score` and `bench` killed at random moments: what they had is still there, and they end as usual."""

import json
import signal
import time
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fake_endpoint import FakeEndpoint, Script
from weather import Domain, right, write_domain

from evaluate.runs import Run, read_outcomes

from .processes import finished, killed, workplace
from .trial import Trial

SESSIONS = 30


def trial(rng: Random) -> Trial:
    """One program, killed once to three times."""
    done = Trial()
    rng.choice((_evaluate, _score, _bench))(done, rng)
    return done


def _slow(payload: dict[str, Any]) -> Script:
    return Script(right(payload), first_delay_s=0.04)


@cache
def _endpoint() -> FakeEndpoint:
    return FakeEndpoint(_slow).__enter__()


@cache
def _domain() -> Domain:
    return write_domain(workplace(), sessions=SESSIONS)


def _words(run_id: str) -> list[str]:
    words = ["--endpoint", _endpoint().url, "--config", str(_domain().config), "--model", "tiny"]
    return ["evaluate", *words, "--concurrency", "4", "--run-id", run_id, "--resume"]


def _answers(run: Run) -> list[dict[str, Any]]:
    """All outcomes but for how long they took."""
    rows = [outcome.model_dump(exclude={"answer": {"latency_s"}}) for outcome in read_outcomes(run.outcomes_path)]
    return sorted(rows, key=lambda row: row["turn_id"])


def _figures(run: Run) -> dict[str, Any]:
    return {**json.loads(run.metrics_path.read_text()), "run_id": None}


@cache
def _peace() -> tuple[Run, float]:
    """A run that was left in peace, and the seconds that it took."""
    began = time.monotonic()
    assert finished(Trial(), _words("peace"), workplace())
    return Run(_domain().runs / "peace"), time.monotonic() - began


def _landed(run: Run) -> set[str]:
    """The turns whose answers are on disk; a line that was cut off is none."""
    if not run.outcomes_path.is_file():
        return set()
    lines = run.outcomes_path.read_bytes().split(b"\n")[:-1]
    return {json.loads(line)["turn_id"] for line in lines}


def _evaluate(done: Trial, rng: Random) -> None:
    peace, took = _peace()
    name = f"killed-{rng.getrandbits(48):x}"
    run, before = Run(_domain().runs / name), set[str]()
    for _ in range(rng.randrange(1, 4)):
        killed(done, _words(name), workplace(), rng.uniform(0, took))
        now = _landed(run)
        _lost(done, before - now, name)
        before = now
    if finished(done, _words(name), workplace()):
        _lost(done, before - _landed(run), name)
        done.expect(_answers(run) == _answers(peace), "other answers than a run in peace", name)
        done.expect(_figures(run) == _figures(peace), "other figures than a run in peace", name)


def _lost(done: Trial, turns: set[str], name: str) -> None:
    done.counts["losses"] += len(turns)
    done.expect(not turns, f"answers are lost: {sorted(turns)}", name)


def _score(done: Trial, rng: Random) -> None:
    """Saved answers scored over an earlier result: that one or the new one is there, whole."""
    peace, _ = _peace()
    out = f"scored-{rng.getrandbits(48):x}"
    words = ["evaluate", "score", "--turns", str(peace.turns_path), "--answers", str(peace.outcomes_path), "--out", out]
    took = _time(done, words)
    run = Run(workplace() / out)
    before = _answers(run)
    for _ in range(rng.randrange(1, 4)):
        killed(done, words, workplace(), rng.uniform(0, took))
        kept = run.outcomes_path.is_file() and _answers(run) == before
        done.counts["losses"] += not kept
        done.expect(kept, "an earlier result is lost", out)
    if finished(done, words, workplace()):
        done.expect(_answers(run) == before, "scored again, other outcomes", out)


def _time(done: Trial, words: list[str]) -> float:
    began = time.monotonic()
    finished(done, words, workplace())
    return time.monotonic() - began


def _bench(done: Trial, rng: Random) -> None:
    """A measurement over an earlier one: killed, that is still whole; interrupted, what was measured is saved."""
    _peace()
    out = f"bench-{rng.getrandbits(48):x}.json"
    words = ["--endpoint", _endpoint().url, "--config", str(_domain().config), "--model", "tiny", "--requests", "20"]
    words = ["bench", *words, "--concurrency", "2,4", "--out", out]
    took = _time(done, words)
    number = rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM))
    killed(done, words, workplace(), rng.uniform(0, took), number)
    levels = _levels(workplace() / out)
    done.counts["losses"] += levels is None
    done.expect(levels is not None, f"signal {number} leaves no whole file", out)


def _levels(path: Path) -> list[Any] | None:
    try:
        return json.loads(path.read_text())["levels"]
    except (OSError, ValueError, KeyError):
        return None
