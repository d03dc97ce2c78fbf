"""`make demo`: from sessions to a gated adapter in one go, every step the command that a user would type.

Trains two adapters, serves both on one vLLM, evaluates the base and both adapters on both domains, blesses the base's
answers, gates an adapter against them and shows in the report what changed, measures latency. With --real (`make
demo-real`) it takes the same road on SmolLM2-135M-Instruct: makes that base first, trains one adapter on it for an
hour, checks isolation and parity, and evaluates the base with three examples in context as well; interrupted, it goes
on where it was. Progress goes to stderr; a summary with the files to open to stdout, or one JSON object where that is
no terminal.
"""

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from callproof.config import RunConfig, load
from callproof.console import Parser, duration, percent
from callproof.errors import EXIT_INCONCLUSIVE, EXIT_REGRESSION, UserError, exit_with

BENCH = Path("runs/demo-bench.json")
CONFIGS = (Path("configs/car_sales.yaml"), Path("configs/insurance.yaml"))
REAL = (Path("configs/car_sales_smollm2.yaml"),)
EXAMPLES, EXAMPLE_SESSIONS = 3, 20
"""Shown before a conversation; and asked so, since the base writes long answers to long prompts."""
Pairs = Sequence[tuple[RunConfig, Path]]


def main() -> int:
    parser = Parser(prog="python demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=60, help="eval sessions a domain (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="of the vLLM server (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="end with JSON, on a terminal too")
    parser.add_argument("--real", action="store_true", help="on SmolLM2-135M-Instruct: one adapter, one to four hours")
    args = parser.parse_args()
    begun, pairs = time.perf_counter(), [(load(path), path) for path in (REAL if args.real else CONFIGS)]
    config = pairs[0][0]
    endpoint = f"http://127.0.0.1:{args.port}"
    if args.real and not Path(config.model.base_model).is_dir():
        _run("train", "base", "smollm2", "--out", config.model.base_model)
    resume = ("--resume",) if args.real else ()
    summary: dict[str, Any] = {"train": _train(pairs, *resume)}
    with _server(pairs, args.port):
        if args.real:
            summary["checks"] = _checks(pairs[0][1], endpoint)
        runs = _evaluate(pairs, endpoint, args.sessions, *resume)
        summary["evaluate"] = {name: run["models"] for name, run in runs.items()}
        summary["gate"] = _gate(runs[config.name]["run"], config)
        if args.real:
            summary["examples"] = _examples(pairs[0], endpoint, args.sessions, runs[config.name]["run"])
        summary["bench"] = _bench(pairs, endpoint)
    summary["seconds"] = round(time.perf_counter() - begun, 1)
    folders = [Path(run["run"]) for run in runs.values()]
    files = [*(folder / "report.html" for folder in folders), folders[0] / "gate.json", BENCH]
    as_json = args.json or not sys.stdout.isatty()
    print(json.dumps(summary) if as_json else "\n".join(lines_of(summary, config.model.served_name, files)))
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
    if shown := summary.get("examples"):
        change = "{:+.1f} [{:.1f}, {:.1f}]".format(*(100 * shown["over"][key] for key in ("turn_exact", "low", "high")))
        right = f"{percent(shown['turn_exact'])} % of {shown['n']} turns exactly right"
        yield f"the base after {EXAMPLES} examples: {right}, the adapter {change} points"
        found = [finding["status"] for finding in summary["checks"]["doctor"]["findings"]]
        equal = "{equal} of {turns} prompts equal".format(**summary["checks"]["parity"])
        yield f"doctor: {found.count('ok')} of {len(found)} checks ok; parity: {equal}"
    yield f"gate: {next(iter(summary['evaluate']))} against the base: {summary['gate']['verdict']}"
    yield "bench: " + "; ".join(
        f"{model} first token {figures['ttft_p50_ms']:.0f} ms, answer {figures['e2e_p50_ms']:.0f} ms, "
        f"{figures['correct_per_s']:.1f} right answers/s"
        for model, figures in summary["bench"].items()
    )
    yield f"took {duration(summary['seconds'])}; to look at:"
    yield from (f"  {path}" for path in files)


def _say(text: str) -> None:
    print(f"\n=== {text}", file=sys.stderr, flush=True)


def _run(*arguments: str | Path, accept: tuple[int, ...] = (0,)) -> str:
    """Run one verb; its tables go to stderr with everything else, its stdout is returned."""
    _say("python -m " + " ".join(map(str, arguments)))
    done = subprocess.run(_command(arguments), stdout=subprocess.PIPE, text=True)
    return _printed(arguments, done.returncode, done.stdout, accept)


def run_beside(name: str, threads: int, *arguments: str | Path) -> str:
    """Run one verb while others run, on so many threads; its lines on stderr begin with `name`."""
    _say("python -m " + " ".join(map(str, arguments)))
    command, environment = _command(arguments), {"OMP_NUM_THREADS": str(threads), **os.environ}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with ThreadPoolExecutor(1) as reader:
            printed = reader.submit(process.stdout.read)
            for line in process.stderr:
                print(f"{name} | {line}", end="", file=sys.stderr, flush=True)
    return _printed(arguments, process.returncode, printed.result(), (0,))


def _command(arguments: Sequence[str | Path]) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def _printed(arguments: Sequence[str | Path], code: int, printed: str, accept: tuple[int, ...]) -> str:
    """What a verb printed, which is told; ends the demo where its exit code is another."""
    print(printed, file=sys.stderr, flush=True)
    if code not in accept:
        verb = " ".join(str(word) for word in arguments[:2] if not str(word).startswith("-"))
        raise UserError("make demo", f"`{verb}` ended with exit code {code}", "see its message above")
    return printed


def _last(printed: str) -> dict[str, Any]:
    return json.loads(printed.splitlines()[-1])


def _train(pairs: Pairs, *options: str) -> dict[str, dict[str, Any]]:
    """All adapters; several at the same time, since one so small gains little from more than one thread."""
    if len(pairs) == 1:
        printed = [_run("train", "--config", pairs[0][1], *options)]
    else:
        threads = max(1, (os.cpu_count() or 1) // len(pairs))
        with ThreadPoolExecutor(len(pairs)) as pool:
            begun = [
                pool.submit(run_beside, of.name, threads, "train", "--config", path, *options) for of, path in pairs
            ]
        printed = [each.result() for each in begun]
    shown = ("seconds", "train_loss", "perplexity")
    manifests = [_last(text) for text in printed]
    return {manifest["name"]: {key: manifest[key] for key in shown} for manifest in manifests}


@contextlib.contextmanager
def _server(pairs: Pairs, port: int) -> Iterator[None]:
    """One vLLM with all adapters, healthy inside the block, stopped after it."""
    options = [option for _, path in pairs for option in ("--config", str(path))]
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


def _checks(path: Path, endpoint: str) -> dict[str, Any]:
    """Adapters keep apart, and the server feeds what training showed; ends the demo where either fails."""
    where = ("--endpoint", endpoint, "--config", path)
    return {"doctor": _last(_run("serve", "doctor", *where)), "parity": _last(_run("evaluate", "parity", *where))}


def _evaluate(pairs: Pairs, endpoint: str, sessions: int, *resume: str) -> dict[str, dict[str, Any]]:
    """The cross matrix: base and all adapters on every domain; returns what `evaluate` prints of each domain's run."""
    models = [pairs[0][0].model.served_name, *(config.name for config, _ in pairs)]
    chosen = [option for model in models for option in ("--model", model)]
    stamp = time.strftime("%Y%m%d-%H%M%S")
    runs = {}
    for config, path in pairs:
        run_id = f"demo-{config.name}-{_weights(config) if resume else stamp}"
        where = ("--endpoint", endpoint, "--config", path, "--run-id", run_id, *resume)
        (runs[config.name],) = _last(_run("evaluate", *where, *chosen, "--limit-sessions", str(sessions)))["runs"]
    return runs


def _weights(config: RunConfig) -> str:
    """A name of an adapter's weights, so that a run is resumed with these only."""
    return hashlib.sha256((config.adapter_dir / "adapter_model.safetensors").read_bytes()).hexdigest()[:8]


def _examples(pair: tuple[RunConfig, Path], endpoint: str, sessions: int, run: str) -> dict[str, Any]:
    """What the base does with examples in context, and what the adapter of `run` does over that, turn by turn."""
    (config, path), base = pair, pair[0].model.served_name
    where = ("--endpoint", endpoint, "--config", path, "--run-id", f"demo-{base}-examples", "--resume")
    chosen = ("--model", base, "--limit-sessions", str(min(sessions, EXAMPLE_SESSIONS)), f"eval.examples={EXAMPLES}")
    (shown,) = _last(_run("evaluate", *where, *chosen))["runs"]
    models = ("--baseline-model", base, "--candidate-model", config.name)
    compared = _last(_run("evaluate", "diff", shown["run"], run, *models))
    return {**shown["models"][base], "over": compared}


def _gate(run: str, config: RunConfig) -> dict[str, Any]:
    """Bless the base's answers, then hold the adapter against them, in the gate and in the run's report."""
    _run("evaluate", "bless", run, "--as", "demo", "--model", config.model.served_name)
    against = ("gate", "demo", run, "--candidate-model", config.name)
    printed = _run("evaluate", *against, accept=(0, EXIT_REGRESSION, EXIT_INCONCLUSIVE))
    _run("evaluate", "report", run, "--baseline", "demo")
    return {"verdict": _last(printed)["verdict"]}


def _bench(pairs: Pairs, endpoint: str) -> dict[str, Any]:
    """Latency of each adapter at the lowest concurrency, throughput at the highest."""
    options = [option for _, path in pairs for option in ("--config", path)]
    models = [option for config, _ in pairs for option in ("--model", config.name)]
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
