"""The members of a zip, those that are compressed with Zstandard too, which `zipfile` reads from Python 3.14 only."""

from pathlib import Path
from struct import unpack
from zipfile import BadZipFile, ZipFile, ZipInfo

from callproof.errors import UserError, cause_of

_ZSTANDARD = 93
_LOCAL_HEADER = 30


class Zipped:
    """A zip that is open for reading; a context manager.

    Raises:
        UserError: the file cannot be read, is no zip, or is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = ZipFile(path)
        except OSError as error:
            raise UserError(path, f"cannot be read ({cause_of(error)})", "check the path") from None
        except BadZipFile as error:
            raise UserError(path, f"is a broken zip ({error})", "is it whole?") from None
        self.names = self._zip.namelist()

    def __enter__(self) -> "Zipped":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """The bytes of a member."""
        info = self._zip.getinfo(name)
        try:
            return self._zstandard(info) if info.compress_type == _ZSTANDARD else self._zip.read(info)
        except (OSError, BadZipFile, NotImplementedError, EOFError, ValueError) as error:
            where = f"{self.path}:{name}"
            raise UserError(where, f"cannot be read ({error})", "write the log as JSON: inspect log convert") from None

    def _zstandard(self, info: ZipInfo) -> bytes:
        try:
            import pyarrow
        except ImportError:
            problem = "is compressed with Zstandard, which pyarrow reads, and that is not installed"
            raise UserError(self.path, problem, "pip install pyarrow, or write the log as JSON") from None
        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            name_size, extra_size = unpack("<26xHH", file.read(_LOCAL_HEADER))
            file.seek(name_size + extra_size, 1)
            data = file.read(info.compress_size)
        if not info.file_size:
            return b""
        return pyarrow.decompress(data, info.file_size, "zstd", asbytes=True)
