"""`--log-level` of every command, and the variables of other libraries in `.env`, set before those are imported."""

import io
import logging
import os
import sys
from pathlib import Path

from dotenv.parser import parse_stream

LEVELS = ("debug", "info", "warning", "error")
LIBRARIES = ("HF_", "WANDB_", "TRACKIO_", "HUGGING_FACE_HUB_TOKEN")
"""Beginnings of the names that are taken from `.env` for the libraries that read them from the environment."""

_LOGGER = logging.getLogger("callproof")


class _Stderr(logging.Handler):
    """Writes to the stderr of the moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def set_level(name: str | None) -> None:
    """Let lines of this level and above through; None: info, and the libraries keep the level that they choose."""
    if not _LOGGER.handlers:
        _LOGGER.addHandler(_Stderr())
        _LOGGER.propagate = False
    _LOGGER.setLevel((name or "info").upper())
    if name:
        os.environ["TRANSFORMERS_VERBOSITY"] = name
        logging.basicConfig(level=name.upper(), format="%(levelname)s %(name)s: %(message)s")


def is_said() -> bool:
    """Whether plain lines for people are printed: not with `--log-level warning` and above."""
    return _LOGGER.level <= logging.INFO


def take_dotenv(path: Path = Path(".env")) -> None:
    """Put the variables of `LIBRARIES` in `.env` into the environment, where those that are set already stay."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return  # no such file, or one that `callproof.config` refuses by its line
    for binding in parse_stream(io.StringIO(text)):
        if binding.key and binding.value and binding.key.startswith(LIBRARIES):
            os.environ.setdefault(binding.key, binding.value)
    if os.environ.get("WANDB_API_KEY") == "disabled":
        os.environ.setdefault("WANDB_MODE", "disabled")
