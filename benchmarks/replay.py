"""What the client costs: turns per second against an endpoint that answers at once.

    python benchmarks/replay.py                  # all arms that are installed, interleaved in one run
    python benchmarks/replay.py --turns 500 --rounds 1

The arms have the same turns (8 tools) and the same number of requests in flight, and run in one process each:
    evaluate   evaluate's replay: send, judge, and write every outcome to disk
    report     all of `callproof evaluate`: read the configuration, replay, write metrics and report
    client     callproof's client alone: the upper limit of `evaluate`
    openai     an asyncio loop over the openai client; answers are thrown away
    inspect_ai `inspect_ai.eval` with `generate`, unscored; only where it is installed

Rounds rotate the order of the arms. Prints a table and one line of JSON: medians and ratios.
"""

import argparse
import asyncio
import dataclasses
import importlib.util
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from callproof.evaluate.cli import main as evaluate
from callproof.evaluate.replay import ask_all, plan
from callproof.evaluate.runs import Run
from instant_endpoint import MODEL, instant_endpoint

from callproof.config import load
from callproof.endpoint import Endpoint, request

PLACES = ("city", "region", "station", "harbour", "airport", "mountain", "lake", "valley")
WANTED = {"openai": 5.0, "inspect_ai": 8.0}
NUMBERS = count()

Arm = Callable[[str], None]


def tools() -> list[dict[str, Any]]:
    """Eight tools of the usual size; the endpoint calls the first one."""
    names = ["get_weather", *(f"find_{place}" for place in PLACES[1:])]
    return [_tool(name, place) for name, place in zip(names, PLACES, strict=True)]


def _tool(name: str, place: str) -> dict[str, Any]:
    properties = {
        place: {"type": "string", "description": f"Name of the {place}, as the customer writes it."},
        "days": {"type": "integer", "description": "How many days to look ahead.", "minimum": 1, "maximum": 14},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "Of temperatures."},
    }
    parameters = {"type": "object", "properties": properties, "required": [place], "additionalProperties": False}
    described = f"Answers questions about a {place}: its weather, its opening hours and how to get there."
    return {"type": "function", "function": {"name": name, "description": described, "parameters": parameters}}


