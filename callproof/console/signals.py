"""Ctrl-C and SIGTERM inside an event loop, on every system."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_signals(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in the running event loop at each Ctrl-C or SIGTERM, while the block runs; in the main thread only.

    The handlers of before come back at the end. Windows has no signals in its event loops; there a handler of the
    process wakes the loop.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in STOPS}
    for number in STOPS:
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))
    try:
        yield
    finally:
        for number, handler in before.items():
            _forget(loop, number)
            signal.signal(number, handler)


def _forget(loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    try:
        loop.remove_signal_handler(number)
    except NotImplementedError:
        return
