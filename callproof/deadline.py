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
def deadline(seconds: float) -> Iterator[None]:
    """Raise a TimeoutError in the block where it takes longer than some seconds of the clock.

    It interrupts Python's own code, in the main thread of systems that have timers (not Windows); elsewhere the block
    is not bounded. A timer that ran before goes on after the block.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(*_: object) -> NoReturn:
        raise TimeoutError(f"took longer than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, end)
    earlier, begun = signal.setitimer(signal.ITIMER_REAL, seconds)[0], time.monotonic()
    try:
        yield
    finally:
        left = max(earlier - (time.monotonic() - begun), 1e-3) if earlier else 0
        signal.setitimer(signal.ITIMER_REAL, left)
        signal.signal(signal.SIGALRM, handler)
