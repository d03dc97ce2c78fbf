"""Work in a forked process: what comes back, what is raised, and what happens when it dies."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from callproof.errors import UserError
from train.loop.beside import beside


def nothing() -> None:
    pass


def test_the_work_is_made_in_another_process_while_this_one_is_busy(tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def wait() -> None:
        while not begun.exists():
            pass

    def work() -> int:
        begun.touch()
        return os.getpid()

    assert beside(wait, work) != os.getpid()


def test_a_mistake_of_the_user_is_raised_here_in_the_same_words() -> None:
    def work() -> None:
        raise UserError(Path("a.jsonl:3"), "no JSON", "mend the line")

    with pytest.raises(UserError, match=r"^a\.jsonl:3: no JSON; mend the line$"):
        beside(nothing, work)


def test_work_whose_process_is_killed_is_made_here() -> None:
    parent = os.getpid()

    def work() -> int:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    assert beside(nothing, work) == parent


def test_work_whose_process_is_killed_in_the_middle_of_its_answer_is_made_here(tmp_path: Path) -> None:
    parent, begun, answer = os.getpid(), tmp_path / "begun", b"a" * 2**24

    def work() -> bytes:
        begun.touch()
        return answer if os.getpid() != parent else b"made here"

    def kill() -> None:
        while not begun.exists():
            pass
        time.sleep(0.5)  # until the pipe is full
        (child,) = multiprocessing.active_children()
        child.kill()

    assert beside(kill, work) == b"made here"


def test_a_defect_is_raised_with_its_own_traceback(capfd) -> None:
    def work() -> None:
        raise ZeroDivisionError("a defect")

    with pytest.raises(ZeroDivisionError, match="a defect"):
        beside(nothing, work)
    assert "a defect" in capfd.readouterr().err


def test_an_interrupted_process_says_nothing(capfd) -> None:
    parent = os.getpid()

    def work() -> str:
        if os.getpid() == parent:
            return "made here"
        os.kill(os.getpid(), signal.SIGINT)
        return "never"

    assert beside(nothing, work) == "made here"
    assert capfd.readouterr().err == ""
