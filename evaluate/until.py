"""`evaluate --until-decided`: a replay in random session order that stops once its verdict against a baseline is sure.

The plan (seed, looks, baseline) stands in run.json before the first question, so that a run that was killed looks where
it would have looked. One that stops early keeps `finished: null` there: it is no whole run, and is not taken for one.
"""

import secrets
from argparse import Namespace
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from callproof.config import RunConfig
from callproof.console import say
from callproof.errors import UserError
from callproof.turns import Turn

from .gate import (
    EARLY_LEVEL,
    GateResult,
    Part,
    Side,
    channel_of,
    judge_early,
    judge_pair,
    look_of,
    looks,
    noise_of,
    print_gate,
    read_side,
    recorded_gate,
    with_stopping,
    write_results,
)
from .runs import Look, Run, RunInfo, Until, choose_model, find_run, session_order


def check_options(args: Namespace, configs: Sequence[RunConfig]) -> None:
    """Raise a UserError where the options of a replay do not fit together."""
    if not args.until_decided:
        for option, given in (
            ("--order-seed", args.order_seed is not None),
            ("--summary", args.summary),
            ("--junit", args.junit),
        ):
            if given:
                raise UserError(option, "says something of --until-decided, which is not given", "add it")
        return
    if len(configs) > 1 or len(args.model or ()) > 1:
        raise UserError("--until-decided", "decides about one model", "give one --config and one --model")
    if not args.baseline:
        raise UserError("--until-decided", "needs what to hold the answers against", "give --baseline NAME|RUN")


class Decider:
    """The umpire of one run.

    Args:
        baseline: a run's folder or id, or the name of a blessed run.
        runs: where runs are kept.
        model: that is asked.
        seed: of the order of the sessions; None: that of the run to go on with, or one drawn at random.

    Raises:
        UserError: there is no such baseline, or it is not clear which of its models is meant.
    """

    def __init__(self, baseline: str, runs: Path, model: str, seed: int | None) -> None:
        self._place, blessed = find_run(baseline, runs)
        self._baseline = choose_model(self._place.info(), blessed, "`bless --model`")
        self._model, self._seed = model, seed
        self._looks: list[Look] = []
        self._result: GateResult | None = None

    def begin(self, run: Run, info: RunInfo, turns: Sequence[Turn]) -> RunInfo:
        """See `Umpire`; refuses before the first question whatever the gate would call invalid afterwards."""
        self._run, self._turns = run, turns
        begun = run.info() if run.exists else info
        self._config = recorded_gate(begun)
        self._whole = self._side(self._place, self._baseline, info)
        self._noise = noise_of(self._whole, None)
        self._check(info)
        self._until = self._plan(begun, run.exists)
        order = session_order((turn.session_id for turn in turns), self._until.seed)
        cuts = (0, *self._until.looks, len(order))
        self._stages = [order[start:end] for start, end in pairwise(cuts)]
        return info.model_copy(update={"until": self._until})

    def _check(self, info: RunInfo) -> None:
        place = self._whole.path
        for differing in self._whole.info.identity.differences(info.identity):
            raise UserError(place, f"cannot be compared, it differs in {differing}", "ask the baseline the same turns")
        for fault in self._whole.faults(self._config):
            raise UserError(place, f"cannot be compared, it {fault}", "choose another --baseline")
        for refusal in self._noise[0].above(self._config.margins, self._noise[1]) if self._noise else ():
            raise UserError(place, refusal, "see `gate` of the configuration")

    def _plan(self, begun: RunInfo, going_on: bool) -> Until:
        """The plan of the run: the one that it was begun with, where it goes on."""
        side = self._whole.name()
        if not going_on:
            seed = secrets.randbelow(2**32) if self._seed is None else self._seed
            return Until(seed=seed, baseline=side, level=EARLY_LEVEL, looks=looks(begun.sessions))
        if begun.until is None:
            raise UserError(self._run.path, "was begun without --until-decided", "begin a new run, or leave it out")
        if {**begun.until.baseline, "run": ""} != {**side, "run": ""} or self._seed not in (None, begun.until.seed):
            raise UserError(self._run.path, "was begun with another --baseline or --order-seed", "begin a new run")
        return begun.until.model_copy(update={"made": ()})

    @property
    def stages(self) -> Sequence[Sequence[str]]:
        return self._stages

    def sure(self) -> bool:
        """See `Umpire`; each look is written to run.json."""
        asked = {name for stage in self._stages[: len(self._looks) + 1] for name in stage}
        turns = {turn.turn_id for turn in self._turns if turn.session_id in asked}
        info = self._run.info()
        candidate = self._side(self._run, self._model, info, turns)
        part = Part(self._whole, self._side(self._place, self._baseline, info, turns), candidate)
        result = judge_early(part, self._config, self._noise)
        self._looks.append(look_of(part, result))
        info = info.model_copy(update={"until": self._until.model_copy(update={"made": tuple(self._looks)})})
        self._run.write_info(info)
        told = result.verdict if result else "not sure"
        say(f"look {len(self._looks)} of {len(self._until.looks)}, {part.sessions} of {info.sessions} sessions: {told}")
        self._result = result
        return result is not None

    def _side(self, run: Run, model: str, asked: RunInfo, only: set[str] | None = None) -> Side:
        info = run.info()
        return read_side(run, info, model, channel_of(info, asked.identity.main_channel), only)

    def decide(self, args: Namespace) -> dict[str, Any]:
        """Write and print the verdict: the one that was sure, or the fixed gate's on the whole run."""
        info = self._run.info()
        candidate = self._side(self._run, self._model, info)
        result = self._result or judge_pair(self._whole, candidate, self._config, self._noise)
        result = with_stopping(result, candidate)
        write_results(result, self._run.gate_path, args.summary, args.junit)
        print_gate(result)
        stopping = result.stopping.model_dump(mode="json") if result.stopping else None
        told = {"verdict": result.verdict, "exit_code": result.exit_code, "gate": str(self._run.gate_path)}
        return {**told, "stopping": stopping}
