"""Many adapters on one vLLM: runs the doctor, and checks that each adapter answers exactly as it does alone.

    python benchmarks/many_adapters.py --config configs/car_sales.yaml --config configs/insurance.yaml --count 8

The adapters are those of the configurations, and copies of them with noise on their weights. One server has them all
and gets all requests at once. On another, they are loaded one after the other, get one turn at a time, and are
unloaded. Answers are greedy. Starts its own servers; exit code 1 if a check of the doctor fails or a token differs.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from own_server import served
from safetensors.torch import load_file, save_file

from callproof.config import RunConfig, load
from callproof.endpoint import Endpoint
from serve.operate import Sampled, Subject, Version, diagnose, pool, show
from serve.operate import promotion as lifecycle

NOISE = 0.1
"""Standard deviation of the noise, as a share of that of the weights."""

Answers = dict[tuple[str, str], tuple[int, ...]]


def copies(configs: Sequence[RunConfig], count: int, folder: Path) -> list[Version]:
    """`count` adapters in `folder`, no two of them equal."""
    made = []
    for number in range(count):
        source = configs[number % len(configs)]
        target = folder / f"{source.name}-{number}"
        shutil.copytree(source.adapter_dir, target)
        if number >= len(configs):
            _disturb(target / "adapter_model.safetensors", number)
        made.append(Version(name=target.name, path=target))
    return made


def _disturb(file: Path, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: weight + NOISE * weight.std() * torch.randn(weight.shape, generator=generator).to(weight.dtype)
        for name, weight in load_file(file).items()
    }
    save_file(weights, file, {"format": "pt"})


def options(adapters: Sequence[Version]) -> list[str]:
    """The words that make `callproof serve` serve these adapters."""
    return [word for adapter in adapters for word in ("--adapter", f"{adapter.name}={adapter.path}")]


async def all_at_once(url: str, configs: Sequence[RunConfig], names: Sequence[str], turns: int) -> Answers:
    """The answers of every model to every turn, with all requests sent at once."""
    async with Endpoint(url, timeout_s=configs[0].eval.timeout_s) as endpoint:
        subject = _subject(endpoint, configs, names, turns)
        questions = [(turn, name) for turn in subject.turns for name in names]
        samples = await subject.together(questions)
    return {(name, turn.turn_id): answer.tokens for (turn, name), answer in zip(questions, samples, strict=True)}


async def one_by_one(url: str, configs: Sequence[RunConfig], adapters: Sequence[Version], turns: int) -> Answers:
    """The same with one adapter on the server at a time, and one request at a time."""
    answers: dict[tuple[str, str], Sampled] = {}
    async with Endpoint(url, timeout_s=configs[0].eval.timeout_s) as endpoint:
        for adapter in adapters:
            await lifecycle.load(url, adapter)
            subject = _subject(endpoint, configs, [adapter.name], turns)
            for turn in subject.turns:
                answers[adapter.name, turn.turn_id] = await subject.alone(turn, adapter.name)
            await lifecycle.unload(url, adapter.name)
    return {key: answer.tokens for key, answer in answers.items()}


def _subject(endpoint: Endpoint, configs: Sequence[RunConfig], names: Sequence[str], turns: int) -> Subject:
    lead = configs[0]
    limits = (lead.serve.max_model_len, lead.eval.max_tokens)
    return Subject(endpoint, lead.model.served_name, names, pool(configs, turns), *limits)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, type=Path, action="append", metavar="YAML")
    parser.add_argument("--count", type=int, default=8, metavar="N", help="adapters (default %(default)s)")
    parser.add_argument("--turns", type=int, default=8, metavar="N", help="asked of each (default %(default)s)")
    args = parser.parse_args()
    configs = [load(path) for path in args.config]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        adapters = copies(configs, args.count, folder)
        names = [adapter.name for adapter in adapters]
        with served(*options(adapters), log=folder / "many.log") as url:
            diagnosis = asyncio.run(diagnose(url, configs, names, args.turns, lambda _: None))
            show(diagnosis)
            together = asyncio.run(all_at_once(url, configs, names, args.turns))
        lone = Version(name="first", path=adapters[0].path)
        with served(*options([lone]), "--runtime-loads", "1", log=folder / "one.log") as url:
            alone = asyncio.run(one_by_one(url, configs, adapters, args.turns))
    equal = sum(together[key] == tokens for key, tokens in alone.items())
    different = len(set(together.values()))
    print(f"{equal} of {len(alone)} answers are those of the adapter alone, token by token; {different} are distinct")
    checks = {finding.check: finding.status for finding in diagnosis.findings}
    print(json.dumps({"adapters": len(adapters), "answers": len(alone), "equal": equal, "doctor": checks}))
    return int(diagnosis.exit_code != 0 or equal < len(alone))


if __name__ == "__main__":
    sys.exit(main())
