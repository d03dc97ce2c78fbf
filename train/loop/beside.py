"""Work in a process of its own meanwhile: sessions are encoded while libraries are imported."""

import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from callproof.errors import UserError

Made = TypeVar("Made")


def beside(meanwhile: Callable[[], object], work: Callable[[], Made]) -> Made:
    """What `work()` returns, made in a forked process during `meanwhile()`; one after the other off Linux.

    Raises:
        UserError: that of `work`.
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
    except (EOFError, OSError):  # killed, or in the middle of its answer; made here, work shows its own error
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
