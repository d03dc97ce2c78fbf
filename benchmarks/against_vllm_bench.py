"""Compares our bench with `vllm bench serve` and AIPerf: latencies for the same prompts, rate and server.

    callproof serve --config configs/car_sales.yaml                                  # in another terminal
    python benchmarks/against_vllm_bench.py --config configs/car_sales.yaml --model car_sales --rate 4
    python benchmarks/against_vllm_bench.py ... --aiperf /tmp/aiperf/bin/aiperf      # of an environment of its own
    python benchmarks/against_vllm_bench.py --config configs/car_sales.yaml --model car_sales --own-server   # its own
    python benchmarks/against_vllm_bench.py ... --scripted                           # what each client adds by itself

Requests come at a constant rate, every answer has the same length (`ignore_eos`), and each round begins with a cold
prefix cache (a salt). After a warm-up round the arms take turns. `vllm bench serve` runs in its own process, through
the main function of its script, as PyPI's CPU wheel has no working script. A prompt is all text of a turn as one user
message, since `vllm bench serve` sends no tools; AIPerf gets our own request bodies. What AIPerf calls the first token
is the first event with content, our TTFC; vLLM's and our TTFT is the first event, which tells the role. The processor
time of an arm is that of its process and its children, start included. With `--scripted` all ask an endpoint that
writes the same events at a known pace (`instant_endpoint.py`), so that what parts is the clients' doing. Prints medians
over rounds and one line of JSON. On a CPU the figures are functional, not performance.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from callproof.bench.figures import figures, samples_of
from callproof.bench.load import Arrival, Job, Level, make_jobs, run_level, salted, scheduled, warm_up
from callproof.bench.report import CPU_NOTE, detect_device
from instant_endpoint import CHUNKS, MODEL, instant_endpoint
from own_server import served

from callproof.config import RunConfig, load
from callproof.endpoint import Endpoint, require_models
from callproof.turns import Turn, eval_turns

METRICS = {"ttft": "ttft", "tpot": "tpot", "e2e": "e2el"}
OF_AIPERF = {"ttfc": "time_to_first_token", "tpot": "inter_token_latency", "e2e": "request_latency"}
VLLM = (
    "from vllm.benchmarks.serve import add_cli_args, main\n"
    "from vllm.utils.argparse_utils import FlexibleArgumentParser\n"
    "parser = FlexibleArgumentParser()\n"
    "add_cli_args(parser)\n"
    "main(parser.parse_args())\n"
)

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}

Medians = dict[str, float]


def prompts(config: RunConfig, count: int) -> list[str]:
    """The text of each of the first `count` turns."""
    turns = eval_turns(config)[:count]
    return ["\n".join(str(message.get("content") or "") for message in turn.messages) for turn in turns]


class Comparison:
    """Both arms over the same prompts at one server."""

    def __init__(self, args: argparse.Namespace, folder: Path, url: str | None) -> None:
        self._args, self._folder = args, folder
        config = load(args.config)
        self._settings = config.eval.model_copy(update={"max_tokens": args.tokens, "temperature": 0.0})
        self._base = args.tokenizer or config.model.base_model
        self.url = url or f"http://{config.serve.host}:{config.serve.port}"
        self._prompts = prompts(config, args.requests)
        rows = [{"prompt": prompt, "output_tokens": args.tokens} for prompt in self._prompts]
        self._dataset = folder / "prompts.jsonl"
        self._dataset.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def vllm(self, salt: str) -> Medians:
        """Medians in ms of `vllm bench serve`."""
        options: dict[str, Any] = {
            "backend": "openai-chat",
            "base-url": self.url,
            "endpoint": "/v1/chat/completions",
            "model": self._args.model,
            "tokenizer": self._base,
            "dataset-name": "custom",
            "dataset-path": self._dataset,
            "custom-output-len": self._args.tokens,
            "num-prompts": len(self._prompts),
            "request-rate": self._args.rate,
            "burstiness": "inf",
            "temperature": 0,
            "extra-body": json.dumps({"cache_salt": salt, "seed": 0}),
            "percentile-metrics": ",".join(METRICS.values()),
            "result-dir": self._folder,
            "result-filename": f"{salt}.json",
        }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        flags = ["--skip-chat-template", "--disable-shuffle", "--ignore-eos", "--disable-tqdm", "--save-result"]
        command = [sys.executable, "-c", VLLM, *words, *flags]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"vllm bench serve ended with code {done.returncode}:\n{done.stdout[-3000:]}")
        result = json.loads((self._folder / f"{salt}.json").read_text(encoding="utf-8"))
        assert result["completed"] == len(self._prompts), result
        return {ours: result[f"median_{theirs}_ms"] for ours, theirs in METRICS.items()}

    def aiperf(self, salt: str) -> Medians:
        """Medians in ms of AIPerf, of the requests that `ours` sends."""
        file, out = self._folder / f"{salt}-inputs.json", self._folder / salt
        rows = [{"session_id": job.turn.turn_id, "payloads": [{**job.payload, **STREAMED}]} for job in self._jobs(salt)]
        file.write_text(json.dumps({"data": rows}), encoding="utf-8")
        options: dict[str, Any] = {
            "model": self._args.model,
            "url": self.url,
            "endpoint-type": "chat",
            "input-file": file,
            "custom-dataset-type": "inputs_json",
            "dataset-sampling-strategy": "sequential",
            "request-rate": self._args.rate,
            "arrival-pattern": "constant",
            "request-count": len(rows),
            "tokenizer": Path(self._base).absolute() if Path(self._base).is_dir() else self._base,
            "artifact-dir": out,
            "ui": "none",
        }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        command = [self._args.aiperf, "profile", *words, "--streaming", "--use-server-token-count", "--no-auto-plot"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"aiperf ended with code {done.returncode}:\n{done.stdout[-3000:]}")
        result = json.loads((out / "profile_export_aiperf.json").read_text(encoding="utf-8"))
        assert result["request_count"]["avg"] == len(rows), result["request_count"]
        units = {key: result[key]["unit"] for key in OF_AIPERF.values()}
        assert set(units.values()) == {"ms"}, units
        return {ours: result[theirs]["p50"] for ours, theirs in OF_AIPERF.items()}

    def ours(self, salt: str) -> Medians:
        """The same of our open loop."""
        row = asyncio.run(self._open_loop(salt))
        assert row["errors"] == 0, row
        return {name: row[f"{name}_p50_ms"] for name in (*METRICS, "ttfc")}

    def _jobs(self, salt: str) -> list[Job]:
        turns = [_turn(number, prompt) for number, prompt in enumerate(self._prompts)]
        jobs = make_jobs({self._args.model: turns}, len(turns), len(turns), self._settings)
        return salted((replace(job, payload={**job.payload, "ignore_eos": True}) for job in jobs), salt)

    async def _open_loop(self, salt: str) -> dict[str, Any]:
        jobs = self._jobs(salt)
        moments = Arrival("constant").moments(len(jobs), self._args.rate, seed=0)
        level = Level(None, planned=len(jobs), rate=self._args.rate, arrival="constant")
        async with Endpoint(self.url, timeout_s=self._settings.timeout_s, limit=len(jobs)) as endpoint:
            await require_models(endpoint, [self._args.model])
            await warm_up(endpoint, salted(jobs, f"{salt}-warm-up"))
            await run_level(endpoint, scheduled(jobs, moments), level, lambda: None)
        return figures(samples_of(level), level.ended - level.begun)


def _turn(number: int, prompt: str) -> Turn:
    """In the form in which `vllm bench serve` sends a prompt."""
    message = {"role": "user", "content": [{"type": "text", "text": prompt}]}
    name = str(number)
    return Turn(turn_id=name, session_id=name, position=1, messages=(message,), tools=None, gold=())


def measure(comparison: Comparison, rounds: int, with_aiperf: bool) -> dict[str, list[Medians]]:
    """Arm -> medians of each round after a warm-up round, with its processor time in seconds as `cpu_s`."""
    arms = {"vllm bench serve": comparison.vllm, "bench": comparison.ours}
    arms |= {"aiperf": comparison.aiperf} if with_aiperf else {}
    medians_by_arm: dict[str, list[Medians]] = {name: [] for name in arms}
    for number in range(-1, rounds):
        for name in list(arms)[:: 1 if number % 2 else -1]:
            begun = processor_seconds()
            medians = arms[name](f"{name.replace(' ', '-')}-{number}-{time.time_ns()}")
            line = ", ".join(f"{metric} {value:.1f} ms" for metric, value in medians.items())
            medians["cpu_s"] = processor_seconds() - begun
            print(f"round {number}: {name}: {line}, {medians['cpu_s']:.1f} s of processor", file=sys.stderr, flush=True)
            if number >= 0:
                medians_by_arm[name].append(medians)
    return medians_by_arm


def processor_seconds() -> float:
    """Of this process, and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def print_result(medians_by_arm: dict[str, list[Medians]], device: str) -> None:
    """Print medians over rounds, those of others over ours paired by round, and a line of JSON."""
    ours = medians_by_arm["bench"]
    note = f", {CPU_NOTE}" if device.startswith("cpu") else ""
    print(f"device {device}{note}\n{'median':<8}{'arm':<18}{'':>12}{'over ours':>28}")
    summary: dict[str, Any] = {"device": device, "rounds": len(ours)}
    for name in ("ttft", "ttfc", "tpot", "e2e", "cpu_s"):
        for arm, rounds in medians_by_arm.items():
            if name not in rounds[0]:
                continue
            value = statistics.median(medians[name] for medians in rounds)
            ratios = [other[name] / mine[name] for mine, other in zip(ours, rounds, strict=True)]
            spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
            print(f"{name.upper():<8}{arm:<18}{value:>12.1f}{spread:>28}")
            summary.setdefault(arm, {})[name] = {
                "median": round(value, 3),
                "over_ours": statistics.median(ratios),
                "spread": [min(ratios), max(ratios)],
            }
    print(json.dumps(summary))


