"""How far long work is, for people on stderr."""

import time
from collections.abc import Callable
from typing import Self

from .command_line import say

_SAY_EACH_S = 10.0


def _of_total(done: int, total: int | None) -> str:
    return f"{done} of {total}" if total is not None else str(done)


class Steps:
    """A bar with the time left; a line each ten seconds where stderr is no terminal.

    Args:
        name: of the work.
        total: how many steps there are, None where nobody knows.
        tell: what a line says of the steps done and the total.
    """

    def __init__(self, name: str, total: int | None, tell: Callable[[int, int | None], str] = _of_total) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._name, self._total, self._tell, self._done = name, total, tell, 0
        self._bar = Progress(console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task(name, total=total)
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, steps: int = 1) -> None:
        """Take as many steps for done."""
        self._done += steps
        if not self._bar.disable:
            self._bar.update(self._task, completed=self._done)
        elif time.monotonic() - self._said >= _SAY_EACH_S:
            self._said = time.monotonic()
            say(f"{self._name}: {self._tell(self._done, self._total)}")
