"""What keeping freed memory gains vLLM on a CPU: replays against a server with `KEPT_MEMORY` and one without.

    python benchmarks/kept_memory.py --config configs/car_sales.yaml --limit-sessions 20 --rounds 6

Both servers run all the time and are used alternately; an idle one uses no CPU. Every round begins with an empty prefix
cache. Nothing else may use the machine.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from against_llm_chat import replay
from aiohttp.test_utils import unused_port
from callproof.evaluate.replay import plan
from callproof.evaluate.runs import Run
from callproof.serve.start import (
    KEPT_MEMORY,
    Server,
    environment,
    make_plan,
    of_config,
    require_wheel,
    start_command,
    vllm_yaml,
)

from callproof.config import load
from callproof.console import Parser, positive
from callproof.errors import EXIT_PASS, exit_with

START_S = 300


@contextmanager
def started(config: Path, folder: Path, keeps: bool) -> Iterator[str]:
    """Run a server for the block; gives its URL. `keeps`: whether it keeps freed memory."""
    server = make_plan([of_config(config)], require_wheel().device, port=unused_port())
    file = folder / f"{keeps}.yaml"
    file.write_text(vllm_yaml(server), encoding="utf-8")
    variables = {name: value for name, value in environment(server).items() if keeps or name not in KEPT_MEMORY}
    with Server(start_command(server, require_wheel(), file), variables, file.with_suffix(".log")) as process:
        process.wait_until_healthy(server.url, START_S, lambda _, __: None)
        yield server.url


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, type=Path, metavar="YAML")
    parser.add_argument("--limit-sessions", type=positive, default=20, metavar="N", help="(default %(default)s)")
    parser.add_argument(
        "--rounds", type=positive, default=6, help="of each arm, after one to warm up (default %(default)s)"
    )
    args = parser.parse_args()
    config, pairs = load(args.config), list[tuple[float, float]]()
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        folder = Path(name)
        replay_plan = plan(config, Run(folder / "replay"), [config.name], {"max_sessions": args.limit_sessions})
        urls = [servers.enter_context(started(args.config, folder, keeps)) for keeps in (True, False)]
        for number in range(-1, args.rounds):
            kept, given_back = (replay(replay_plan, url, f"{number}-{at}")[0] for at, url in enumerate(urls))
            print(f"round {number}: kept {kept:.1f} s, given back {given_back:.1f} s", file=sys.stderr, flush=True)
            if number >= 0:
                pairs.append((kept, given_back))
    ratios = [kept / given_back for kept, given_back in pairs]
    spread = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    span = f"{spread['least']:.2f} to {spread['most']:.2f}"
    print(f"kept takes {spread['median']:.2f} of the time ({span}, paired by round)")
    print(json.dumps({"turns": len(replay_plan.turns), "ratio": spread}))
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
