"""How far long work is, for people on stderr: the one progress display of all verbs."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from .command_line import say

_SAY_EACH_S = 10.0

Item = TypeVar("Item")


def _of_total(done: int, total: int | None) -> str:
    return f"{done} of {total}" if total is not None else str(done)


class Steps:
    """A bar that goes away at the end; a line every ten seconds where stderr is no terminal.

    Args:
        name: of the work.
        total: how many steps there are; None where nobody knows, and the bar then shows the time that has passed.
        tell: the text beside the bar, and of a line, from the steps done and the total.
        done: steps that an earlier attempt has done; they say nothing about the time that is left.
    """

    def __init__(
        self,
        name: str,
        total: int | None = None,
        tell: Callable[[int, int | None], str] = _of_total,
        done: int = 0,
    ) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._name, self._total, self._tell, self._done = name, total, tell, done
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn() if total is None else TimeRemainingColumn(),
            TextColumn("{task.fields[state]}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(name, total=total, completed=done, state=tell(done, total))
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, steps: int = 1) -> None:
        """Count as many steps as done."""
        self.reach(self._done + steps)

    def reach(self, done: int) -> None:
        """Count `done` steps as done, from the first one on."""
        self._done = done
        if not self._bar.disable:
            self._bar.update(self._task, completed=done, state=self._tell(done, self._total))
        elif time.monotonic() - self._said >= _SAY_EACH_S:
            self._said = time.monotonic()
            say(f"{self._name}: {self._tell(done, self._total)}")


def counted(items: Iterable[Item], name: str, unit: str) -> Iterator[Item]:
    """The items as they come, counted as `<name>: 1,234 <unit>`; nobody knows how many there will be."""
    with Steps(name, tell=lambda done, _: f"{done:,} {unit}") as steps:
        for item in items:
            yield item
            steps.advance()


class Phases:
    """The named parts of long work: each is told when it begins, and `summary` says how long all of them took.

    Args:
        name: of the work.
        tell: takes a line for people.
        clock: seconds, from any start.
    """

    def __init__(
        self, name: str, tell: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._tell, self._clock = name, tell, clock
        self._begun = self._since = clock()
        self._phase: str | None = None
        self._seconds: dict[str, float] = {}

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._begun

    def begin(self, phase: str) -> None:
        """End the phase before this one, and tell that this one begins, after how many seconds of the whole."""
        if phase != self._phase:
            self._switch(phase)
            self._tell(f"{self._name}: {phase} (after {self.total:.0f} s)")

    @contextmanager
    def within(self, phase: str) -> Iterator[None]:
        """Count the block as a phase of its own in the midst of another, which goes on after it; nothing is told."""
        outer = self._phase
        self._switch(phase)
        try:
            yield
        finally:
            self._switch(outer)

    def summary(self) -> str:
        """`car_sales: 335 s: training 192, loading the base 60, ...`: the longest first, none under half a second."""
        self._switch(self._phase)
        longest = sorted(self._seconds.items(), key=lambda part: -part[1])
        parts = ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in longest if seconds >= 0.5)
        return f"{self._name}: {self.total:.0f} s" + (f": {parts}" if parts else "")

    def _switch(self, phase: str | None) -> None:
        now = self._clock()
        if self._phase is not None:
            self._seconds[self._phase] = self._seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
