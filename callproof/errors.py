"""The error model.

A mistake that the user can correct (a bad file, an unknown key, a dead endpoint) is a `UserError`: one line that says
where it is, what is wrong and what to do, and exit code 2. A bad answer of a model is data, never an error. Any other
exception is a bug of callproof and shows its traceback.
"""

import sys
from collections.abc import Callable
from typing import NoReturn

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_INCONCLUSIVE = 4
EXIT_FLOOR = 5
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A mistake that the user can correct.

    Args:
        where: the place, as `path`, `path:line`, a URL or an option.
        problem: what was expected and what came.
        mend: what to do about it, in the imperative.
    """

    def __init__(self, where: object, problem: str, mend: str) -> None:
        super().__init__(str(where), problem, mend)

    def __str__(self) -> str:
        where, problem, mend = self.args
        return " ".join(f"{where}: {problem}; {mend}".split())


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Run a command line's `main` and exit with its code, or 2 after a `UserError` (one line on stderr)."""
    try:
        code = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = EXIT_USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = EXIT_INTERRUPTED
    sys.exit(code)
