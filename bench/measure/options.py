"""The options of `callproof bench`, from text to what they mean; every mistake is a UserError."""

import argparse
import math
from collections.abc import Callable
from typing import TypeVar

from callproof.config import GateConfig, RunConfig
from callproof.errors import UserError
from callproof.turns import Turn, eval_turns

from ..figures import ErrorLimit, QualityLimit, parse_error_limit
from ..load import parse_arrival, parse_mix, parse_slo
from .bench import Options

_N = TypeVar("_N", int, float)


def read_options(args: argparse.Namespace, gate: GateConfig) -> Options:
    """What is varied beyond concurrency.

    Args:
        gate: says how many failed requests are borne by default, and how few sessions show nothing.

    Raises:
        UserError: an option that cannot be read, or options that do not go together.
    """
    _refuse_conflicts(args)
    opened = args.rate or args.arrival or args.find_rate
    rates = numbers("--rate", args.rate, float) if args.rate else [1.0] if args.find_rate else []
    live = numbers("--live", args.live, int) if args.live else []
    if live and max(live) > len(args.model):
        raise UserError(f"--live {args.live}", f"only {len(args.model)} --model are given", "give more models")
    return Options(
        mix=parse_mix(args.mix, args.model) if args.mix else None,
        seed=args.seed,
        rates=tuple(rates),
        arrival=parse_arrival(args.arrival or "poisson") if opened else None,
        max_in_flight=args.max_in_flight,
        cache=args.cache,
        slo=parse_slo(args.slo) if args.slo else None,
        find_rate=args.find_rate,
        quality=None if args.quality is None else QualityLimit(args.quality, gate.min_sessions),
        live=tuple(live),
        blocks=args.blocks,
        max_errors=_max_errors(args, gate),
    )


def _max_errors(args: argparse.Namespace, gate: GateConfig) -> ErrorLimit | None:
    """The limit for failed requests; a search overloads the server on purpose, and has none of its own accord."""
    if args.max_errors:
        return parse_error_limit(args.max_errors)
    return None if args.find_rate else ErrorLimit.of(gate)


def _refuse_conflicts(args: argparse.Namespace) -> None:
    opened, cap = args.rate or args.arrival or args.find_rate, args.max_in_flight
    margin = 0.02 if args.quality is None else args.quality
    unpaced = args.arrival and not (args.rate or args.find_rate or args.arrival.startswith("trace:"))
    problems = [
        (args.requests < 1, f"--requests {args.requests}", "is less than 1", "give the turns of a model at a level"),
        (args.blocks < 1, f"--blocks {args.blocks}", "is less than 1", "give how many rounds over the levels"),
        (args.seed < 0, f"--seed {args.seed}", "is less than 0", "give a whole number from 0"),
        (opened and args.concurrency, "--concurrency", "is of a closed loop, --rate of an open one", "leave one out"),
        (unpaced, f"--arrival {args.arrival}", "has no rate", "add --rate"),
        (cap is not None and not opened, "--max-in-flight", "is of an open loop", "add --rate"),
        (cap is not None and cap < 1, f"--max-in-flight {cap}", "is less than 1", "leave it out for no limit"),
        (args.find_rate and not args.slo, "--find-rate", "has no service level", "add --slo ttft=200,e2e=2000"),
        (args.quality is not None and not args.find_rate, "--quality", "is of a search", "add --find-rate"),
        (not 0 < margin < 1, f"--quality {margin:g}", "is no share between 0 and 1", "give a margin such as 0.02"),
        (args.find_rate and args.live, "--find-rate", "does not go with --live", "search each number alone"),
        (args.find_rate and args.blocks > 1, "--find-rate", "does not go with --blocks", "search once"),
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
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(0 < number < math.inf for number in values):
        wanted = "whole numbers from 1" if kind is int else "numbers above 0"
        raise UserError(f"{option} {text}", f"is no list of {wanted}", "write it as 1,4,16")
    return values


def turns_of(configs: list[RunConfig], models: list[str]) -> dict[str, list[Turn]]:
    """The turns of each model: of the configuration of its name, or else of the first."""
    named = {config.name: config for config in reversed(configs)}
    sources = {model: named.get(model, configs[0]) for model in models}
    made = {config.name: eval_turns(config) for config in sources.values()}
    return {model: made[config.name] for model, config in sources.items()}
