"""Writes the sessions of the domains, `datasets/<domain>/sessions/{train,eval}.jsonl`; the same bytes on every run."""

from pathlib import Path

from callproof.console import say
from callproof.errors import EXIT_PASS, EXIT_REGRESSION, UserError

from .domains import DOMAINS
from .generate import SIZES, sessions


def synthesise(datasets: Path, domain: str | None, check: bool) -> int:
    """Write the sessions of one domain or of all; with `check` compare them with the files instead.

    Returns:
        The exit code: EXIT_REGRESSION where a file that is checked is out of date.

    Raises:
        UserError: an unknown domain, or a folder that is none.
    """
    if domain and domain not in DOMAINS:
        raise UserError("--domain", f"there is no domain {domain!r}", f"choose from {', '.join(DOMAINS)}")
    stale = False
    for name in [domain] if domain else DOMAINS:
        folder = datasets / name
        if not (folder / "tools.json").is_file():
            raise UserError(folder, "is no domain folder (no tools.json)", "run in the repository root")
        for split in SIZES:
            path = folder / "sessions" / f"{split}.jsonl"
            text = "".join(f"{session.line()}\n" for session in sessions(name, split))
            stale |= _is_stale(path, text) if check else _write(path, text)
    return EXIT_REGRESSION if stale else EXIT_PASS


def _is_stale(path: Path, text: str) -> bool:
    stale = not path.is_file() or path.read_bytes() != text.encode()
    say(f"{path}: {'out of date, run callproof train synth' if stale else 'up to date'}")
    return stale


def _write(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    say(f"{path}: {text.count(chr(10))} sessions")
    return False
