"""What wants a GPU, by one command: training, many adapters on one vLLM, `evaluate` and `bench` beside vLLM's own.

    python benchmarks/gpu.py                             # all parts, each at most 8 minutes; go on where it stopped
    python benchmarks/gpu.py --part train-qwen3-4b       # one of them
    python benchmarks/gpu.py --tiny --out /tmp/tiny      # tiny shapes, on a CPU: that it runs, not how fast

Models are random weights of Qwen3's shapes, as nothing can be downloaded everywhere, and SmolLM2 where `callproof train
base smollm2` has made it. Flash attention and liger are arms of the training wherever they are installed. Results and
logs go to --out, a table in Markdown to stdout and to `table.md`. The last line is JSON; the exit code is 1 if a part
failed, which is named with its log while the others go on.
"""

from pathlib import Path

from support.parts import Part, Result, arguments, run_parts
from support.words import of_slots, of_training, ratio

from callproof.errors import exit_with

SMOLLM2 = Path("models/smollm2-135m")
TRAINING = "benchmarks/training.py"


def training_parts(tiny: bool, llamafactory: str | None) -> list[Part]:
    """Tokens a second, MFU and memory of each shape, of ours and of the usual ways."""
    few = ("--sessions", "4", "--rounds", "1") if tiny else ("--rounds", "2")
    other = ("--llamafactory", llamafactory) if llamafactory else ()
    shapes = ("tiny",) if tiny else ("qwen3-0.6b", "qwen3-4b")
    parts = [
        Part(
            f"train-{shape}",
            f"Training, random weights of the shape {shape}",
            (TRAINING, "--shape", shape, *few, *other),
            of_training,
        )
        for shape in shapes
    ]
    lacks = None if SMOLLM2.is_dir() else f"{SMOLLM2} is not there (callproof train base smollm2 --out {SMOLLM2})"
    small = ("--sessions", "2", "--rounds", "1", "--arms", "ours,padded-2,trl-2") if tiny else few
    words = (TRAINING, "--config", "configs/car_sales_smollm2.yaml", *small, *other)
    return [*parts, Part("train-smollm2", "Training, SmolLM2-135M", words, of_training, lacks=lacks)]


def serving_parts(tiny: bool, out: Path) -> list[Part]:
    """A base and an adapter on it, and what is measured of their server."""
    shape = "tiny" if tiny else "qwen3-0.6b"
    folder = out / f"served-{shape}"
    config = ("--config", str(folder / "config.yaml"))
    made = ("benchmarks/shapes.py", shape, "--out", str(folder), "--answer", "16" if tiny else "128")
    trained = ("-m", "callproof", "train", *config, "train.max_steps=2")
    slots = ("--count", "8", *(("--requests", "16", "--rounds", "1", "--concurrency", "4") if tiny else ()))
    chat = ("--limit-sessions", "4", "--rounds", "1") if tiny else ("--limit-sessions", "60")
    load = ("--rate", "2", "--requests", "10", "--rounds", "1") if tiny else ("--rate", "8", "--requests", "200")
    model = ("--model", f"{shape}-adapter", "--own-server")
    return [
        Part(
            "base", "A base to serve, random weights", made, lambda found: f"{found['shape']}, {found['megabytes']} MB"
        ),
        Part(
            "adapter",
            "An adapter on it, of two steps",
            trained,
            lambda found: f"{found['steps']} steps",
            needs=("base",),
        ),
        Part(
            "slots",
            "1 and 8 adapters on one vLLM",
            ("benchmarks/adapter_slots.py", *config, *slots),
            of_slots,
            needs=("adapter",),
        ),
        Part(
            "llm-chat",
            "`evaluate` against vLLM's own `LLM.chat`",
            ("benchmarks/against_llm_chat.py", *config, *chat),
            lambda found: f"{ratio(found['ratio'], found['spread'])} as long for {found['turns']} turns",
            needs=("adapter",),
        ),
        Part(
            "vllm-bench",
            "`bench` against `vllm bench serve`",
            ("benchmarks/against_vllm_bench.py", *config, *model, *load),
            _of_bench,
            needs=("adapter",),
        ),
    ]


def _of_bench(found: Result) -> str:
    theirs = found["vllm bench serve"]
    seen = (
        f"{name.upper()} {ratio(theirs[name]['over_ours'], theirs[name]['spread'])}" for name in ("ttft", "tpot", "e2e")
    )
    return "medians of vLLM's over ours: " + ", ".join(seen)


def main() -> int:
    parser = arguments(__doc__, "runs/gpu")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes and few of everything, to try it on a CPU")
    parser.add_argument("--llamafactory", metavar="PROGRAM", help="the llamafactory-cli to measure as well")
    args = parser.parse_args()
    parts = training_parts(args.tiny, args.llamafactory) + serving_parts(args.tiny, args.out)
    return run_parts(parts, args.only, args.out, ": that it runs, not how fast a GPU is")


if __name__ == "__main__":
    exit_with(main)
