"""An end to what code of others may take, such as a template that loops."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

RENDER_S = 5.0
"""For one conversation in the words of a template: a megabyte takes a hundredth of it."""


@contextmanager
def deadline(seconds: float, of_processor: bool = False) -> Iterator[None]:
    """Raise a TimeoutError in the block where it takes longer than some seconds of the clock, or `of_processor` time.

    It interrupts Python's own code, in the main thread of systems that have timers (not Windows); elsewhere the block
    is not bounded. A timer that ran before goes on after the block.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(*_: object) -> NoReturn:
        raise TimeoutError(f"took longer than {seconds:g} s")

    timer, number, clock = signal.ITIMER_REAL, signal.SIGALRM, time.monotonic
    if of_processor:
        timer, number, clock = signal.ITIMER_PROF, signal.SIGPROF, time.process_time
    handler = signal.signal(number, end)
    earlier, begun = signal.setitimer(timer, seconds)[0], clock()
    try:
        yield
    finally:
        left = max(earlier - (clock() - begun), 1e-3) if earlier else 0
        signal.setitimer(timer, left)
        signal.signal(number, handler)
