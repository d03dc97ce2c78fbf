"""What one more training makes of an adapter: four methods from the same weights, on equally many tokens.

    python -m benchmarks.next_training car_sales --beside outputs/car_sales_seed_1

Trains the domain's adapter (or takes it as it is), asks it `--dev` sessions that no training has seen, and harvests
them. Then each method goes on from its weights, at a tenth of its learning rate, until `--tokens` were trained on:

    more    supervised, on the training sessions of before: what further training does without a harvest
    sft     supervised, on the sessions with a wrong answer, whose wrong turns count three times
    dpo     pairs of the recorded answer and the adapter's own wrong one (tokens of both answers count)
    kto     the same, as single answers

All are asked the `--test` sessions, which neither training nor harvest has seen, and the gate holds each against the
adapter that it began from. `--beside` judges further adapters on the same base likewise, such as the same training
with another seed: how far two trainings differ that nothing was learned between. A run that was broken off goes on
where it was. The table goes to stderr; the last line is JSON: name -> steps, verdict and checks of the gate.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from callproof.train.harvest.configuration import SLOWER
from callproof.train.synth.domains import DOMAINS

from benchmarks.own_server import served
from callproof.config import RunConfig, load
from callproof.console import Parser, last_line, positive
from callproof.errors import EXIT_FLOOR, EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_REGRESSION, UserError, exit_with

METHODS = ("more", "sft", "dpo", "kto")
VERDICTS = (EXIT_PASS, EXIT_REGRESSION, EXIT_INCONCLUSIVE, EXIT_FLOOR)
SHOWN = ("turn_exact", "hallucination_rate")


class Experiment(NamedTuple):
    """One domain's first adapter, its configuration and the folder of all that is made of it."""

    config: RunConfig
    path: Path
    out: Path

    def name(self, method: str) -> str:
        return f"{self.config.name}_{method}"

    def configuration(self, method: str) -> Path:
        return self.out / method / "config.yaml"


