"""What every command line shares: options and verbs, progress, safe display, HTML pages, CI files, worker processes.

Only what `--help` needs is re-exported here, so that help stays fast; import `html`, `ci` and `workers` by their names.
"""

from .command_line import (
    Parser,
    Said,
    add_config,
    add_overrides,
    count,
    fraction,
    held_back,
    last_line,
    number,
    port,
    positive,
    say,
    say_once,
    seconds,
    with_verb,
)
from .display import percent, points, visible
from .progress import Phases, Steps, counted, duration
from .verb import Act, Command, Standalone, Verb, late

__all__ = [
    "Act",
    "Command",
    "Parser",
    "Phases",
    "Said",
    "Standalone",
    "Steps",
    "Verb",
    "add_config",
    "add_overrides",
    "count",
    "counted",
    "duration",
    "fraction",
    "held_back",
    "last_line",
    "late",
    "number",
    "percent",
    "points",
    "port",
    "positive",
    "say",
    "say_once",
    "seconds",
    "visible",
    "with_verb",
]
