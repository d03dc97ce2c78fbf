"""`callproof train service`: what it listens on, and under which conditions."""

import os
import signal
import socket
from argparse import Namespace
from pathlib import Path

from callproof.console import say
from callproof.console.own_site import LOOPBACK
from callproof.errors import EXIT_PASS, UserError, cause_of

from ..before.preflight import check_tracker
from .jobs import Jobs
from .runner import KEY_VARIABLE, Runner

_GIB = 2**30


def serve(args: Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; prints `ready <url>` to stdout when it can be reached.

    Raises:
        UserError: the libraries are missing, the folder or the port cannot be used, or another host has no key.
    """
    check_tracker("--report-to", args.report_to)
    try:
        import uvicorn

        from .app import Service, make_app
    except ModuleNotFoundError as error:
        problem = f"package {error.name} is not installed"
        raise UserError("callproof train service", problem, "run: pip install 'callproof[service]'") from None
    key = _key(args.api_key)
    local = args.host in LOOPBACK
    if not (local or key):
        problem = "is reachable from other machines, and nothing keeps them out"
        raise UserError(f"--host {args.host}", problem, f"set {KEY_VARIABLE} or --api-key, or leave --host out")
    jobs = _jobs(args.base_path)
    runner = Runner(jobs, args.queue, args.report_to)
    service = Service(jobs, runner, int(args.max_upload * _GIB), key, LOOPBACK if local else None)
    config = uvicorn.Config(
        make_app(service), log_level="warning", ws="none", server_header=False, timeout_graceful_shutdown=2
    )
    with _listening(args.host, args.port) as listener:
        host = f"[{args.host}]" if ":" in args.host else args.host
        say(f"jobs and adapters are kept in {jobs.base}; stop with Ctrl-C")
        print(f"ready http://{host}:{listener.getsockname()[1]}", flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn stops on them, and raises them once more afterwards
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run([listener])
    if job := runner.training():
        say(f"job {job.id} goes on without the service; start it again to watch, cancel or resume")
    return EXIT_PASS


def _key(option: str | None) -> str | None:
    key = option if option is not None else os.environ.get(KEY_VARIABLE)
    if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
        raise UserError("the key of the service", "is empty or holds what no HTTP header can carry", "set another one")
    return key


def _jobs(base: Path) -> Jobs:
    try:
        return Jobs(base.resolve())
    except OSError as error:
        raise UserError(f"--base-path {base}", f"cannot be used ({cause_of(error)})", "name a folder") from None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        raise UserError(
            f"{host}:{port}", f"cannot be used ({cause_of(error)})", "give another --host or --port"
        ) from None
    return listener
