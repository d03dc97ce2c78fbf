"""Work spread over several processes; results come back in the order of the items."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from typing import TypeVar

from callproof.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_PROCESSES = 8


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield (item, function(item)) for each item, computed by one process per processor, at most MAX_PROCESSES.

    Items are read only as results are consumed, so few are in memory at once. A single item is computed in this
    process, since starting another takes longer. An exception of `function` is raised here and ends the work.

    Args:
        function: must be picklable, as must its items and results.

    Raises:
        UserError: a process was killed.
    """
    rest = iter(items)
    first = list(islice(rest, 2))
    processes = min(os.cpu_count() or 1, MAX_PROCESSES)
    if len(first) < 2 or processes < 2:
        yield from ((item, function(item)) for item in chain(first, rest))
        return
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _watch_parent)
    try:
        with _interrupts_blocked():  # which the processes inherit: Ctrl-C is for their parent
            waiting.extend((item, pool.submit(function, item)) for item in first)
        for item in rest:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > 2 * processes:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    except BrokenProcessPool:
        problem = "was killed, most likely for want of memory"
        raise UserError("a worker process", problem, "free some memory, or give less at once") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _next(waiting: deque[tuple[Item, Future[Result]]]) -> tuple[Item, Result]:
    item, future = waiting.popleft()
    return item, future.result()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where `_watch_parent` alone keeps Ctrl-C out
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _watch_parent() -> None:
    """A worker does not outlive its parent, however that ends, and Ctrl-C is for the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
