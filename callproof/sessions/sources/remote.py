"""Files that lie elsewhere (`s3://`, `https://`, ...), through fsspec where it is installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from glob import has_magic
from io import BufferedReader
from typing import Any

from callproof.errors import UserError


def is_remote(source: str) -> bool:
    """Whether a source is a URL."""
    return "://" in source


def remote_files(source: str) -> list[str]:
    """The files that a URL, a pattern of URLs or a remote folder stands for, in order.

    Raises:
        UserError: there is none, or a package is missing.
    """
    with _one_line(source):
        system, path = _system(source)
        if not source.startswith("http") and (has_magic(path) or system.isdir(path)):
            found = system.glob(path) if has_magic(path) else system.find(path)
            return [system.unstrip_protocol(file) for file in sorted(found)]
    return [source]


@contextmanager
def open_remote(url: str) -> Iterator[Any]:
    """Context manager that gives the file of a URL, open, binary, buffered.

    Raises:
        UserError: it cannot be read, or a package is missing.
    """
    with _one_line(url):
        system, path = _system(url)
        with system.open(path, "rb") as file:
            yield file if hasattr(file, "peek") else BufferedReader(file, 2**16)


def _system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UserError(url, "is read through fsspec, which is not installed", "pip install fsspec aiohttp") from None
    return url_to_fs(url)


@contextmanager
def _one_line(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        package = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}.get(url.split("://")[0], "fsspec")
        raise UserError(url, f"needs a package that is not installed ({error})", f"pip install {package}") from None
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(url, f"cannot be read ({reason})", "check the address") from None
