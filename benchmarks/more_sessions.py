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
from callproof.train.synth.generate import MAX_SIMILARITY, SIZES, one_session, sessions
from callproof.train.synth.similarity import Index


def more_sessions(domain: str, count: int) -> list[Generated]:
    """The next `count` eval sessions, none like another, a training or an eval session."""
    known = Index(each.session for split in ("train", "eval") for each in sessions(domain, split))
    found: list[Generated] = []
    for number in range(SIZES["eval"] + 1, SIZES["eval"] + count + 1):
        others, attempt = Index(each.session for each in found), 0
        while True:
            drawn = one_session(domain, "eval", number, attempt)
            if max(known.nearest(drawn.session), others.nearest(drawn.session)) < MAX_SIMILARITY:
                break
            attempt += 1
        found.append(drawn)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain", choices=sorted(DOMAINS))
    parser.add_argument("--dev", type=int, default=60, help="sessions to harvest from (default %(default)s)")
    parser.add_argument("--test", type=int, default=240, help="sessions to judge by (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the two files")
    args = parser.parse_args()
    found = more_sessions(args.domain, args.dev + args.test)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, some in (("dev", found[: args.dev]), ("test", found[args.dev :])):
        (args.out / f"{name}.jsonl").write_text("".join(f"{each.line()}\n" for each in some))
        print(f"{args.out / name}.jsonl: {len(some)} sessions")


if __name__ == "__main__":
    main()
