"""The options of `callproof bench`, from text to what they mean; every mistake is a UserError."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from callproof.config import RunConfig
from callproof.console import add_config
from callproof.errors import UserError
from callproof.turns import Turn, eval_turns

from ..load import parse_arrival, parse_mix, parse_slo
from .bench import Options

_N = TypeVar("_N", int, float)


def add_target(parser: argparse.ArgumentParser) -> None:
    """The options that say what is asked, and where the figures go."""
    parser.add_argument("--endpoint", metavar="URL", help="default: serve.host and serve.port of the first --config")
    parser.add_argument(
        "--device", metavar="LABEL", help="what the server runs on; default: found out where it is local"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: runs/<kind>-<time>.json")
    add_config(parser, "whose eval turns are asked, and whose endpoint is the default; may be repeated", several=True)


def add_load(parser: argparse.ArgumentParser) -> None:
    """The options that say how it is asked."""
    parser.add_argument("--model", action="append", required=True, metavar="NAME", help="as served; repeat it")
    parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each model at each level (200)")
    parser.add_argument("--blocks", type=int, default=1, metavar="N", help="rounds over the levels, for compare (1)")
    parser.add_argument("--mix", metavar="MIX", help="shares: car_sales=3,insurance=1 or zipf:1.1 (default: equal)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the mix and of arrivals (0)")
    parser.add_argument(
        "--live", metavar="N,N", help="a level for each number of live models, the first N (slot cliff)"
    )
    parser.add_argument("--cache", choices=("cold", "warm"), default="cold", help="prefix cache at each level (cold)")
    parser.add_argument("--slo", metavar="LIMITS", help="service level in ms, for goodput: ttft=200,tpot=50,e2e=2000")
    closed = parser.add_argument_group("closed loop (default)")
    closed.add_argument("--concurrency", metavar="N,N", help="requests in flight (1,4,16)")
    opened = parser.add_argument_group("open loop: each request is sent at its moment")
    opened.add_argument("--rate", metavar="R,R", help="requests per second")
    opened.add_argument("--arrival", metavar="HOW", help="poisson (default), constant, burst:N or trace:FILE")
    opened.add_argument("--max-in-flight", type=int, metavar="N", help="further requests wait (default: no limit)")
    opened.add_argument("--find-rate", action="store_true", help="search the highest rate that keeps --slo for 95 %%")


def read_options(given: argparse.Namespace) -> Options:
    """What is varied beyond concurrency.

    Raises:
        UserError: an option that cannot be read, or options that do not go together.
    """
    _refuse_conflicts(given)
    opened = given.rate or given.arrival or given.find_rate
    rates = numbers("--rate", given.rate, float) if given.rate else [1.0] if given.find_rate else []
    live = numbers("--live", given.live, int) if given.live else []
    if live and max(live) > len(given.model):
        raise UserError(f"--live {given.live}", f"only {len(given.model)} --model are given", "give more models")
    return Options(
        mix=parse_mix(given.mix, given.model) if given.mix else None,
        seed=given.seed,
        rates=tuple(rates),
        arrival=parse_arrival(given.arrival or "poisson") if opened else None,
        max_in_flight=given.max_in_flight,
        cache=given.cache,
        slo=parse_slo(given.slo) if given.slo else None,
        find_rate=given.find_rate,
        live=tuple(live),
        blocks=given.blocks,
    )


def _refuse_conflicts(given: argparse.Namespace) -> None:
    opened, cap = given.rate or given.arrival or given.find_rate, given.max_in_flight
    unpaced = given.arrival and not (given.rate or given.find_rate or given.arrival.startswith("trace:"))
    problems = [
        (given.requests < 1, f"--requests {given.requests}", "is less than 1", "give the turns of a model at a level"),
        (given.blocks < 1, f"--blocks {given.blocks}", "is less than 1", "give how many rounds over the levels"),
        (given.seed < 0, f"--seed {given.seed}", "is less than 0", "give a whole number from 0"),
        (opened and given.concurrency, "--concurrency", "is of a closed loop, --rate of an open one", "leave one out"),
        (unpaced, f"--arrival {given.arrival}", "has no rate", "add --rate"),
        (cap is not None and not opened, "--max-in-flight", "is of an open loop", "add --rate"),
        (cap is not None and cap < 1, f"--max-in-flight {cap}", "is less than 1", "leave it out for no limit"),
        (given.find_rate and not given.slo, "--find-rate", "has no service level", "add --slo ttft=200,e2e=2000"),
        (given.find_rate and given.live, "--find-rate", "does not go with --live", "search each number alone"),
        (given.find_rate and given.blocks > 1, "--find-rate", "does not go with --blocks", "search once"),
    ]
    for wrong, where, problem, mend in problems:
        if wrong:
            raise UserError(where, problem, mend)


def numbers(option: str, text: str, kind: Callable[[str], _N]) -> list[_N]:
    """The positive numbers of a list such as `1,4,16`, in order.

    Raises:
        UserError: one of them is no number of that kind, or not positive, or there is none.
    """
    try:
        found = [kind(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < number < math.inf for number in found):
        wanted = "whole numbers from 1" if kind is int else "numbers above 0"
        raise UserError(f"{option} {text}", f"is no list of {wanted}", "write it as 1,4,16")
    return found


def turns_of(configs: list[RunConfig], models: list[str]) -> dict[str, list[Turn]]:
    """The turns of each model: of the configuration of its name, or else of the first."""
    named = {config.name: config for config in reversed(configs)}
    chosen = {model: named.get(model, configs[0]) for model in models}
    made = {config.name: eval_turns(config) for config in chosen.values()}
    return {model: made[config.name] for model, config in chosen.items()}
