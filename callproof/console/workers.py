"""Work in other processes, where no part of it takes longer than its budget of processor time.

What cannot be interrupted from within (a search in a compiled engine, a walk through a schema that explodes) is ended
by the kernel: a timer kills the process, and another one goes on. The time is the processor's, so that a busy machine
changes no result.
"""

import contextlib
import faulthandler
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.resource_tracker import ensure_running
from typing import Any, Generic, NamedTuple, TypeVar

from callproof.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_PROCESSES = 8
_AHEAD = 2
"""Items in work for each process, those included whose results wait for an earlier one."""
_TIMED = hasattr(signal, "setitimer")
_FAULTS = {getattr(signal, name) for name in ("SIGPROF", "SIGSEGV", "SIGABRT", "SIGBUS") if hasattr(signal, name)}
"""Signals by which a process dies of what it works on."""
_GARBAGE = 20_000
"""Objects that a process makes before it looks for garbage that only a search finds, of which work leaves little."""
_READY: Any = "ready"
_PRELOADED = ["callproof.scoring", "callproof.endpoint"]
"""What is slow to import and most functions need."""


class Allowance:
    """What a function is given beside its item: it says which part of the item it begins, numbered from 0.

    Args:
        place: shared with the parent: the number of the part that is in work, -1 between items.
        budget_s: of each part, in seconds of processor time; None: without limit.
        overruns: part -> how often a process has died of it.
    """

    def __init__(self, place: Any, budget_s: float | None, overruns: "Counter[int] | None" = None) -> None:
        self._place, self._budget_s, self._overruns = place, budget_s, overruns or Counter[int]()

    def begin(self, part: int) -> int:
        """Begin a part, with a whole budget; how often it has taken longer than that before."""
        self._place.value = part
        self._set_timer(self._budget_s or 0.0)
        return self._overruns[part]

    def end(self) -> None:
        """After the last part."""
        self._set_timer(0.0)
        self._place.value = -1

    def _set_timer(self, seconds: float) -> None:
        if _TIMED and self._budget_s:
            signal.setitimer(signal.ITIMER_PROF, seconds)


Function = Callable[[Item, Allowance], Result]


class Worker(Generic[Item, Result]):
    """A process that computes `function(item, allowance)` for one item at a time.

    Its `connection` becomes readable when `receive` has something to do.
    """

    def __init__(self, function: Function[Item, Result], budget_s: float) -> None:
        self._function, self._budget_s = function, budget_s
        self._item: list[Item] = []
        self._overruns = Counter[int]()
        self._ready = False
        self._start()

    def _start(self) -> None:
        context = _context()
        self._place = context.Value("i", -1, lock=False)
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._place, self._function, self._budget_s), daemon=True
        )
        with _interrupts_blocked():  # which the process inherits: Ctrl-C is for its parent
            self._process.start()
        theirs.close()

    def send(self, item: Item) -> None:
        """Give an item; the one before must be done."""
        self._item, self._overruns = [item], Counter[int]()
        if self._ready:
            self._give()

    def ask(self, item: Item) -> Result:
        """Give an item and wait for its result; raises what `receive` raises."""
        self.send(item)
        while not (results := self.receive()):
            pass
        return results[0]

    def _give(self) -> None:
        self._ready = False
        with contextlib.suppress(OSError):  # a process that has died is noticed by `receive`
            self.connection.send((*self._item, self._overruns))

    def receive(self) -> list[Result]:
        """The result of the item; nothing where the process has but started, or the item goes to another process.

        Raises:
            UserError: the process was killed, or what the function raises.
        """
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self._go_on()
            return []
        self._ready = True
        if message == _READY:
            if self._item:
                self._give()
            return []
        self._item = []
        result, error = message
        if error is not None:
            raise error
        return [result]

    def _go_on(self) -> None:
        """Replace a process that has died of its item."""
        self._process.join()
        part, ending = self._place.value, -(self._process.exitcode or 0)
        self._overruns[part] += 1
        if ending not in _FAULTS or part < 0 or self._overruns[part] > _AHEAD:
            problem = "was killed, most likely for want of memory"
            raise UserError("a worker process", problem, "free some memory, or give less at once")
        self.connection.close()
        self._ready = False
        self._start()

    def close(self) -> None:
        """End the process, at once."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection, place: Any, function: Function[Any, Any], budget_s: float) -> None:
    """What a process does until its parent closes the connection or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()  # what it was born with is no garbage
    gc.set_threshold(_GARBAGE)
    faulthandler.disable()  # the parent tells of an end by a fault
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection.send(_READY)
    with contextlib.suppress(EOFError):
        while True:
            item, overruns = connection.recv()
            allowance = Allowance(place, budget_s, overruns)
            try:
                answer = function(item, allowance), None
            except Exception as error:
                answer = None, error
            allowance.end()
            connection.send(answer)


