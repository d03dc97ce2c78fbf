"""How far long work is, for people on stderr: the one progress display of all verbs."""

import time
from collections.abc import Callable, Iterable, Iterator
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
