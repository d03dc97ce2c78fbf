"""What the load generator costs: streamed chunks per second of one core, against an endpoint that only writes.

    python benchmarks/chunks.py                  # three rounds after a warm-up
    python benchmarks/chunks.py --requests 100 --rounds 1

Events of a stream are 2 ms apart and are read one by one, unless the machine is so busy that this process is late and
reads several at once. The rate is per second of CPU time; the endpoint runs in another process. The goal is 1,500
chunks/s. Prints a line, and a line of JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from typing import Any

from callproof.bench.load import Job, Level, run_level
from instant_endpoint import CHUNKS, MODEL, instant_endpoint

from callproof.endpoint import Endpoint, request
from callproof.turns import Turn

WANTED = 1500


def jobs(count: int) -> list[Job]:
    message = {"role": "user", "content": "To Bern, for two days. Will it rain? " * 20}
    turn = Turn(turn_id="t", session_id="s", position=1, messages=(message,), tools=None, gold=())
    return [Job(MODEL, turn, request(turn, MODEL, max_tokens=256, temperature=0.0, stream=True))] * count


async def measure(url: str, count: int, concurrency: int) -> tuple[float, float]:
    """(chunks per second of CPU, chunks per second of the clock) of one closed loop."""
    level = Level(concurrency, planned=count)
    async with Endpoint(url, limit=concurrency) as endpoint:
        cpu = time.process_time()
        await run_level(endpoint, jobs(count), level, lambda: None)
        cpu = time.process_time() - cpu
    chunks = sum(len(reply.chunk_times) for _, reply in level.replies)
    assert chunks == count * CHUNKS, [reply.answer.error for _, reply in level.replies if reply.answer.error][:1]
    return chunks / cpu, chunks / (level.ended - level.begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500, help=f"of {CHUNKS} chunks, a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="after the warm-up (default %(default)s)")
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight (default %(default)s)")
    args = parser.parse_args()
    rounds: list[tuple[float, float]] = []
    with instant_endpoint() as url:
        for number in range(-1, args.rounds):
            rates = asyncio.run(measure(url, args.requests, args.concurrency))
            print(f"round {number}: {rates[0]:.0f} chunks/s of CPU", file=sys.stderr, flush=True)
            if number >= 0:
                rounds.append(rates)
    print_result(rounds)


def print_result(rounds: list[tuple[float, float]]) -> None:
    cpu, clock = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(f"{cpu:.0f} chunks/s a core (wanted {WANTED}), {clock:.0f} by the clock")
    of_cores = [round(rate) for rate, _ in rounds]
    result: dict[str, Any] = {"chunks_per_cpu_s": round(cpu), "chunks_per_s": round(clock), "wanted": WANTED}
    print(json.dumps({**result, "spread": [min(of_cores), max(of_cores)]}))


if __name__ == "__main__":
    main()