def write_domain(root: Path, turns: int, concurrency: int) -> Path:
    """Write a domain of `turns` turns, two per session; returns the path of its configuration."""
    (root / "sessions").mkdir()
    (root / "system_prompt.md").write_text("You help travellers.\n\n## Rules\n- Be brief.\n- Call tools.\n")
    (root / "tools.json").write_text(json.dumps(tools()))
    with (root / "sessions" / "eval.jsonl").open("w") as file:
        for number in range(-(-turns // 2)):
            file.write(json.dumps(_session(number)) + "\n")
    config = root / "travel.yaml"
    settings = {"concurrency": concurrency, "retries": 0}
    config.write_text(yaml.safe_dump({"name": "travel", "data": {"domain": str(root)}, "eval": settings}))
    return config


def _session(number: int) -> dict[str, Any]:
    call = {"name": "get_weather", "arguments": {"city": "Bern", "days": 2}}
    messages = [
        {"role": "user", "content": f"Hello, this is traveller {number}."},
        {"role": "assistant", "content": "Welcome! Where do you go?"},
        {"role": "user", "content": "To Bern, for two days. Will it rain?"},
        {"role": "assistant", "tool_calls": [call]},
    ]
    return {"session_id": f"travel-{number:06}", "messages": messages}


class Bench:
    """The arms, over the turns of one configuration."""

    def __init__(self, config: Path, concurrency: int) -> None:
        self._config, self._concurrency = config, concurrency
        self._plan = plan(load(config), self._run(), [MODEL], {})
        self._payloads = [request(turn, MODEL, max_tokens=256, temperature=0.0) for turn in self._plan.turns]
        self.turns = len(self._payloads)

    def arms(self) -> dict[str, Arm]:
        """Name -> arm, a function that takes the URL and returns when every turn is answered."""
        arms: dict[str, Arm] = {
            "evaluate": self.evaluate,
            "report": self.report,
            "client": self.client,
            "openai": self.openai,
        }
        if importlib.util.find_spec("inspect_ai"):
            arms["inspect_ai"] = self.inspect_ai
        return arms

    def _run(self) -> Run:
        return Run(self._config.parent / "runs" / str(next(NUMBERS)))

    def evaluate(self, url: str) -> None:
        fresh_plan = dataclasses.replace(self._plan, run=self._run())
        asyncio.run(ask_all([fresh_plan], [url], resume=False))
        assert len(fresh_plan.run.outcomes_path.read_bytes().splitlines()) == self.turns

    def report(self, url: str) -> None:
        path = self._run().path
        words = ["--config", str(self._config), "--model", MODEL, "--endpoint", url]
        assert evaluate([*words, "--out", str(path.parent), "--run-id", path.name]) == 0

    def client(self, url: str) -> None:
        async def run() -> None:
            async with Endpoint(url, limit=self._concurrency) as endpoint:
                await self._drain(endpoint.chat)

        asyncio.run(run())

    def openai(self, url: str) -> None:
        import openai

        async def run() -> None:
            async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
                await self._drain(lambda body: client.chat.completions.create(**_openai_words(body)))

        asyncio.run(run())

    async def _drain(self, ask: Callable[[dict[str, Any]], Awaitable[Any]]) -> None:
        queue = deque(self._payloads)

        async def work() -> None:
            while queue:
                await ask(queue.popleft())

        await asyncio.gather(*(work() for _ in range(self._concurrency)))

    def inspect_ai(self, url: str) -> None:
        from inspect_ai import Task, eval
        from inspect_ai.dataset import MemoryDataset
        from inspect_ai.model import get_model
        from inspect_ai.solver import generate, use_tools

        task = Task(
            dataset=MemoryDataset([_sample(payload) for payload in self._payloads]),
            solver=[use_tools([_inspect_tool(tool) for tool in tools()], tool_choice="none"), generate("none")],
        )
        model = get_model(f"openai-api/instant/{MODEL}", base_url=f"{url}/v1", api_key="none", memoize=False)
        limits = {"max_connections": self._concurrency, "max_samples": self._concurrency}
        sampling = {"max_tokens": 256, "temperature": 0.0, "seed": 0}
        logs = self._config.parent / "inspect_logs"
        [log] = eval(task, model=model, display="none", score=False, log_dir=str(logs), **limits, **sampling)
        assert log.status == "success", log.error and log.error.message
        assert log.samples is None or len(log.samples) == self.turns


def _openai_words(payload: dict[str, Any]) -> dict[str, Any]:
    """A payload as keywords of the openai client, which takes a key of vLLM in `extra_body` only."""
    beyond = {key: value for key, value in payload.items() if key == "skip_special_tokens"}
    return {**{key: value for key, value in payload.items() if key not in beyond}, "extra_body": beyond}


def _sample(payload: dict[str, Any]) -> Any:
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    roles = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    return Sample(input=[roles[message["role"]](content=message["content"]) for message in payload["messages"]])


def _inspect_tool(tool: dict[str, Any]) -> Any:
    from inspect_ai.tool import ToolDef, ToolParams

    async def execute() -> str:
        raise AssertionError("no tool is run")

    function = tool["function"]
    parameters = ToolParams.model_validate(function["parameters"])
    return ToolDef(execute, name=function["name"], description=function["description"], parameters=parameters)


def measure(arms: dict[str, Arm], url: str, turns: int, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Arm -> (turns/s, CPU seconds of this process per turn) for each round after a warm-up round."""
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(-1, rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began, cpu = time.perf_counter(), time.process_time()
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                arms[name](url)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            if number >= 0:
                costs[name].append((turns / seconds, cpu / turns))
            print(f"round {number}: {name} {turns / seconds:.0f} turns/s", file=sys.stderr, flush=True)
    return costs


def print_result(costs: dict[str, list[tuple[float, float]]], turns: int) -> None:
    """Print the table, and a line of JSON."""
    rates = {name: statistics.median(rate for rate, _ in rounds) for name, rounds in costs.items()}
    print(f"{'arm':<12}{'turns/s':>10}{'lowest':>10}{'highest':>10}{'CPU ms/turn':>13}{'evaluate is':>14}")
    for name, rounds in costs.items():
        all_rates, cpu = [rate for rate, _ in rounds], statistics.median(cpu for _, cpu in rounds)
        spread = f"{rates[name]:>10.0f}{min(all_rates):>10.0f}{max(all_rates):>10.0f}"
        print(f"{name:<12}{spread}{cpu * 1e3:>13.2f}{rates['evaluate'] / rates[name]:>12.1f} x")
    ratios = {name: round(rates["evaluate"] / rates[name], 2) for name in WANTED if name in rates}
    for name, wanted in WANTED.items():
        verdict = f"{ratios[name]} x, wanted {wanted} x" if name in ratios else "is not installed"
        print(f"evaluate against {name}: {verdict}")
    spread = {
        name: [min(rate for rate, _ in rounds), max(rate for rate, _ in rounds)] for name, rounds in costs.items()
    }
    found = {"turns": turns, "cores": os.cpu_count(), "turns_per_s": rates, "spread": spread}
    print(json.dumps({**found, "evaluate_against": ratios}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2000, help="a round and arm (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="after the warm-up (default %(default)s)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests in flight (default %(default)s)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, instant_endpoint() as url:
        bench = Bench(write_domain(Path(folder), args.turns, args.concurrency), args.concurrency)
        costs = measure(bench.arms(), url, bench.turns, args.rounds)
    print_result(costs, bench.turns)


if __name__ == "__main__":
    main()
