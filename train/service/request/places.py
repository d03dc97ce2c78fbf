"""What a request may name: one folder name, or a path under the base path. Nothing leads out of it."""

import re
from pathlib import Path

from callproof.config import FOLDER_PATTERN

MAX_NAME = 100
_SEGMENT = re.compile(FOLDER_PATTERN)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)


class NotHere(ValueError):
    """A name or path that is refused; the text says what was expected."""


def checked_name(name: str) -> str:
    """The name of a folder directly under the base path; raises NotHere."""
    if len(name) > MAX_NAME or not _SEGMENT.fullmatch(name):
        problem = f"expected one name of letters, digits, '_', '.' and '-' (at most {MAX_NAME}), got {name[:100]!r}"
        raise NotHere(problem)
    return name


def folder_under(base: Path, path: str) -> Path:
    """The folder under the base path that a relative path names, or an absolute one that lies there.

    Raises:
        NotHere: it leads out, also by a symbolic link, or there is no such folder.
    """
    relative = path.removeprefix(f"{base}/")
    segments = relative.rstrip("/").split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise NotHere(f"expected a path under --base-path, of plain names, got {path[:100]!r}")
    folder = base.joinpath(*segments)
    if not folder.resolve().is_relative_to(base.resolve()):
        raise NotHere(f"{relative[:100]!r} leads out of --base-path")
    if not folder.is_dir():
        raise NotHere(f"there is no folder {relative[:100]!r} under --base-path")
    return folder


def base_model(base: Path, name: str) -> str:
    """A base model: the absolute path of a folder under the base path, or the id of a model on the hub.

    Raises:
        NotHere: it is neither.
    """
    is_id = _HUB_ID.fullmatch(name) and ".." not in name and not name.startswith("models/")
    if is_id and not base.joinpath(name).exists():
        return name
    folder = folder_under(base, name)
    if not (folder / "config.json").is_file():
        raise NotHere(f"the folder {name[:100]!r} holds no model (no config.json)")
    return str(folder)
