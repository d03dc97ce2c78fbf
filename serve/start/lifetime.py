"""A started server from the first line of its log to Ctrl-C, shown to people."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from callproof.console import Phases, Steps, say

from .plan import Plan
from .process import Server

if TYPE_CHECKING:
    from rich.console import Console


def run_server(plan: Plan, server: Server, timeout_s: float, hints: Sequence[str] = ()) -> int:
    """Start, announce on stdout, wait; every process of it is gone when this returns.

    Args:
        hints: commands that print how to ask its adapters, said once it is ready.
    """
    from rich.console import Console

    console = Console(stderr=True)
    console.print(
        f"vLLM configuration {server.log.with_name('vllm.yaml')}, log {server.log}", highlight=False, soft_wrap=True
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with server:
        with _progress() as progress:
            seconds = server.wait_until_healthy(plan.url, timeout_s, progress)
        try:
            _announce(plan, seconds, hints, console)
            server.wait()
        except KeyboardInterrupt:
            console.print("stopping vLLM")
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    """Takes the seconds since the start and vLLM's phase, and shows both; tells at the end how long each took."""
    phases = Phases("starting vLLM", _not_beside_a_bar)
    current = ""

    def report(seconds: float, phase: str) -> None:
        nonlocal current
        current = phase
        phases.begin(phase)
        steps.reach(int(seconds))

    with Steps("starting vLLM", tell=lambda seconds, _: f"{seconds} s: {current}") as steps:
        yield report
    say(phases.summary())


def _not_beside_a_bar(line: str) -> None:
    """Print a line where stderr is no terminal; on one, the bar shows the same."""
    if not sys.stderr.isatty():
        say(line)


def _announce(plan: Plan, seconds: float, hints: Sequence[str], console: "Console") -> None:
    names = ", ".join(adapter.name for adapter in plan.adapters)
    text = f"ready after {seconds:.0f} s: base {plan.served_name}, adapters {names}; stop with Ctrl-C"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    for hint in hints:
        line = f"a request with prompt and tools as trained, for curl or openai: {hint}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    print(f"ready {plan.url}", flush=True)
