"""What all command lines share: a parser whose errors are one line, the types of options, and KEY=VALUE overrides."""

import argparse
import difflib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from callproof.errors import UserError

from .levels import is_said


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises a UserError instead of exiting; KEY=VALUE words may stand anywhere."""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Add leftover words to the overrides: argparse fills a positional argument from one place of the line only."""
        options, rest = super().parse_known_args(args, namespace)
        if hasattr(options, "overrides"):
            options.overrides = [*options.overrides, *(word for word in rest if not word.startswith("-"))]
            rest = [word for word in rest if word.startswith("-")]
        return options, rest

    def error(self, message: str) -> NoReturn:
        raise UserError(self.prog, message, f"see {self.prog} --help")


class Said(NamedTuple):
    """A line for people; `matter`: what it tells, where it is to be said once of several places."""

    text: str
    matter: str | None = None


_HELD: list[list[Said]] = []
_MATTERS: set[str] = set()


def say(text: str) -> None:
    """Print a line for people on stderr; stdout carries results only."""
    if is_said():
        print(text, file=sys.stderr, flush=True)


def say_once(text: str, matter: str | None = None) -> None:
    """`say` it the first time; data that is read twice need not be told of twice."""
    key = matter or text
    if key in _MATTERS:
        return
    _MATTERS.add(key)
    if _HELD:
        _HELD[-1].append(Said(text, matter))
    else:
        say(text)


def forget_said() -> None:
    """Let `say_once` say all again."""
    _MATTERS.clear()


@contextmanager
def held_back() -> Iterator[list[Said]]:
    """Lines of `say_once` in the block go into a list, for the process that this one works for to say."""
    _HELD.append([])
    try:
        yield _HELD[-1]
    finally:
        _HELD.pop()


def last_line(result: Mapping[str, Any]) -> None:
    """A command's result for scripts: one JSON object, the last line of stdout."""
    narrow = "utf" not in (sys.stdout.encoding or "").lower()
    print(json.dumps(result, ensure_ascii=narrow), flush=True)


def count(text: str) -> int:
    """The type of an option that takes a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("expected a whole number")
    return int(text)


def positive(text: str) -> int:
    """The type of an option that takes a whole number from 1."""
    if count(text) < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return int(text)


def number(low: float, high: float = math.inf, *, above: bool = False) -> Callable[[str], float]:
    """The type of an option that takes a finite number from `low` to `high`, both included; `above`: low is not."""
    start = f"above {low:g}" if above else f"from {low:g}"
    expected = f"expected a number {start}" + (f" to {high:g}" if high < math.inf else "")

    def parse(text: str) -> float:
        value = _finite(text)
        if value is None or not low <= value <= high or (above and value == low):
            raise argparse.ArgumentTypeError(expected)
        return value

    return parse


fraction = number(0, 1)
"""The type of an option that takes a share, such as 0.02 for two per cent."""


def seconds(text: str) -> float:
    """The type of an option that takes a time limit in seconds."""
    value = _finite(text)
    if value is None or value <= 0:
        raise argparse.ArgumentTypeError("expected a number of seconds above 0")
    return value


def port(text: str) -> int:
    """The type of an option that takes a TCP port."""
    if not 1 <= count(text) <= 65535:
        raise argparse.ArgumentTypeError("expected a number from 1 to 65535")
    return int(text)


def _finite(text: str) -> float | None:
    """The number that a text is; None for other text, infinities and NaN."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def add_config(parser: argparse.ArgumentParser, meaning: str, *, required: bool = True, several: bool = False) -> None:
    """Declare `--config` and the `KEY=VALUE` words that set keys of it, for `callproof.config.load`.

    Args:
        meaning: what the command takes from it, for `--help`.
        several: it may be repeated; the words then set keys of each.
    """
    add = parser.add_argument
    if several:
        add("--config", type=Path, action="append", default=[], required=required, metavar="YAML", help=meaning)
    else:
        add("--config", type=Path, required=required, metavar="YAML", help=meaning)
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Accept `KEY=VALUE` words; the parsed `overrides` are what `callproof.config.load` takes."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="set keys of the configuration, after the options: train.learning_rate=1e-4 lora.r=8",
    )


def with_verb(prog: str, words: Sequence[str], verbs: Sequence[str], default: str) -> list[str]:
    """The words of a command line, with the default verb put first where they name none.

    Raises:
        UserError: the first word is neither a verb nor an option.
    """
    if words and (words[0] in verbs or words[0] in ("-h", "--help")):
        return list(words)
    if words and not words[0].startswith("-"):
        near = difflib.get_close_matches(words[0], verbs, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"{prog} {words[0]}", "unknown verb", f"{meant}verbs: {', '.join(verbs)}")
    return [default, *words]
