import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callproof.console.workers import MAX_PROCESSES, Allowance, in_order
from callproof.errors import UserError


def doubled_in(item: int, _: Allowance) -> tuple[int, int]:
    time.sleep(0.02 * (item % 3))
    return 2 * item, os.getpid()


def refuse_five(item: int, _: Allowance) -> int:
    if item == 5:
        raise UserError("five", "is refused", "leave it out")
    return item


def test_results_come_in_the_order_of_their_items_from_other_processes() -> None:
    found = list(in_order(doubled_in, range(20), budget_s=10))
    assert [(item, twice) for item, (twice, _) in found] == [(item, 2 * item) for item in range(20)]
    assert os.getpid() not in {process for _, (_, process) in found}


def test_nothing_starts_no_process() -> None:
    assert list(in_order(doubled_in, [], 10)) == []


def parts_of(item: list[str], allowance: Allowance) -> list[str]:
    """Each part, or how often it went wrong; `endless` and `crash` do twice."""
    results: list[str] = []
    for number, part in enumerate(item):
        overruns = allowance.begin(number)
        if part == "endless" and overruns < 2:
            while True:
                pass
        if part == "crash" and overruns < 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        results.append(f"{part} {overruns}")
    return results


def test_a_part_that_takes_too_long_or_crashes_is_told_how_often_and_the_others_are_done() -> None:
    items = [["a", "endless", "b"], ["c"], ["crash", "endless"]]
    results = [result for _, result in in_order(parts_of, items, budget_s=0.2)]
    assert results == [["a 0", "endless 2", "b 0"], ["c 0"], ["crash 2", "endless 2"]]


def sleeps(item: float, allowance: Allowance) -> int:
    overruns = allowance.begin(0)
    time.sleep(item)
    return overruns


def test_the_budget_is_of_processor_time_so_that_waiting_costs_nothing() -> None:
    assert list(in_order(sleeps, [0.5], budget_s=0.2)) == [(0.5, 0)]


def test_items_are_taken_only_as_results_are_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    found = in_order(doubled_in, items(), 10)
    next(found)
    assert len(taken) <= 2 * MAX_PROCESSES + 2
    found.close()  # pyright: ignore[reportAttributeAccessIssue]


def test_what_a_worker_raises_is_raised_here_and_ends_the_work() -> None:
    results = in_order(refuse_five, range(1000), 10)
    assert [next(results)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="five: is refused; leave it out"):
        next(results)


def die_at_five(item: int, _: Allowance) -> int:
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_worker_that_is_killed_is_a_user_error() -> None:
    with pytest.raises(UserError, match="a worker process: was killed, most likely for want of memory"):
        list(in_order(die_at_five, range(1000), 10))


_ENDLESS = """
import itertools, os, sys, time
from callproof.errors import exit_with
from callproof.console.workers import in_order
def work(item, allowance):
    time.sleep(0.05)
    return os.getpid()
def main():
    print("begun", flush=True)
    for _, process in in_order(work, itertools.count(), 10):
        print(process, flush=True)
    return 0
if __name__ == "__main__":
    exit_with(main)
"""


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with workers that goes on until it is stopped; prints a line, then a worker's id for each item."""
    script = tmp_path / "endless.py"
    script.write_text(_ENDLESS)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(
        [sys.executable, script], stdout=-1, stderr=-1, text=True, env=environment, start_new_session=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("lines", [1, 2])
def test_ctrl_c_ends_workers_and_all_with_one_line(endless: subprocess.Popen[str], lines: int) -> None:
    assert endless.stdout
    for _ in range(lines):
        endless.stdout.readline()
    os.killpg(endless.pid, signal.SIGINT)
    _, told = endless.communicate(timeout=20)
    assert (endless.returncode, told) == (130, "interrupted\n")


def test_workers_do_not_outlive_a_parent_that_is_killed(endless: subprocess.Popen[str]) -> None:
    assert endless.stdout
    endless.stdout.readline()
    worker = int(endless.stdout.readline())
    endless.kill()
    for _ in range(200):
        if not Path(f"/proc/{worker}/stat").exists() or ") Z " in Path(f"/proc/{worker}/stat").read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"worker {worker} is alive")
