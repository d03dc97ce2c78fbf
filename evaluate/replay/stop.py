"""Ending a replay early: Ctrl-C, SIGTERM, or the end of its time."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Literal, Self

from callproof.console import say
from callproof.console.signals import on_signals

StopReason = Literal["interrupted", "out of time"]


class Stopped(Exception):
    """The run ended early; `--resume` continues it."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason: StopReason = reason


class Stop:
    """A context manager around the requests of a run, inside a running event loop.

    After the first signal no new request is sent, and answers in flight still land, so that no turn is asked twice. A
    second signal, or the end of the time, drops the answers in flight.

    Args:
        limit_s: seconds until the time is up; None: no limit.
        drop: cancels the requests in flight.
    """

    def __init__(self, limit_s: float | None, drop: Callable[[], None]) -> None:
        self.reason: StopReason | None = None
        self._limit_s, self._drop = limit_s, drop
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._limit_s is not None:
            self._timer = self._loop.call_later(self._limit_s, self._expire)
        if threading.current_thread() is threading.main_thread():
            self._signals.enter_context(on_signals(self._interrupt))
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        self._signals.close()

    async def rest(self, seconds: float) -> bool:
        """Wait some seconds, or until the stop; returns whether to go on."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        return self.reason is None

    def _interrupt(self) -> None:
        if self.reason is None:
            say("stopping: waiting for the answers in flight; Ctrl-C again drops them")
            self._end("interrupted")
        else:
            self._drop()

    def _expire(self) -> None:
        self._end("out of time")
        self._drop()

    def _end(self, reason: StopReason) -> None:
        self.reason = self.reason or reason
        self._event.set()
