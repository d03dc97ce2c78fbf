"""Servers of docs/reference/servers.md that were not run: each cell is what a command says to a play of them."""

import json
from collections.abc import Callable

import pytest
from other_servers import PLAYED, OtherServer
from programs import ROOT, run_program
from weather import Domain, right

from callproof.config import load
from callproof.turns import TurnPrompt, eval_turns
from evaluate.runs import Run

pytest_plugins = ["weather_plugin"]
PAGE = ROOT / "docs/reference/servers.md"
HEADING = "| played |"


def cells() -> dict[str, dict[str, str]]:
    """Server -> command -> cell."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(HEADING))
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[begin:]]
    names, rows = table[0][1:], [row for row in table[2:] if len(row) == len(table[0])]
    return {name: {row[0]: row[column] for row in rows} for column, name in enumerate(names, 1)}


@pytest.fixture
def trained(make_domain: Callable[..., Domain]) -> Domain:
    domain = make_domain(sessions=4, model={"base_model": "tiny", "name": "tiny"})
    config = load(domain.config)
    prompts = [TurnPrompt(turn_id=turn.turn_id, input_ids=(1,)).model_dump_json() for turn in eval_turns(config)]
    config.eval_prompts_path.parent.mkdir(parents=True)
    config.eval_prompts_path.write_text("\n".join(prompts) + "\n")
    return domain


def evaluated(domain: Domain, url: str, channel: str) -> str:
    words = ["--endpoint", url, "--config", domain.config, "--model", "tiny", "--run-id", channel, "--channel", channel]
    done = run_program("evaluate", *words, cwd=domain.root.parents[1])
    if done.returncode:
        return f"refused, exit {done.returncode}: {done.stderr.split(' cannot be had: ')[1].split(';')[0]}"
    run = Run(domain.runs / channel)
    exact = json.loads(run.metrics_path.read_text())["models"]["tiny"]["metrics"]["turn_exact"]["value"]
    return f"works over {run.info().identity.channel}" if exact == 1.0 else f"{exact} exact"


def said(domain: Domain, url: str, *command: str, words: str = "") -> tuple[int, str, str]:
    """Exit code, standard output and error."""
    options = ["--endpoint", url, "--config", domain.config]
    done = run_program(*command, *options, cwd=domain.root.parents[1], said=words)
    return done.returncode, done.stdout, done.stderr


def of_parity(domain: Domain, url: str) -> str:
    code, _, error = said(domain, url, "evaluate", "parity", "--model", "tiny")
    return f"refused, exit {code}: {'no `/tokenize`' if '/tokenize: HTTP 404' in error else error}"


def of_bench(domain: Domain, url: str) -> str:
    code, out, _ = said(domain, url, "bench", "--model", "tiny", "--concurrency", "2", "--requests", "8")
    overall = json.loads(out.splitlines()[-1])["levels"][0]["overall"]
    right_ones = "all exact" if overall["exact"] == overall["requests"] else f"{overall['exact']} exact"
    return f"works: {overall['errors']} errors, {right_ones}" if code == 0 else f"exit {code}"


def of_doctor(domain: Domain, url: str) -> str:
    _, out, _ = said(domain, url, "serve", "doctor", "--turns", "2")
    statuses = [finding["status"] for finding in json.loads(out.splitlines()[-1])["findings"]]
    return ", ".join(f"{statuses.count(status)} {status}" for status in ("ok", "unknown", "failed"))


def of_chat(domain: Domain, url: str) -> str:
    code, out, error = said(domain, url, "serve", "chat", "--model", "tiny", words="Weather in City1\n")
    return "works: a valid call" if code == 0 and "get_weather" in out + error else f"exit {code}"


@pytest.mark.parametrize("name", PLAYED)
def test_each_cell_is_what_the_command_says(trained: Domain, name: str) -> None:
    with OtherServer(right, ["tiny", "weather"], **PLAYED[name]) as fake:
        found = {
            f"evaluate, {channel}": evaluated(trained, fake.address, channel) for channel in ("raw", "served", "auto")
        }
        ways = {"parity": of_parity, "bench": of_bench, "doctor": of_doctor, "chat": of_chat}
        found |= {command: way(trained, fake.address) for command, way in ways.items()}
    assert found == cells()[name]
