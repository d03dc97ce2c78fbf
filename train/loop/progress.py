"""What people see on stderr while sessions are read."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

QUIET_S = 15.0

Item = TypeVar("Item")


def counted(items: Iterable[Item], what: str) -> Iterator[Item]:
    """The items as they come, counted: a live line on a terminal, otherwise a line every QUIET_S seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.completed:,} sessions"))
    told = time.monotonic()
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        for count, item in enumerate(items, start=1):
            yield item
            bar.update(task, completed=count)
            if bar.disable and time.monotonic() - told >= QUIET_S:
                told = time.monotonic()
                print(f"{what}: {count:,} sessions", file=sys.stderr, flush=True)
