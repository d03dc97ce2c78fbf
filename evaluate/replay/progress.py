"""What people see on stderr while a verb works; stdout is for results."""

import time
from typing import Self

from callproof.console import say
from callproof.scoring import Outcome


class Progress:
    """A bar with rate, time left and quality so far; a line each tenth where stderr is no terminal."""

    def __init__(self, name: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._name, self._total = name, total
        self._before = self._landed = self._exact = self._infra = 0
        console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=total, state="")
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        self._bar.start()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def recall(self, outcome: Outcome) -> None:
        """An outcome of an earlier, interrupted attempt."""
        self._count(outcome)
        self._before += 1

    def advance(self, outcome: Outcome) -> None:
        self._count(outcome)
        self._bar.update(self._task, completed=self._landed, state=self._state())
        if self._bar.disable and self._landed * 10 // self._total > (self._landed - 1) * 10 // self._total:
            say(f"{self._name}: {self._landed} of {self._total} turns, {self._state()}")

    def _count(self, outcome: Outcome) -> None:
        self._landed += 1
        self._exact += outcome.outcome == "ok"
        self._infra += outcome.outcome == "infra_error"

    def _state(self) -> str:
        rate = (self._landed - self._before) / max(time.perf_counter() - self._began, 1e-9)
        unanswered = f", {self._infra} unanswered" if self._infra else ""
        return f"{rate:.1f}/s, {self._exact / max(self._landed, 1):.0%} exact{unanswered}"
