"""A verb of the command line as one table: its commands, what each takes and does, and what its exit codes mean."""

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from callproof.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_PASS, EXIT_USAGE, UserError, missing_package

from .command_line import Parser, with_verb
from .levels import LEVELS, set_level, take_dotenv

Options = Callable[[ArgumentParser], None]
Act = Callable[[Namespace], int]

POSIX_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")

COMMON_EXITS = {
    EXIT_USAGE: "wrong usage, configuration or data",
    EXIT_INTERNAL: "an internal error; --debug shows its traceback",
    EXIT_INTERRUPTED: "interrupted",
}
"""Of every command, beside 0."""


@dataclass(frozen=True)
class Command:
    """A command of a verb.

    Attributes:
        summary: one line, for the verb's help.
        options: declares what the command takes.
        act: does it, from parsed arguments to the exit code.
        manual: for the command's own help; default: the summary.
    """

    summary: str
    options: Options
    act: Act
    manual: str | None = None


@dataclass(frozen=True)
class Verb:
    """`callproof NAME`: its manual, its commands, and which of them runs where none is named.

    Attributes:
        exits: what exit codes mean beside `COMMON_EXITS`, 0 included.
        examples: command lines, one a line.
        notes: a paragraph after the exit codes.
    """

    name: str
    manual: str
    commands: Mapping[str, Command]
    default: str
    exits: Mapping[int, str]
    examples: str
    notes: str = ""

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run one command; returns its exit code. Its arguments hold the words as given, as `words`.

        Raises:
            UserError: wrong usage, a command that needs what Windows lacks, or what the command raises.
        """
        words = with_verb(self._program, sys.argv[1:] if argv is None else argv, tuple(self.commands), self.default)
        args = self.parser().parse_args(words)
        args.words = words
        _prepare(args)
        if getattr(args, "overrides", None) and not args.config:
            where = f"{self._program} {args.command}: {' '.join(args.overrides)}"
            raise UserError(where, "sets keys of a configuration, and none is given", "add --config, or leave it out")
        try:
            return self.commands[args.command].act(args)
        except ImportError as error:
            if mistake := self._unimportable(error, args.command):
                raise mistake from None
            raise

    def _unimportable(self, error: ImportError, command: str) -> UserError | None:
        """The mistake behind an import that failed: an extra, or what Windows lacks; None: a bug."""
        if error.name in POSIX_MODULES:
            problem = f"runs on Linux and macOS (Python has no {error.name} here)"
            return UserError(command, problem, "use WSL or a container")
        return missing_package(error, f"{self._program} {command}")

    def parser(self) -> ArgumentParser:
        """What reads the words; its `command` is the name of one."""
        form = argparse.RawDescriptionHelpFormatter
        parser = Parser(prog=self._program, description=self.manual, epilog=self._epilog(), formatter_class=form)
        names = parser.add_subparsers(dest="command", metavar=f"{{{','.join(self.commands)}}}", required=True)
        for name, command in self.commands.items():
            marked = f"{command.summary} (the default)" if name == self.default else command.summary
            manual = command.manual or f"{command.summary[0].upper()}{command.summary[1:]}."
            options = names.add_parser(name, help=marked, description=manual, formatter_class=form)
            _declare(command, options)
        return parser

    @property
    def _program(self) -> str:
        return f"callproof {self.name}"

    def _epilog(self) -> str:
        exits = dict(sorted({EXIT_PASS: "done", **self.exits, **COMMON_EXITS}.items()))
        codes = "".join(f"  {code:<4} {meaning}\n" for code, meaning in exits.items())
        notes = f"\n{self.notes.strip()}\n" if self.notes else ""
        return f"examples:\n{self.examples.rstrip()}\n\nexit codes:\n{codes}{notes}"


@dataclass(frozen=True)
class Standalone:
    """`callproof NAME`, a command that belongs to no verb."""

    name: str
    command: Command

    def main(self, argv: Sequence[str]) -> int:
        """Run it; returns its exit code. Raises a UserError for wrong usage, or what it raises."""
        args = self.parser().parse_args(argv)
        _prepare(args)
        return self.command.act(args)

    def parser(self) -> ArgumentParser:
        """What reads the words."""
        manual = self.command.manual or self.command.summary
        form = argparse.RawDescriptionHelpFormatter
        parser = Parser(prog=f"callproof {self.name}", description=manual, formatter_class=form)
        _declare(self.command, parser)
        return parser


def _declare(command: Command, parser: ArgumentParser) -> None:
    """Declare the options of a command, and those of all commands."""
    command.options(parser)
    parser.add_argument("--log-level", type=str.lower, choices=LEVELS, help="of lines on stderr (info)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _prepare(args: Namespace) -> None:
    set_level(args.log_level)
    take_dotenv()


def late(module: str, function: str) -> Act:
    """What a command does, imported when it runs: `--help` then needs no more than the options."""

    def act(args: Namespace) -> int:
        return getattr(import_module(module), function)(args)

    return act
