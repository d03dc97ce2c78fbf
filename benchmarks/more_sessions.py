"""More eval sessions of a domain than its repository holds, for experiments that must not touch those.

    python -m benchmarks.more_sessions car_sales --dev 60 --test 240 --out outputs/harvest

Writes `dev.jsonl` and `test.jsonl`: the generator's sessions beyond the last of `eval.jsonl`, with the words of the
eval split. As there, one that resembles a training session is drawn again; here also one that resembles an eval
session, or one written before it.
"""

import argparse
from pathlib import Path

from callproof.train.synth.dialogue import Generated
from callproof.train.synth.domains import DOMAINS
from callproof.train.synth.generate import SIZES, sessions, unlike
from callproof.train.synth.similarity import Index

from callproof.console import Parser, positive
from callproof.errors import EXIT_PASS, exit_with


def more_sessions(domain: str, count: int) -> list[Generated]:
    """The next `count` eval sessions, none like another, a training or an eval session."""
    known = Index(each.session for split in ("train", "eval") for each in sessions(domain, split))
    found: list[Generated] = []
    for number in range(SIZES["eval"] + 1, SIZES["eval"] + count + 1):
        found.append(unlike(domain, number, known))
        known.add(found[-1].session)
    return found


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain", choices=sorted(DOMAINS))
    parser.add_argument("--dev", type=positive, default=60, help="sessions to harvest from (default %(default)s)")
    parser.add_argument("--test", type=positive, default=240, help="sessions to judge by (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the two files")
    args = parser.parse_args()
    found = more_sessions(args.domain, args.dev + args.test)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, some in (("dev", found[: args.dev]), ("test", found[args.dev :])):
        (args.out / f"{name}.jsonl").write_text("".join(f"{each.line()}\n" for each in some))
        print(f"{args.out / name}.jsonl: {len(some)} sessions")
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
