"""What the harness costs, by one command: the comparisons of docs/explanation/measured.md that need no GPU.

    python benchmarks/all.py                          # all parts, 40 minutes on two quiet cores; go on where it stopped
    python benchmarks/all.py --only replay            # one of them
    python benchmarks/all.py --bfcl DIR --aiperf PROGRAM --llamafactory PROGRAM --axolotl PROGRAM   # these as well

inspect_ai takes part where it is installed. BFCL's checker needs a folder that `benchmarks/against_ast_checker.py
--help` tells how to make, and published outputs (--published). Results and logs go to --out, a table in Markdown, with
processor, versions and spread, to stdout and to `table.md`. The last line is JSON; the exit code is 1 if a part failed,
which is named with its log while the others go on.
"""

from argparse import Namespace
from pathlib import Path

from support.parts import Part, Result, arguments, run_parts
from support.words import amount, of_training, ratio

from callproof.errors import exit_with

TRAINING = "benchmarks/training.py"


def parts_of(args: Namespace) -> list[Part]:
    """In the order in which they run; a part that another one needs comes before it."""
    answers = args.out / "answers"
    configs = ("--config", "configs/car_sales.yaml", "--config", "configs/insurance.yaml")
    saved = ("--turns", str(answers / "turns.jsonl"), "--answers", str(answers / "answers.jsonl"))
    programs = {"--llamafactory": args.llamafactory, "--axolotl": args.axolotl}
    other = tuple(word for option, program in programs.items() if program for word in (option, program))
    scripted = ("--config", "configs/car_sales.yaml", "--scripted", "--rate", "10", "--requests", "40", "--rounds", "3")
    aiperf = ("--aiperf", args.aiperf) if args.aiperf else ()
    return [
        Part("start-up", "Start-up", ("benchmarks/startup.py",), _of_startup),
        Part("replay", "What asking costs the client", ("benchmarks/replay.py",), _of_replay),
        Part(
            "answers",
            "Answers to score, without a model",
            ("benchmarks/support/gold_answers.py", *configs, "--out", str(answers)),
            lambda found: f"{found['count']} turns",
        ),
        Part(
            "scoring",
            "Scoring saved answers",
            ("benchmarks/scoring.py", *saved, "--rounds", "3"),
            _of_scoring,
            needs=("answers",),
        ),
        _beside_bfcl(args.bfcl, args.published),
        Part("train-quick", "Training, the first steps", (TRAINING, "--quick", *other), of_training),
        Part("train", "Training, 48 sessions", (TRAINING, "--rounds", "2", *other), of_training, minutes=12),
        Part("chunks", "What reading a stream costs", ("benchmarks/chunks.py",), _of_chunks),
        Part(
            "load",
            "What a load generator costs",
            ("benchmarks/against_vllm_bench.py", *scripted, *aiperf),
            _of_load,
        ),
    ]


def _beside_bfcl(bfcl: Path | None, published: Path) -> Part:
    lacks = None
    if bfcl is None:
        lacks = "--bfcl names no folder of bfcl-eval"
    elif not published.is_dir():
        lacks = f"{published} is no folder of published outputs"
    words = ("benchmarks/against_ast_checker.py", str(published), "--bfcl", str(bfcl))
    return Part("bfcl", "Judging, beside BFCL's `ast_checker`", words, _of_bfcl, lacks=lacks)


def _of_startup(found: Result) -> str:
    names = {"help": "`callproof --help`", "score_of_ten": "`evaluate score` of ten turns"}
    return ", ".join(
        f"{said} {amount(found['seconds'][name], found['spread'][name])} s" for name, said in names.items()
    )


def _of_replay(found: Result) -> str:
    rates = ", ".join(f"{name} {amount(rate, found['spread'][name])}" for name, rate in found["turns_per_s"].items())
    client = found["turns_per_s"]["evaluate"] / found["turns_per_s"]["client"]
    against = ", ".join(f"{times:.1f} times {name}" for name, times in found["evaluate_against"].items())
    return f"turns/s: {rates}; evaluate is {client:.2f} of the bare client, {against}"


def _of_scoring(found: Result) -> str:
    return "; ".join(
        f"{int(turns):,} turns {amount(cost['seconds'], cost['spread_s'])} s, {cost['MiB']:.0f} MiB"
        for turns, cost in found["turns"].items()
    )


def _of_bfcl(found: Result) -> str:
    of = {name: amount(rate, found["spread"][name]) for name, rate in found["turns_per_s"].items()}
    return (
        f"turns/s of one core: ours {of['all']} with reading and validity, {of['judge']} with catalogs built before; "
        f"`ast_checker` of calls read already {of['ast_checker']}; {found['agree']:,} of {found['turns']:,} agree"
    )


def _of_chunks(found: Result) -> str:
    return f"{amount(found['chunks_per_cpu_s'], found['spread'])} chunks/s of one core"


def _of_load(found: Result) -> str:
    arms = {arm: value["cpu_s"] for arm, value in found.items() if isinstance(value, dict)}
    costs = ", ".join(f"{arm} {cost['median']:.1f}" for arm, cost in arms.items())
    others = ", ".join(
        f"{arm} {ratio(cost['over_ours'], cost['spread'])} ours" for arm, cost in arms.items() if arm != "bench"
    )
    return f"processor seconds of 40 streams, start included: {costs}; {others}"


def main() -> int:
    parser = arguments(__doc__, "runs/all")
    parser.add_argument("--bfcl", type=Path, metavar="DIR", help="where bfcl-eval is installed")
    parser.add_argument("--published", type=Path, default=Path("shared/bfcl/published"), metavar="DIR",
                        help="published outputs, joined rows (default: %(default)s)")  # fmt: skip
    parser.add_argument("--aiperf", metavar="PROGRAM", help="the aiperf to measure as well")
    parser.add_argument("--llamafactory", metavar="PROGRAM", help="the llamafactory-cli to measure as well")
    parser.add_argument("--axolotl", metavar="PROGRAM", help="the axolotl to measure as well")
    args = parser.parse_args()
    return run_parts(parts_of(args), args.only, args.out)


if __name__ == "__main__":
    exit_with(main)
