"""`make demo`: from sessions to a gated adapter in one go, every step the command that a user would type.

Trains two adapters, serves both on one vLLM, evaluates the base and both adapters on both domains, blesses the base's
answers, gates an adapter against them and shows in the report what changed, measures latency. Progress goes to stderr;
a summary with the files to open to stdout, or one JSON object where that is no terminal.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callproof.config import RunConfig, load
from callproof.console import Parser, duration, percent
from callproof.errors import EXIT_INCONCLUSIVE, EXIT_REGRESSION, UserError, exit_with

BENCH = Path("runs/demo-bench.json")
CONFIGS = (Path("configs/car_sales.yaml"), Path("configs/insurance.yaml"))


def main() -> int:
    parser = Parser(prog="python demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=60, help="eval sessions a domain (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="of the vLLM server (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="end with JSON, on a terminal too")
    args = parser.parse_args()
    begun, configs = time.perf_counter(), [load(path) for path in CONFIGS]
    endpoint = f"http://127.0.0.1:{args.port}"
    summary: dict[str, Any] = {"train": {config.name: _train(path) for config, path in _pairs(configs)}}
    with _server(args.port):
        runs = _evaluate(configs, endpoint, args.sessions)
        summary["evaluate"] = {name: run["models"] for name, run in runs.items()}
        summary["gate"] = _gate(runs[configs[0].name]["run"], configs[0])
        summary["bench"] = _bench(configs, endpoint)
    summary["seconds"] = round(time.perf_counter() - begun, 1)
    folders = [Path(run["run"]) for run in runs.values()]
    files = [*(folder / "report.html" for folder in folders), folders[0] / "gate.json", BENCH]
    as_json = args.json or not sys.stdout.isatty()
    print(json.dumps(summary) if as_json else "\n".join(lines_of(summary, configs[0].model.served_name, files)))
    return 0


def lines_of(summary: dict[str, Any], base: str, files: list[Path]) -> Iterator[str]:
    """What came of it in five lines, and the files to open.

    Args:
        summary: what the JSON holds.
        base: the name of the base model in it.
    """
    yield ""
    for domain, models in summary["evaluate"].items():
        own, before = models[domain], models[base]
        sides = ([percent(model[name]) for model in (own, before)] for name in ("turn_exact", "hallucination_rate"))
        exact, false_calls = sides
        yield (
            f"{domain}: {exact[0]} % of {own['n']} turns exactly right (base {exact[1]} %), "
            f"{false_calls[0]} % calls where none is due (base {false_calls[1]} %)"
        )
    yield f"gate: {next(iter(summary['evaluate']))} against the base: {summary['gate']['verdict']}"
    yield "bench: " + "; ".join(
        f"{model} first token {figures['ttft_p50_ms']:.0f} ms, answer {figures['e2e_p50_ms']:.0f} ms, "
        f"{figures['correct_per_s']:.1f} right answers/s"
        for model, figures in summary["bench"].items()
    )
    yield f"took {duration(summary['seconds'])}; to look at:"
    yield from (f"  {path}" for path in files)


def _pairs(configs: list[RunConfig]) -> list[tuple[RunConfig, Path]]:
    return list(zip(configs, CONFIGS, strict=True))


def _say(text: str) -> None:
    print(f"\n=== {text}", file=sys.stderr, flush=True)


def _run(*arguments: str | Path, accept: tuple[int, ...] = (0,)) -> str:
    """Run one verb; its tables go to stderr with everything else, its stdout is returned."""
    command = [sys.executable, "-m", *map(str, arguments)]
    _say("python -m " + " ".join(map(str, arguments)))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    print(done.stdout, file=sys.stderr, flush=True)
    if done.returncode not in accept:
        raise UserError(
            "make demo", f"`{arguments[0]}` ended with exit code {done.returncode}", "see its message above"
        )
    return done.stdout


def _train(path: Path) -> dict[str, Any]:
    manifest = json.loads(_run("train", "--config", path).splitlines()[-1])
    return {key: manifest[key] for key in ("seconds", "train_loss", "perplexity")}


@contextlib.contextmanager
def _server(port: int) -> Iterator[None]:
    """One vLLM with both adapters, healthy inside the block, stopped after it."""
    options = [option for path in CONFIGS for option in ("--config", str(path))]
    command = [sys.executable, "-m", "serve", *options, "--port", str(port)]
    _say("python " + " ".join(command[1:]))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not process.stdout.readline().startswith("ready"):
            raise UserError("make demo", f"`serve` ended with exit code {process.wait()}", "see its message above")
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _evaluate(configs: list[RunConfig], endpoint: str, sessions: int) -> dict[str, dict[str, Any]]:
    """The cross matrix: base and both adapters on every domain; returns what `evaluate` prints of each domain's run."""
    models = [configs[0].model.served_name, *(config.name for config in configs)]
    chosen = [option for model in models for option in ("--model", model)]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    runs = {}
    for config, path in _pairs(configs):
        where = ("--endpoint", endpoint, "--config", path, "--run-id", f"demo-{config.name}-{stamp}")
        printed = _run("evaluate", *where, *chosen, "--limit-sessions", str(sessions))
        (runs[config.name],) = json.loads(printed.splitlines()[-1])["runs"]
    return runs


def _gate(run: str, config: RunConfig) -> dict[str, Any]:
    """Bless the base's answers, then hold the adapter against them, in the gate and in the run's report."""
    _run("evaluate", "bless", run, "--as", "demo", "--model", config.model.served_name)
    against = ("gate", "demo", run, "--candidate-model", config.name)
    printed = _run("evaluate", *against, accept=(0, EXIT_REGRESSION, EXIT_INCONCLUSIVE))
    _run("evaluate", "report", run, "--baseline", "demo")
    return {"verdict": json.loads(printed.splitlines()[-1])["verdict"]}


def _bench(configs: list[RunConfig], endpoint: str) -> dict[str, Any]:
    """Latency of each adapter at the lowest concurrency, throughput at the highest."""
    options = [option for path in CONFIGS for option in ("--config", path)]
    models = [option for config in configs for option in ("--model", config.name)]
    load_options = ("--concurrency", "1,8", "--requests", "32", "--out", BENCH)
    _run("bench", "--endpoint", endpoint, *options, *models, *load_options)
    alone, loaded = json.loads(BENCH.read_text(encoding="utf-8"))["levels"]
    latency, rate = ("ttft_p50_ms", "e2e_p50_ms"), ("req_per_s", "correct_per_s")
    return {
        model: {**{key: alone["models"][model][key] for key in latency}, **{key: figures[key] for key in rate}}
        for model, figures in loaded["models"].items()
    }


if __name__ == "__main__":
    exit_with(main)
