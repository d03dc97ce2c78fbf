"""The verbs of `python -m bench`: `run` where none is given, and `overhead`; each has its own --help."""

import importlib
import sys

from callproof.command_line import with_verb
from callproof.errors import exit_with

VERBS = {"run": "bench.cli", "overhead": "bench.overhead"}


def main() -> int:
    words = sys.argv[1:]
    verb, *rest = with_verb("python -m bench", words, tuple(VERBS), default="run")
    if verb not in VERBS:
        verb, rest = "run", words
    return importlib.import_module(VERBS[verb]).main(rest)


if __name__ == "__main__":
    exit_with(main)
