"""A started server from the first line of its log to Ctrl-C, shown to people."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .plan import Plan
from .process import Server

if TYPE_CHECKING:
    from rich.console import Console

QUIET_PROGRESS_S = 15.0


def run_server(plan: Plan, server: Server, timeout_s: float) -> int:
    """Start, announce on stdout, wait; every process of it is gone when this returns."""
    from rich.console import Console

    console = Console(stderr=True)
    console.print(
        f"vLLM configuration {server.log.with_name('vllm.yaml')}, log {server.log}", highlight=False, soft_wrap=True
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with server:
        with _progress(console) as progress:
            seconds = server.wait_until_healthy(plan.url, timeout_s, progress)
        try:
            _announce(plan, seconds, console)
            server.wait()
        except KeyboardInterrupt:
            console.print("stopping vLLM")
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _progress(console: "Console") -> Iterator[Callable[[float, str], None]]:
    """Seconds and the last log line: live on a terminal, otherwise a line now and then."""
    if console.is_terminal:
        with console.status("starting vLLM") as status:
            yield lambda seconds, line: status.update(f"starting vLLM, {seconds:.0f} s: {_escape(line)[:100]}")
        return
    shown = time.monotonic()

    def report(seconds: float, line: str) -> None:
        nonlocal shown
        if time.monotonic() - shown >= QUIET_PROGRESS_S:
            shown = time.monotonic()
            console.print(
                f"starting vLLM, {seconds:.0f} s: {line[:160]}", markup=False, highlight=False, soft_wrap=True
            )

    yield report


def _escape(line: str) -> str:
    from rich.markup import escape

    return escape(line)


def _announce(plan: Plan, seconds: float, console: "Console") -> None:
    names = ", ".join(adapter.name for adapter in plan.adapters)
    text = f"ready after {seconds:.0f} s: base {plan.served_name}, adapters {names}; stop with Ctrl-C"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    print(f"ready {plan.url}", flush=True)
