"""Which process speaks and writes, where a launcher has started several for one training."""

import os

from callproof.console import command_line


def is_main_process() -> bool:
    """Whether this process alone writes and prints, where several train (`RANK` is set by the launcher)."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """Print a line for people on stderr, from the main process alone."""
    if is_main_process():
        command_line.say(text)