def call(*words: object, accept: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Run a verb; its last line of standard output, where that is JSON."""
    command = [sys.executable, "-m", *map(str, words)]
    print("\n=== python " + " ".join(command[1:]), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode not in accept:
        verb = " ".join(command[2:4])
        raise UserError("next_training", f"`{verb}` ended with exit code {done.returncode}", "see its message above")
    last = (done.stdout.splitlines() or ["{}"])[-1]
    return json.loads(last) if last.startswith("{") else {}


def check_beside(folders: list[Path], taken: set[str]) -> None:
    """Refuse what is no training's folder, and names that are served already, before anything is trained."""
    for folder in folders:
        if not (folder / "manifest.json").is_file():
            raise UserError(f"--beside {folder}", "has no manifest.json", "name the output folder of a training")
        if folder.name in taken:
            raise UserError(f"--beside {folder}", f"{folder.name!r} is served already", "rename the folder")
        taken.add(folder.name)


def make_sessions(domain: str, folder: Path, counts: dict[str, int]) -> None:
    """Write `dev.jsonl` and `test.jsonl` where they are not; those of an earlier run must be as many."""
    if not (folder / "test.jsonl").is_file():
        words = (word for name, count in counts.items() for word in (f"--{name}", count))
        call("benchmarks.more_sessions", domain, *words, "--out", folder)
    for name, count in counts.items():
        path = folder / f"{name}.jsonl"
        if (there := len(path.read_bytes().splitlines())) != count:
            raise UserError(path, f"holds {there} sessions of an earlier run, not {count}", "choose another --out")


def harvested(of: Experiment, dev: Path) -> None:
    """Ask the first adapter the development sessions, and write each method's configuration."""
    call("train", "--config", of.path, "--resume")
    run = f"{of.out.name}-dev"
    with served("--config", str(of.path), log=of.out / "vllm-dev.log") as url:
        where = ("--config", of.path, "--endpoint", url, "--run-id", run, "--resume")
        call("evaluate", *where, "--model", of.config.name, f"data.eval={dev.resolve()}")
    for method in METHODS[1:]:
        if not of.configuration(method).is_file():
            call("train", "harvest", run, "--config", of.path, "--out", of.out / method, "--as", method)


def write_configuration(of: Experiment, method: str, tokens: int) -> None:
    """From the first adapter's weights, as many steps as `tokens` take."""
    values = yaml.safe_load((of.path if method == "more" else of.configuration(method)).read_text(encoding="utf-8"))
    start = {**values.get("model", {}), "lora_path": str(of.config.adapter_dir.resolve())}
    values |= {"name": of.name(method), "model": start}
    if method == "sft":
        values["data"]["train"] = values["data"]["train"][:1]
    values["train"] = {**values["train"], "learning_rate": of.config.train.learning_rate / SLOWER, "max_steps": -1}
    path = of.configuration(method)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    values["train"]["max_steps"] = round(tokens / tokens_a_step(load(path)))
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def tokens_a_step(config: RunConfig) -> float:
    """Tokens of a mean batch, prompts among them; a pair has two rows."""
    from callproof.train.rows.data import load_encoder
    from callproof.train.rows.prepare import training_rows

    rows = training_rows(config, load_encoder(config.model))[0].rows
    a_batch = config.train.per_device_train_batch_size * (2 if config.train.method == "dpo" else 1)
    return a_batch * sum(len(row.input_ids) for row in rows) / len(rows)


def judged(of: Experiment, test: Path, beside: list[Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ask every adapter the test sessions; name and row of the table, by the gate against the first."""
    folders = {of.name(method): Path("outputs", of.name(method)) for method in METHODS}
    folders |= {folder.name: folder for folder in beside}
    served_as = [word for name, folder in folders.items() for word in ("--adapter", f"{name}={folder}")]
    run = f"{of.out.name}-test"
    with served("--config", str(of.path), *served_as, log=of.out / "vllm-test.log") as url:
        where = ("--config", of.path, "--endpoint", url, "--run-id", run, "--resume", f"data.eval={test.resolve()}")
        models = [word for name in (of.config.name, *folders) for word in ("--model", name)]
        call("evaluate", *where, *models)
    for name, folder in folders.items():
        path = of.out / f"gate-{name}.json"
        sides = ("--baseline-model", of.config.name, "--candidate-model", name, "--json", path)
        call("evaluate", "gate", run, run, *sides, accept=VERDICTS)
        yield name, row(folder, json.loads(path.read_text(encoding="utf-8")))


def row(folder: Path, gate: dict[str, Any]) -> dict[str, Any]:
    """What the table shows of one adapter: fractions, one-sided limits of 95 %."""
    kept = ("baseline", "candidate", "gain", "lower", "upper", "turns", "discordant", "discordant_sessions")
    checks = {check["metric"]: {key: check[key] for key in kept} for check in gate["checks"] if not check["slice"]}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    figures = {"steps": manifest["steps"], "verdict": gate["verdict"]}
    return {**figures, **{metric: checks[metric] for metric in SHOWN if metric in checks}}


def shown(name: str, figures: dict[str, Any]) -> str:
    parts = [f"{name:24} {figures['steps']:4} steps  {figures['verdict']:12}"]
    for metric in SHOWN:
        check = figures.get(metric)
        if check and check["gain"] is not None:
            change, low, high = (100 * check[key] for key in ("gain", "lower", "upper"))
            parts.append(f"{metric} {100 * check['candidate']:.1f} ({change:+.1f}, {low:+.1f} to {high:+.1f})")
    return "  ".join(parts)


def main() -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain", choices=sorted(DOMAINS))
    parser.add_argument("--tokens", type=positive, default=180_000, help="of each method (default %(default)s)")
    parser.add_argument("--dev", type=positive, default=60, help="sessions to harvest from (default %(default)s)")
    parser.add_argument("--test", type=positive, default=120, help="sessions to judge by (default %(default)s)")
    parser.add_argument("--beside", type=Path, action="append", default=[], metavar="DIR", help="a training's folder")
    parser.add_argument("--out", type=Path, help="default: outputs/next-<domain>")
    args = parser.parse_args()
    path, out = Path("configs", f"{args.domain}.yaml"), args.out or Path("outputs", f"next-{args.domain}")
    of, sessions = Experiment(load(path), path, out), out / "sessions"
    check_beside(args.beside, {of.config.name, of.config.model.served_name, *map(of.name, METHODS)})
    make_sessions(args.domain, sessions, {"dev": args.dev, "test": args.test})
    harvested(of, sessions / "dev.jsonl")
    for method in METHODS:
        write_configuration(of, method, args.tokens)
        call("train", "--config", of.configuration(method), "--resume")
    table = dict(judged(of, sessions / "test.jsonl", args.beside))
    for name, figures in table.items():
        print(shown(name, figures), file=sys.stderr)
    last_line(table)
    return EXIT_PASS


if __name__ == "__main__":
    exit_with(main)
