"""What the server and the client cost: wall time of evaluate's replay against vLLM's own offline `LLM.chat`.

    python benchmarks/against_llm_chat.py --config configs/car_sales.yaml --limit-sessions 30 --starts 3

Both have the same turns, adapter, engine options and environment, greedy sampling, and prefix caching. Every round
begins with an empty prefix cache (a salt for the server, `reset_prefix_cache` offline), and the two alternate. With
--starts both are started anew several times, since speed varies from start to start. `LLM.chat` takes one list of tools
for all conversations, so the catalog is not shuffled here. Starts its own server; nothing else may use the machine.
"""

import argparse
import asyncio
import copy
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from callproof.evaluate.replay import Plan, plan
from callproof.evaluate.runs import Run, read_outcomes
from callproof.serve.start import Plan as Server
from callproof.serve.start import environment, make_plan, of_config, require_wheel
from own_server import served
from prefix_cache import run_once

from callproof.config import RunConfig, load
from callproof.console import Parser, positive
from callproof.errors import EXIT_PASS, UserError, exit_with
from callproof.turns import Turn

CONTENT_FORMAT = "chat-template-content-format"
SERVER_ONLY = (
    *("served-model-name", "host", "port", "enable-auto-tool-choice", "tool-call-parser", "lora-modules"),
    CONTENT_FORMAT,
)
"""Options of the server that `LLM` does not take."""


class Offline:
    """vLLM in this process, with the options and the environment of the server."""

    def __init__(self, server: Server, config: RunConfig, turns: list[Turn]) -> None:
        from vllm import LLM, SamplingParams
        from vllm.lora.request import LoRARequest

        options = {key.replace("-", "_"): value for key, value in server.options.items() if key not in SERVER_ONLY}
        os.environ.update(environment(server) | os.environ)  # inherited by vLLM's engine process
        self._llm = LLM(model=server.base, **options)
        self._sampling = SamplingParams(temperature=config.eval.temperature, max_tokens=config.eval.max_tokens)
        self._adapter = LoRARequest(config.name, 1, str(config.adapter_dir))
        self._messages: list[Any] = [list(turn.messages) for turn in turns]
        self._tools = list(turns[0].tools or ())
        self._format: Any = server.options[CONTENT_FORMAT]

    def run(self) -> tuple[float, list[str]]:
        """(seconds, answers in the order of the turns)."""
        assert self._llm.reset_prefix_cache()
        messages = copy.deepcopy(self._messages)  # LLM.chat parses the arguments of calls in place
        began = time.perf_counter()
        outputs = self._llm.chat(
            messages,
            self._sampling,
            use_tqdm=False,
            lora_request=self._adapter,
            tools=self._tools,
            chat_template_content_format=self._format,
        )
        return time.perf_counter() - began, [output.outputs[0].text for output in outputs]

    def close(self) -> None:
        """End vLLM's engine process; this process cannot end before that."""
        self._llm.llm_engine.engine_core.shutdown()


def replay(replay_plan: Plan, url: str, number: str) -> tuple[float, list[str]]:
    """The same for evaluate's replay."""
    run = Run(replay_plan.run.path.with_name(f"replay-{number}"))
    salt = f"{number}-{time.time_ns()}"
    seconds, _ = asyncio.run(run_once(replace(replay_plan, run=run), url, salt))
    answers = {outcome.turn_id: outcome.answer for outcome in read_outcomes(run.outcomes_path)}
    refused = [answer.error for answer in answers.values() if answer.error]
    if refused:
        raise UserError(url, f"{len(refused)} turns got no answer ({refused[0]})", "look at what the server refuses")
    return seconds, [answers[turn.turn_id].text for turn in replay_plan.turns]


def unshuffled(source: Path, folder: Path) -> Path:
    """Write a copy of a configuration with one order of tools for all sessions; returns its path."""
    load(source)  # tells what is wrong with it
    values = yaml.safe_load(source.read_text(encoding="utf-8"))
    values["prompt"] = {**(values.get("prompt") or {}), "shuffle_tools": False}
    path = folder / source.name
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


class Round(NamedTuple):
    """Seconds of each arm, and the share of equal answers."""

    chat: float
    evaluate: float
    same: float


def rounds(path: Path, config: RunConfig, replay_plan: Plan, name: str, count: int) -> Iterator[Round]:
    """Start both and alternate between them; the first round warms up and is left out."""
    with served("--config", str(path), log=path.with_suffix(".log")) as url:
        offline = Offline(make_plan([of_config(path)], require_wheel().device), config, replay_plan.turns)
        with closing(offline):
            for number in range(-1, count):
                chat, expected = offline.run()
                replayed, texts = replay(replay_plan, url, f"{name}-{number}")
                same = sum(a == b for a, b in zip(expected, texts, strict=True)) / len(texts)
                line = f"start {name}, round {number}: LLM.chat {chat:.1f} s, evaluate {replayed:.1f} s"
                print(line, file=sys.stderr, flush=True)
                if number >= 0:
                    yield Round(chat, replayed, same)


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, type=Path, metavar="YAML")
    parser.add_argument("--limit-sessions", type=positive, metavar="N", help="the first N eval sessions only")
    parser.add_argument("--rounds", type=positive, default=3, help="of each arm and start (default %(default)s)")
    parser.add_argument(
        "--starts", type=positive, default=1, help="how often both are started anew (default %(default)s)"
    )
    args = parser.parse_args()
    overrides = {"max_sessions": args.limit_sessions} if args.limit_sessions else {}
    with tempfile.TemporaryDirectory() as folder:
        path = unshuffled(args.config, Path(folder))
        config = load(path)
        replay_plan = plan(config, Run(Path(folder) / "replay"), [config.name], overrides)
        starts = (rounds(path, config, replay_plan, str(start), args.rounds) for start in range(args.starts))
        print_result([one_round for start in starts for one_round in start], len(replay_plan.turns))
    return EXIT_PASS


def print_result(all_rounds: list[Round], turns: int) -> None:
    """Medians and the ratio, paired by round; then JSON."""
    ratios = [one_round.evaluate / one_round.chat for one_round in all_rounds]
    chat, evaluate, ratio = (
        statistics.median(values)
        for values in (
            [one_round.chat for one_round in all_rounds],
            [one_round.evaluate for one_round in all_rounds],
            ratios,
        )
    )
    same = min(one_round.same for one_round in all_rounds)
    print(f"LLM.chat {chat:.2f} s, evaluate {evaluate:.2f} s for {turns} turns: medians of {len(all_rounds)} rounds")
    print(f"evaluate takes {ratio:.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f}, paired by round)")
    print(f"at least {same:.1%} of the answers are equal")
    seconds = {"LLM.chat": round(chat, 2), "evaluate": round(evaluate, 2)}
    spread = [round(value, 3) for value in (min(ratios), max(ratios))]
    print(json.dumps({"turns": turns, "seconds": seconds, "ratio": round(ratio, 3), "spread": spread, "same": same}))


if __name__ == "__main__":
    exit_with(main)