def processes() -> int:
    """How many processes work at a time: one a processor, at most MAX_PROCESSES."""
    return min(os.cpu_count() or 1, MAX_PROCESSES)


def in_order(function: Function[Item, Result], items: Iterable[Item], budget_s: float) -> Iterator[tuple[Item, Result]]:
    """Yield (item, function(item, allowance)) for each item, computed by as many `processes` as there are items for.

    Items are read only as results are consumed, so few are in memory at once. An exception of `function` is raised
    here and ends the work.

    Args:
        function: must be picklable, as must its items and results.
        budget_s: of each part of an item that the function begins, in seconds of processor time.

    Raises:
        UserError: a process was killed.
    """
    crew = _Crew(function, budget_s)
    rest = iter(items)
    try:
        crew.fill(rest)
        while crew.order:
            crew.wait()
            crew.fill(rest)  # before results are consumed, so that nobody idles meanwhile
            while crew.order and len(crew.order[0]) == 2:
                item, result = crew.order.popleft()
                if isinstance(result, _Failure):
                    raise result.error
                yield item, result
            crew.fill(rest)
    finally:
        crew.close()


class _Failure(NamedTuple):
    """What an item raised, in the place of its result."""

    error: Exception


class _Crew(Generic[Item, Result]):
    """Several workers; `order` holds each item that was given, with its result once that is there."""

    def __init__(self, function: Function[Item, Result], budget_s: float) -> None:
        self._function, self._budget_s = function, budget_s
        self._most = processes()
        self._workers: list[Worker[Item, Result]] = []
        self._idle: deque[Worker[Item, Result]] = deque()
        self._busy: dict[Any, tuple[Worker[Item, Result], list[Any]]] = {}
        self.order: deque[list[Any]] = deque()

    def fill(self, items: Iterator[Item]) -> None:
        """Give as many items as there is room for."""
        while self._has_room and (item := list(islice(items, 1))):
            self._give(item[0])

    @property
    def _has_room(self) -> bool:
        return len(self.order) < _AHEAD * self._most and bool(self._idle or len(self._workers) < self._most)

    def _give(self, item: Item) -> None:
        if not self._idle:
            self._workers.append(Worker(self._function, self._budget_s))
            self._idle.append(self._workers[-1])
        worker = self._idle.popleft()
        worker.send(item)
        self.order.append([item])
        self._busy[worker.connection] = worker, self.order[-1]

    def wait(self) -> None:
        """Take what has come, at least one message."""
        for connection in wait(list(self._busy)):
            worker, place = self._busy.pop(connection)
            try:
                results = worker.receive()
            except Exception as error:  # raised when the results before it have been given
                place.append(_Failure(error))
                continue
            if results:
                place += results
                self._idle.append(worker)
            else:
                self._busy[worker.connection] = worker, place

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


def _context() -> Any:
    """How processes start: as copies, where the system can do that, of this one, or where it has threads of a
    process that has none and has imported what takes long."""
    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods and sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    ensure_running()  # which would let them through again if it were started now
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with_parent() -> None:
    """A worker does not outlive its parent, however that ends."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
