"""The right to train, one for all services on a folder: a lock on a file, which the training's own process holds.

The service takes the lock and gives it to the child that it starts, so the lock lives exactly as long as the training,
whatever becomes of the service, and no process id has to be trusted. The file names the job and its process group.
"""

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

_TRIES, _PAUSE_S = 20, 0.01
"""A look at the lock holds it for an instant, so one refusal is no proof that it is taken."""


class Holder(NamedTuple):
    """Who holds the slot: the job, and its process group once that has begun. A service at work names no job."""

    job: str | None = None
    group: int | None = None


class Held:
    """The slot in the hands of this process; closing it leaves it to a child that has `number`, or else frees it."""

    def __init__(self, number: int) -> None:
        self.number = number
        os.ftruncate(number, 0)

    def name(self, holder: Holder) -> None:
        """Write who holds the slot from now on."""
        text = json.dumps(holder._asdict()).encode()
        os.ftruncate(self.number, 0)
        os.pwrite(self.number, text, 0)

    def close(self) -> None:
        os.close(self.number)


class Slot:
    """The lock file of a folder."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def take(self) -> Held | None:
        """The slot, or None where a training or another service has it."""
        number = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return Held(number)
            time.sleep(_PAUSE_S)
        os.close(number)
        return None

    def holder(self) -> Holder | None:
        """Who holds the slot; None where it is free."""
        try:
            with self._file.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _read(file.read())
        except FileNotFoundError:
            pass
        return None


def _read(text: bytes) -> Holder:
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return Holder()
