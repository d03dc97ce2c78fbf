"""Runs the blocks of two benches alternately, so that the machine's drift affects both alike."""

from collections.abc import Sequence
from uuid import uuid4

from callproof.console import say

from .bench import Bench


def new_mark() -> str:
    """A mark to store in both files of an alternating pair."""
    return uuid4().hex


async def run_in_turns(benches: Sequence[Bench], blocks: int) -> None:
    """Warm both up, then run `blocks` rounds: A B, B A, A B, ..., so that a steady drift cancels.

    After a cancellation the benches hold what was measured.
    """
    first, second = benches
    async with first.connect() as one, second.connect() as two:
        pairs = [(first, one), (second, two)]
        for bench, endpoint in pairs:
            await bench.prepare(endpoint)
        for block in range(blocks):
            for bench, endpoint in pairs if block % 2 == 0 else reversed(pairs):
                say(f"block {block + 1} of {blocks}, {', '.join(bench.turns)} at {endpoint.root}")
                await bench.block(endpoint)
