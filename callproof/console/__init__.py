"""What every command line shares: options and verbs, progress, safe display, HTML pages, CI files, worker processes.

Here stands what `--help` needs; pages, CI files and workers import more, and are imported by name.
"""

from .command_line import (
    Parser,
    add_config,
    add_overrides,
    count,
    fraction,
    last_line,
    number,
    port,
    positive,
    say,
    seconds,
    with_verb,
)
from .display import visible
from .progress import Steps, counted
from .verb import Act, Command, Verb, late

__all__ = [
    "Act",
    "Command",
    "Parser",
    "Steps",
    "Verb",
    "add_config",
    "add_overrides",
    "count",
    "counted",
    "fraction",
    "last_line",
    "late",
    "number",
    "port",
    "positive",
    "say",
    "seconds",
    "visible",
    "with_verb",
]
