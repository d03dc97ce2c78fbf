"""The error model.

A mistake that the user can correct (a bad file, an unknown key, a dead endpoint) is a `UserError`: one line that says
where it is, what is wrong and what to do, and exit code 2. A bad answer of a model is data, never an error. Any other
exception is a bug of callproof, or of what it stands on: one line too, exit code 70, and its traceback with `--debug`.
"""

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

EXIT_PASS = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_INCONCLUSIVE = 4
EXIT_FLOOR = 5
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_OF_THE_PLACE = {
    *(errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENAMETOOLONG),
    *(errno.ENFILE, errno.ENOSPC, errno.EPERM, errno.EROFS),
}
"""Numbers of an OSError that tell of a disk, a permission or a limit, wherever they come up."""


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
        return in_one_line(f"{where}: {problem}; {mend}")


def in_one_line(text: str) -> str:
    """The text on one line; what a terminal would obey (escapes, text direction) is spelt, such as `\\x1b`."""
    flat = " ".join(text.split())
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in flat)


def cause_of(error: OSError) -> str:
    """What an OSError says, also where it carries no words of the system."""
    return error.strerror or (os.strerror(error.errno) if error.errno else str(error) or type(error).__name__)


def relative_to(path: object) -> str:
    """What to do about a path that leads nowhere; of a relative one, where it starts."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else str(path)
    start = "" if os.path.isabs(text) else f": it is relative to the working directory, {os.getcwd()}"
    return f"check the path{start}"


EXTRAS = {
    **dict.fromkeys(
        "torch transformers trl peft datasets accelerate huggingface_hub safetensors tokenizers tqdm".split(), "train"
    ),
    **dict.fromkeys("fastapi starlette uvicorn multipart python_multipart".split(), "service"),
    "vllm": "serve",
}
"""Name in an import -> the extra that brings it."""


def missing_package(error: ImportError, where: str) -> UserError | None:
    """The error to raise for an import that failed because an extra is not installed; None for any other.

    A folder of a package's name in the working directory (`datasets/`) is imported in its place where it is missing,
    and has nothing in it: that is said too.
    """
    package = (error.name or "").split(".")[0]
    extra = EXTRAS.get(package)
    shadowed = not isinstance(error, ModuleNotFoundError) and error.path is None
    if extra is None or not (isinstance(error, ModuleNotFoundError) or shadowed):
        return None
    folder = f", and the folder {package}/ here is no such package" if Path(package).is_dir() else ""
    problem = f"needs the package {package}, which is not installed{folder}"
    return UserError(where, problem, f"pip install 'callproof[{extra}]'")


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Run a command line's `main` and exit with its code; whatever it raises is one line on stderr.

    Exit codes: 2 after a `UserError` and where a disk or a permission stands in the way, 130 after Ctrl-C, 141 where
    the reader of stdout has gone (in silence), 70 after any other exception. `--debug` anywhere among the words, up to
    `--`, adds the traceback.
    """
    debug = _take_debug()
    _write_any_character()
    try:
        code = main()
        sys.stdout.flush()
    except SystemExit:
        raise
    except BaseException as error:
        code = _code_of(error, debug)
    for stream in (sys.stdout, sys.stderr):
        _let_go_of(stream)
    sys.exit(code)


def _take_debug() -> bool:
    """Whether `--debug` stands among the words of this process; it is taken out of them."""
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    words = sys.argv[:end]
    sys.argv[:end] = [word for word in words if word != "--debug"]
    return "--debug" in words


def _write_any_character() -> None:
    """A stream of few characters, such as ASCII, takes `\\xe9` for those that it does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _code_of(error: BaseException, debug: bool) -> int:
    """The exit code after an exception, which is told in one line on stderr."""
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        code, line = EXIT_INTERRUPTED, "interrupted"
    elif isinstance(error, UserError):
        code, line = EXIT_USAGE, f"error: {error}"
    elif isinstance(error, OSError) and error.errno in _OF_THE_PLACE:
        mend = "choose another place, or free some space"
        code, line = EXIT_USAGE, f"error: {UserError(error.filename or 'standard output', cause_of(error), mend)}"
    else:
        code, line = EXIT_INTERNAL, f"internal error: {_internal(error)}"
    with suppress(OSError):  # stderr may be what is full
        print(line, file=sys.stderr, flush=True)
    return code


def _internal(error: BaseException) -> str:
    """Kind, words and place of an exception, on one line of bounded length."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    place = f" (at {os.path.basename(own[-1].filename)}:{own[-1].lineno})" if own else ""
    words = in_one_line(str(error))[:300]
    return f"{type(error).__name__}{': ' if words else ''}{words}{place}; run it with --debug for the traceback"


def _let_go_of(stream: TextIO) -> None:
    """Keep the interpreter from writing to a stream that has gone, or is full, once more when it ends."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