def _place(args: argparse.Namespace, folder: Path) -> AbstractContextManager[str | None]:
    """Where the requests go, for the length of a block."""
    if args.scripted:
        return instant_endpoint()
    if args.own_server:
        return served("--config", str(args.config), log=folder / "serve.log")
    return nullcontext(args.endpoint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, type=Path, metavar="YAML")
    parser.add_argument("--model", metavar="NAME", help="as served; needed unless --scripted")
    parser.add_argument("--endpoint", metavar="URL", help="default: serve.host and serve.port of --config")
    parser.add_argument("--tokenizer", metavar="PATH", help="default: the base model of --config")
    parser.add_argument("--aiperf", metavar="PROGRAM", help="the aiperf to measure as well")
    parser.add_argument("--requests", type=int, default=60, metavar="N", help="a round (default %(default)s)")
    parser.add_argument(
        "--rate", type=float, default=4.0, metavar="R", help="requests per second (default %(default)s)"
    )
    parser.add_argument("--tokens", type=int, default=32, metavar="N", help="of each answer (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="of each arm, after the warm-up (default %(default)s)")
    parser.add_argument("--scripted", action="store_true", help="at an endpoint of known pace, in place of a server")
    parser.add_argument("--own-server", action="store_true", help="start a vLLM for it with `callproof serve`")
    args = parser.parse_args()
    if args.scripted:
        args.model, args.tokens = MODEL, CHUNKS
    with tempfile.TemporaryDirectory() as folder, _place(args, Path(folder)) as url:
        comparison = Comparison(args, Path(folder), url)
        medians_by_arm = measure(comparison, args.rounds, bool(args.aiperf))
    print_result(medians_by_arm, detect_device(comparison.url))


if __name__ == "__main__":
    main()
