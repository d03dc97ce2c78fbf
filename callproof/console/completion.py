"""Completion of command lines in a shell, by argcomplete: at every TAB the shell asks this program what may follow."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence

from .command_line import Parser
from .verb import Command, Standalone, Verb, late

SHELLS = ("bash", "zsh", "fish")
ASKED = "_ARGCOMPLETE"
"""Set where the shell asks; argcomplete reads from it how many words stand before the arguments."""
_MANUAL = """Print what makes a shell complete `callproof`; it asks the program itself, so it knows every option.

  bash    eval "$(callproof completion bash)"      in ~/.bashrc
  zsh     eval "$(callproof completion zsh)"       in ~/.zshrc, after compinit
  fish    callproof completion fish | source       in ~/.config/fish/config.fish
"""


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def print_completion(args: Namespace) -> int:
    """Write the shell's code to stdout."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["callproof"], shell=args.shell))
    return 0


COMPLETION = Standalone(
    "completion",
    Command("print the completion of a shell", _options, late(__name__, print_completion.__name__), _MANUAL),
)


def complete(verbs: Mapping[str, Callable[[], Verb | Standalone]]) -> None:
    """Answer the shell's question and end the process.

    Args:
        verbs: the first word of a command line -> what gives its table.
    """
    from argcomplete.finders import CompletionFinder
    from argcomplete.lexers import split_line

    *_, words, _ = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))
    before, parser = _next_parser(words[1:], verbs)
    os.environ[ASKED] = str(before)
    CompletionFinder()(parser, always_complete_options="long")


def _next_parser(
    words: Sequence[str], verbs: Mapping[str, Callable[[], Verb | Standalone]]
) -> tuple[int, ArgumentParser]:
    """How many of a command line's words lead to a parser, the program included, and that parser."""
    if not words or words[0] not in verbs:
        parser = Parser(add_help=False)
        parser.add_argument("verb", choices=list(verbs))
        return 1, parser
    table = verbs[words[0]]()
    if isinstance(table, Standalone):
        return 2, table.parser()
    named = len(words) > 1 and words[1] in table.commands
    parser = Parser()
    if len(words) == 1:
        parser.add_argument("command", choices=list(table.commands))
    table.commands[words[1] if named else table.default].options(parser)
    return 2 + named, parser
