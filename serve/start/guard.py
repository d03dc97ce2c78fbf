"""Runs a command in a process group of its own and ends the whole group when standard input closes.

    python serve/start/guard.py GRACE_SECONDS COMMAND...

vLLM is several processes. Whoever holds the other end of the pipe stops all of them by closing it, and they end as well
when that process is killed. Exits with the command's code, and leaves nothing behind in either case.

They stay in the caller's session: Linux shares processors between sessions first (autogroup), so that a client beside a
busy server in another one may wait a tenth of a second for each answer that has come.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


def main(grace_s: float, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    try:
        threading.Thread(target=_wait_for_end_of_input, daemon=True).start()
        return child.wait()
    finally:
        _end_group(child, grace_s)


def _wait_for_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end_group(child: subprocess.Popen[bytes], grace_s: float) -> None:
    """TERM to every process of the group, and KILL to those that are left after the grace period."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
        until = time.monotonic() + grace_s
        while time.monotonic() < until:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
