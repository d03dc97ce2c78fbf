"""Two things at once: sessions are encoded in a forked process while the libraries are imported in this one."""

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from callproof.errors import UserError

Made = TypeVar("Made")


def beside(meanwhile: Callable[[], object], work: Callable[[], Made]) -> Made:
    """Run `work()` in a forked process while `meanwhile()` runs here; returns what `work` returns.

    On other systems than Linux they run one after the other.

    Raises:
        UserError: the one that `work` raised.
    """
    if sys.platform != "linux":
        meanwhile()
        return work()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work), daemon=True)
    process.start()
    sender.close()
    meanwhile()
    try:
        made = receiver.recv()
    except (EOFError, OSError):  # the process was killed: run here, `work` shows its own error
        return work()
    finally:
        process.join()
    if isinstance(made, UserError):
        raise made
    return made


def _send(sender: Connection, work: Callable[[], object]) -> None:
    try:
        sender.send(work())
    except UserError as error:
        sender.send(error)
    except KeyboardInterrupt:  # the parent was interrupted too, and says so
        return
