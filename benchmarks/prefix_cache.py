"""What the order by session gains: prefix-cache hit rate and wall time, against the same turns in random order.

    python benchmarks/prefix_cache.py --endpoint http://127.0.0.1:8000 --config configs/car_sales.yaml --model tiny

Needs a running vLLM: the hit rate comes from its /metrics. Every round has its own cache salt, so that it finds nothing
of an earlier one; the two orders alternate. Nothing else may use the server meanwhile.
"""

import argparse
import asyncio
import io
import json
import random
import re
import statistics
import tempfile
import time
import urllib.request
from collections import deque
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from callproof.evaluate.replay import Fleet, Key, Plan, Question, Rest, ask, plan
from callproof.evaluate.runs import Run

from callproof.config import load
from callproof.console import Parser, positive
from callproof.endpoint import Reply
from callproof.errors import EXIT_PASS, UserError, exit_with

_COUNTER = re.compile(r"^vllm:prefix_cache_(queries|hits)_total\{[^}]*\} (\S+)$", re.MULTILINE)


class Shuffled(Plan):
    """The same questions one by one, in random order."""

    def sessions(self, answered: set[Key]) -> deque[deque[Question]]:
        questions = [deque([question]) for session in super().sessions(answered) for question in session]
        random.Random(0).shuffle(questions)
        return deque(questions)


class Salted(Fleet):
    """An endpoint whose prefix cache is empty at first, thanks to a salt."""

    salt = ""

    async def chat(self, payload: dict[str, Any], home: int, rest: Rest) -> tuple[Reply, int]:
        return await super().chat({**payload, "cache_salt": self.salt}, home, rest)


def cached_tokens(url: str) -> tuple[float, float]:
    """(tokens looked up, tokens found) in the prefix cache since the server started."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as response:
            counters = _COUNTER.findall(response.read().decode())
    except (OSError, ValueError) as error:
        raise UserError(url, f"/metrics cannot be read ({error})", "start a vLLM, or correct --endpoint") from None
    totals = {"queries": 0.0, "hits": 0.0}
    for name, value in counters:
        totals[name] += float(value)
    return totals["queries"], totals["hits"]


async def run_once(replay_plan: Plan, url: str, salt: str) -> tuple[float, float]:
    """(seconds, hit rate) of one run that starts with an empty cache."""
    fleet = Salted([url], replay_plan.config.eval)
    fleet.salt = salt
    async with fleet:
        before, began = cached_tokens(url), time.perf_counter()
        with redirect_stderr(io.StringIO()):
            await ask(replay_plan, fleet)
        seconds, after = time.perf_counter() - began, cached_tokens(url)
    return seconds, (after[1] - before[1]) / max(after[0] - before[0], 1.0)


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True, metavar="URL")
    parser.add_argument("--config", required=True, type=Path, metavar="YAML")
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--limit-sessions", type=positive, metavar="N", help="the first N eval sessions only")
    parser.add_argument("--rounds", type=positive, default=3, help="of each order (default %(default)s)")
    args = parser.parse_args()
    rounds_by_order: dict[str, list[tuple[float, float]]] = {"session": [], "random": []}
    overrides = {"max_sessions": args.limit_sessions} if args.limit_sessions else {}
    with tempfile.TemporaryDirectory() as folder:
        base = plan(load(args.config), Run(Path(folder)), [args.model], overrides)
        for number in range(args.rounds):
            for order, kind in (("session", Plan), ("random", Shuffled)):
                run = Run(Path(folder) / f"{order}-{number}")
                order_plan = kind(**{**vars(base), "run": run})
                salt = f"{order}-{number}-{time.time_ns()}"
                rounds_by_order[order].append(asyncio.run(run_once(order_plan, args.endpoint.rstrip("/"), salt)))
    medians = {}
    for order, rounds in rounds_by_order.items():
        seconds, rate = (statistics.median(values) for values in zip(*rounds, strict=True))
        medians[order] = {"seconds": round(seconds, 2), "hit_rate": round(rate, 4)}
        print(f"{order:<8} order: {seconds:8.2f} s, {rate:6.1%} of the prompt tokens found in the cache")
    print(json.dumps({"turns": len(base.turns), "rounds": args.rounds, **medians}))
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
