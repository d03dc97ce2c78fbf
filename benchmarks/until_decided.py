"""Would `--until-decided` have stopped sooner, and with the same verdict? Asks the saved answers of a run again.

    PYTHONPATH=tests/support python -m benchmarks.until_decided runs/demo-car_sales-20260101-000000 \\
        --baseline demo --model car_sales --orders 20

A real HTTP server gives the answers that the run has; `callproof evaluate --until-decided` asks it in random orders of
the sessions, into a folder that is deleted in the end. The verdict to compare with is that of `gate` on the whole run.
The last line is JSON: verdict, sessions and turns asked, for each order; exit code 1 where a verdict differs, or where
more than half of the sessions were asked on average.
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from callproof.evaluate.cli import main as evaluate
from callproof.evaluate.runs import Run, RunInfo, choose_model, find_run, read_outcomes
from fake_endpoint import FakeEndpoint, Script

from callproof.console import last_line
from callproof.endpoint import request
from callproof.errors import UserError, exit_with
from callproof.scoring import Answer


def key(payload: dict[str, Any]) -> str:
    """What tells requests apart: conversation, tools, channel and repeat."""
    return json.dumps([payload.get(name) for name in ("messages", "tools", "tool_choice", "seed")], sort_keys=True)


def saved_answers(run: Run, model: str) -> Callable[[dict[str, Any]], Script]:
    """From a request to the answer that the run has.

    Raises:
        UserError: two turns of the run are asked alike, and were answered differently.
    """
    turns = {turn.turn_id: turn for turn in run.turns()}
    scripts: dict[str, Script] = {}
    for outcome in read_outcomes(run.outcomes_path):
        if outcome.model == model:
            turn = turns[outcome.turn_id]
            asked = key(request(turn, model, max_tokens=1, temperature=0, seed=outcome.repeat, channel=outcome.channel))
            script = script_of(outcome.answer)
            if scripts.setdefault(asked, script) != script:
                problem = "is asked as another turn is, and was answered differently"
                raise UserError(f"{run.path}: {outcome.turn_id}", problem, "replay another run")
    return lambda payload: scripts[key(payload)]


def script_of(answer: Answer) -> Script:
    if answer.error is not None:
        return Script(status=500, body=answer.error.encode())
    return Script(answer.text, finish_reason=answer.finish_reason, tool_calls=answer.tool_calls)


def replayed(run: Run, info: RunInfo, model: str, baseline: str, folder: Path, seed: int) -> dict[str, Any]:
    """What `evaluate --until-decided` says of the saved answers, in the order of this seed."""
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(info.config), encoding="utf-8")
    with FakeEndpoint(saved_answers(run, model), models=[model]) as endpoint:
        words = ["--endpoint", endpoint.url, "--config", str(config), "--model", model, "--retries", "0"]
        place = ["--out", str(folder), "--run-id", f"order-{seed}", "--order-seed", str(seed)]
        evaluate([*words, *place, "--until-decided", "--baseline", baseline])
    return json.loads((folder / f"order-{seed}" / "gate.json").read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="a whole run: its folder or id")
    parser.add_argument("--baseline", required=True, metavar="NAME|RUN")
    parser.add_argument("--model", metavar="NAME", help="default: the only one, or the configuration's name")
    parser.add_argument("--orders", type=int, default=5, metavar="N", help="seeds 1 to N (default: 5)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    args = parser.parse_args()
    run, _ = find_run(args.run, args.runs)
    info, baseline = run.info(), str(find_run(args.baseline, args.runs)[0].path)
    model = choose_model(info, args.model, "--model")
    with TemporaryDirectory() as place, redirect_stdout(sys.stderr):
        folder = Path(place)
        fixed_path = folder / "fixed.json"
        evaluate(["gate", baseline, str(run.path), "--candidate-model", model, "--json", str(fixed_path)])
        fixed = json.loads(fixed_path.read_text(encoding="utf-8"))["verdict"]
        seeds = range(1, args.orders + 1)
        gates = [replayed(run, info, model, baseline, folder, seed) for seed in seeds]
    asked = [gate["stopping"]["sessions"] for gate in gates]
    share = sum(asked) / len(asked) / info.sessions
    verdicts = [gate["verdict"] for gate in gates]
    told = {"fixed": fixed, "until_decided": verdicts, "planned": info.sessions, "sessions": asked, "share": share}
    last_line(told)
    return int(set(verdicts) != {fixed} or share > 0.5)


if __name__ == "__main__":
    exit_with(main)
