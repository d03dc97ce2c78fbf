"""The arms of transformers: a child process of `callproof train` answers the same turns, and the sides are compared."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from callproof.records import replacing
from callproof.turns import Greedy, Reference

from .asking import Heard
from .cells import Arm, Cell, Place, cell, leaving, parting


@dataclass(frozen=True)
class Training:
    """The configuration that an adapter was trained with, as it was given."""

    config: Path
    overrides: tuple[str, ...] = ()


class NoReference(Exception):
    """Transformers could not answer; the child has said why on stderr."""


async def refer(heard: Heard, training: Training, with_adapter: bool) -> Reference:
    """What transformers says to the turns of these answers; raises NoReference."""
    with tempfile.TemporaryDirectory() as folder:
        answers, out = Path(folder) / "answers.jsonl", Path(folder) / "reference.json"
        with replacing(answers) as file:
            file.writelines(served.model_dump_json().encode() + b"\n" for served in heard.for_reference())
        words = ["reference", "--config", str(training.config), "--answers", str(answers), "--out", str(out)]
        words += [] if with_adapter else ["--base-only"]
        command = [sys.executable, "-m", "callproof", "train", *words, *training.overrides]
        quiet = {**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, env=quiet)
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await child.wait()
            raise
        if code:
            raise NoReference(f"callproof train reference ended with exit code {code}")
        return Reference.model_validate_json(out.read_bytes())


def compare(heard: Heard, reference: Reference) -> Iterator[Cell]:
    """The cells of the prompt and of the raw tokens."""
    names = [turn.turn_id for turn in heard.turns]
    trained = [turn.prompt for turn in reference.turns]
    fed = zip(names, heard.prompts, trained, strict=True)
    yield cell("adapter", "prompt", "the training's", [parting(name, "token", one, two) for name, one, two in fed])
    base = zip(names, heard.alone["base"], reference.turns, strict=True)
    yield cell("base", "raw", "transformers", [leaving(name, said.tokens, ours.base) for name, said, ours in base])
    if "identity" in heard.alone:
        yield _same("identity", names, heard.alone["identity"], heard.alone["base"])
    yield from _adapter(heard, reference, names)


def _adapter(heard: Heard, reference: Reference, names: Sequence[str]) -> Iterator[Cell]:
    if any(turn.merged is None for turn in reference.turns):
        yield _same("adapter", names, heard.alone["adapter"], heard.alone["base"])
        return
    rows = list(zip(names, heard.alone["adapter"], reference.turns, strict=True))
    places = [leaving(name, said.tokens, ours.merged) for name, said, ours in rows if ours.merged]
    yield cell("adapter", "raw", "merged by transformers", places)
    pairs = [(name, ours.merged.tokens, ours.base.tokens) for name, _, ours in rows if ours.merged]
    yield cell("merged", "raw", "base", [parting(name, "token", one, two) for name, one, two in pairs])


def _same(arm: Arm, names: Sequence[str], said: list[Greedy], base: list[Greedy]) -> Cell:
    pairs = zip(names, said, base, strict=True)
    places: list[Place | None] = [parting(name, "token", one.tokens, other.tokens) for name, one, other in pairs]
    return cell(arm, "raw", "base", places)
