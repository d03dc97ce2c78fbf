"""The package as `pip` gets it: a wheel of the files that git tracks."""

import subprocess
import sys
from pathlib import Path

from programs import ROOT

FLOORS = ("callproof", "train", "serve", "evaluate", "bench")


def built_wheel(folder: Path) -> Path:
    """Build it in a folder; returns its path."""
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, map(bytes.decode, tracked)):
        if name.split("/")[0] in FLOORS or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path
