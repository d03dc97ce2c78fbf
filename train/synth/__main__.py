"""Writes the sessions of the domains, `datasets/<domain>/sessions/{train,eval}.jsonl`; the same bytes on every run."""

import argparse
import sys
from pathlib import Path

from callproof.console import Parser
from callproof.errors import EXIT_PASS, UserError, exit_with

EXIT_STALE = 1
EXAMPLES = """examples:
  callproof train synth                       write the sessions of both domains
  callproof train synth --domain insurance    of one domain only
  callproof train synth --check               write nothing; exit 1 unless the files are what would be written
"""


def main() -> int:
    options = _arguments()
    from .domains import DOMAINS

    if options.domain and options.domain not in DOMAINS:
        raise UserError("--domain", f"there is no domain {options.domain!r}", f"choose from {', '.join(DOMAINS)}")
    stale = False
    for domain in [options.domain] if options.domain else DOMAINS:
        folder = options.datasets / domain
        if not (folder / "tools.json").is_file():
            raise UserError(folder, "is no domain folder (no tools.json)", "run in the repository root")
        for path, text in _files(domain, folder):
            stale |= _check(path, text) if options.check else _write(path, text)
    return EXIT_STALE if stale else EXIT_PASS


def _arguments() -> argparse.Namespace:
    parser = Parser(
        prog="callproof train synth",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--domain", help="one domain (default: all)")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--datasets", type=Path, default=Path("datasets"), help="folder of the domains")
    return parser.parse_args()


def _files(domain: str, folder: Path) -> list[tuple[Path, str]]:
    from .generate import SIZES, sessions

    return [
        (folder / "sessions" / f"{split}.jsonl", "".join(f"{one.line()}\n" for one in sessions(domain, split)))
        for split in SIZES
    ]


def _check(path: Path, text: str) -> bool:
    stale = not path.is_file() or path.read_bytes() != text.encode()
    print(f"{path}: {'out of date, run callproof train synth' if stale else 'up to date'}", file=sys.stderr)
    return stale


def _write(path: Path, text: str) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    print(f"{path}: {text.count(chr(10))} sessions", file=sys.stderr)
    return False


if __name__ == "__main__":
    exit_with(main)
