"""Progress of a level on standard error: a bar on a terminal, otherwise a line now and then."""

import sys
import time
from types import TracebackType
from typing import Self

from callproof.command_line import say

EACH_S = 10.0


class Progress:
    """A context manager around one level; call it once for each request that has landed."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total, self._landed = name, total, 0
        self._said = time.monotonic()
        self._bar = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self) -> None:
        self._landed += 1
        if self._bar:
            self._bar.advance(self._task)
        elif time.monotonic() - self._said >= EACH_S:
            self._said = time.monotonic()
            say(f"{self._name}: {self._landed} of {self._total}")
