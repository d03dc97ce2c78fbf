"""Runs a command in its own process group, and ends the whole group when standard input closes.

    python serve/start/guard.py GRACE_SECONDS COMMAND...

vLLM runs as several processes. The process that starts this one holds the other end of the pipe; when it closes it or
is killed, all of vLLM ends. Exits with the command's exit code, and never leaves a process behind.

The group stays in the caller's session, because Linux divides processor time between sessions first (autogroup): a
client in one session can wait a tenth of a second for each answer while a server in another session is busy.
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
    """Send TERM to every process of the group, and KILL to those still there after the grace period."""
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
