"""Sessions that a user's own code builds: `data.load_module: my.module` with

    def build_sessions(config: RunConfig, split: "train" | "eval") -> Iterable[Session | dict]: ...

Where it takes no `split`, it gives the training sessions, and `data.eval` or `data.eval_share` those of evaluation.
`config.data.options` holds what the YAML file says to the module alone. A dictionary is a record in any form that
`callproof.sessions.forms` reads. The module is found as `import` finds it, or else in the working directory.
"""

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from callproof.config import RunConfig, Split
from callproof.errors import UserError

from .sessions import Session, to_session, unique


def module_sessions(config: RunConfig, module_name: str, split: Split = "train") -> Iterator[tuple[str, Session]]:
    """(place, session) of each item that `build_sessions` yields; the place is `module: session 3`.

    Raises:
        UserError: no such module or function, any exception of its code (with the line in the module), or an item that
            is not a session.
    """
    yield from unique(
        (where, _session(item, where, f"{module_name}:{where.rsplit(' ', 1)[1]}"))
        for where, item in _items(config, module_name, split)
    )


def _session(item: Any, where: str, name: str) -> Session:
    if isinstance(item, Session):
        return item
    if not isinstance(item, dict):
        mend = "yield callproof.sessions.Session, or a record as docs/reference/data.md shows it"
        raise UserError(where, f"expected a session or a dictionary, got {type(item).__name__}", mend)
    return to_session(item, where, name)


def builds_eval(module_name: str) -> bool:
    """Whether the user's function takes a split, and so gives the sessions of evaluation too.

    Raises:
        UserError: an exception of the module.
    """
    try:
        build = getattr(_imported(module_name), "build_sessions", None)
        return callable(build) and _takes_split(build)
    except Exception as error:  # any error of code that is not ours is the user's to mend
        raise _failure(module_name, error) from None


def _takes_split(build: Any) -> bool:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in kinds for parameter in inspect.signature(build).parameters.values()) > 1


def _items(config: RunConfig, module_name: str, split: Split) -> Iterator[tuple[str, Any]]:
    """(place, item) of what the user's code yields; its exceptions become UserErrors."""
    try:
        module = _imported(module_name)
        build = getattr(module, "build_sessions", None)
        given = (config, split) if callable(build) and _takes_split(build) else (config,)
        built: Any = build(*given) if callable(build) else None
        items = iter(built) if callable(build) else None
    except Exception as error:  # any error of code that is not ours is the user's to mend
        raise _failure(module_name, error) from None
    if items is None:
        raise UserError(module_name, "has no function build_sessions", "define build_sessions(config, split)")
    number = 0
    while True:
        number += 1
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:  # likewise
            raise _failure(module_name, error) from None
        yield f"{module_name}: session {number}", item


def _imported(module_name: str) -> ModuleType:
    """The module; the working directory is searched last, since a console script does not search it at all."""
    folder = str(Path.cwd())
    if folder not in sys.path and "" not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(module_name)


def _failure(module_name: str, error: Exception) -> UserError:
    """The UserError for an exception of the user's code, with the innermost line of its module."""
    line = _line(module_name, error)
    problem = f"{type(error).__name__}: {error}"
    return UserError(f"{module_name}:{line}" if line else module_name, problem, "mend the module of data.load_module")


def _line(module_name: str, error: Exception) -> int | None:
    if isinstance(error, SyntaxError):
        return error.lineno
    ending = f"{module_name.replace('.', '/')}.py"
    package = f"{module_name.replace('.', '/')}/__init__.py"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename.replace("\\", "/").endswith((ending, package))]
    return lines[-1] if lines else None
