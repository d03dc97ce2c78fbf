"""Versions of adapters: copies that never change, named after the hash of their files.

vLLM tells adapters apart by name and path, in its prefix cache too. A path that always holds the same weights therefore
keeps the cache from mixing two adapters up. The server reads the copy, so it must see the same file system.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from callproof.console import say_once
from callproof.errors import UserError, cause_of
from callproof.records import Record

from ..start import ADAPTER_FILES, check_adapter, of_option


class Version(Record):
    """A copy of an adapter. `name` is `<adapter>@<12 hex digits>`; `path` is absolute."""

    name: str
    path: Path


def publish(name: str, place: str, versions: Path) -> Version:
    """Check the adapter at `place` and copy it into the folder `versions`, unless this version is there already.

    Raises:
        UserError: there is no adapter at `place`, vLLM refuses it, or it cannot be copied.
    """
    source = of_option(f"{name}={place}")
    for note in check_adapter(source.where, source.config, source.folder).notes:
        say_once(note)
    files = [source.folder / file for file in ADAPTER_FILES if (source.folder / file).is_file()]
    full = f"{name}@{_digest(files)}"
    target = versions.resolve() / full
    if not target.is_dir():
        try:
            _copy(files, target)
        except OSError as error:
            raise UserError(target, f"cannot be written ({cause_of(error)})", "choose another --versions") from None
    return Version(name=full, path=target)


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}:{file.stat().st_size}:".encode())
        with file.open("rb") as stream:
            while piece := stream.read(2**20):
                digest.update(piece)
    return digest.hexdigest()[:12]


def _copy(files: list[Path], target: Path) -> None:
    """Copy all files or none: the folder gets its name once every file is in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
    try:
        for file in files:
            shutil.copyfile(file, staged / file.name)
        staged.chmod(0o755)
        staged.rename(target)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
