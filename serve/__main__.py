"""Serve a base model and its adapters with vLLM, one server for all of them.

    python -m serve --config configs/car_sales.yaml --config configs/insurance.yaml
    python -m serve --config configs/car_sales.yaml --print       # the vLLM command line instead
    python -m serve --config configs/car_sales.yaml serve.max_num_seqs=8

Checks the configurations and adapters, writes vLLM's configuration, starts vLLM, waits until it is healthy, prints
`ready <url>` on standard output, and stops every process of it on Ctrl-C or SIGTERM. A client picks an adapter by
`model`.
"""

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from callproof.command_line import Parser, add_overrides
from callproof.config import load
from callproof.errors import exit_with
from serve.command import environment, installed_wheel, require_wheel, shell_line, start_command, vllm_yaml
from serve.plan import Plan, make_plan
from serve.process import Server, check_port

if TYPE_CHECKING:
    from rich.console import Console

QUIET_PROGRESS_S = 15.0


def main() -> int:
    arguments = _parser().parse_args()
    configs = [(path, load(path, arguments.overrides)) for path in arguments.config]
    wheel = installed_wheel() if arguments.print else require_wheel()
    plan = make_plan(configs, wheel.device if wheel else "gpu", arguments.host, arguments.port)
    if arguments.print:
        print(shell_line(plan, None))
        if wheel and not wheel.has_script:
            print(f"the script of the CPU wheel does not start; here: {shell_line(plan, wheel)}", file=sys.stderr)
        return 0
    check_port(plan.host, plan.port)
    config_file = arguments.log.with_name("vllm.yaml")
    config_file.parent.mkdir(parents=True, exist_ok=True)
    config_file.write_text(vllm_yaml(plan), encoding="utf-8")
    return _serve(
        plan, Server(start_command(require_wheel(), config_file), environment(plan), arguments.log), arguments
    )


def _serve(plan: Plan, server: Server, arguments: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(stderr=True)
    console.print(
        f"vLLM configuration {server.log.with_name('vllm.yaml')}, log {server.log}", highlight=False, soft_wrap=True
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with server:
        with _progress(console) as progress:
            seconds = server.wait_until_healthy(plan.url, arguments.timeout, progress)
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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--config", type=Path, action="append", required=True, metavar="FILE", help="one per adapter; repeat it"
    )
    parser.add_argument("--host", help="overrides serve.host")
    parser.add_argument("--port", type=int, help="overrides serve.port")
    parser.add_argument(
        "--log", type=Path, default=Path("outputs/serve/vllm.log"), help="vLLM's log; vllm.yaml is beside it"
    )
    parser.add_argument("--timeout", type=float, default=1800.0, metavar="SECONDS", help="for the start (1800)")
    parser.add_argument("--print", action="store_true", help="print the equivalent vLLM command line, start nothing")
    add_overrides(parser)
    return parser


if __name__ == "__main__":
    exit_with(main)
