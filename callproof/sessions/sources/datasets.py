"""Hugging Face datasets where their library is not imported: `callproof train convert` reads them in a process."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from callproof.errors import UserError

_SAVED_DATASET = ("state.json", "dataset_info.json", "dataset_dict.json")


def is_dataset(source: str) -> bool:
    """Whether a source is a Hugging Face dataset, on the hub or on disk."""
    return source.startswith("hf:") or any((Path(source) / name).is_file() for name in _SAVED_DATASET)


@cache
def exported(source: str) -> Path:
    """The records of a dataset as JSON lines, in a file that is kept until this process ends: data are read twice.

    Raises:
        UserError: it cannot be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="callproof-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    words = ["train", "convert", source, "--as-is", "--out", str(folder / "records.jsonl")]
    done = subprocess.run([sys.executable, "-m", "callproof", *words], capture_output=True, text=True, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("error: ")
        raise UserError(source, f"cannot be read by callproof train convert ({reason})", "correct data.eval")
    return folder / "records.jsonl"
