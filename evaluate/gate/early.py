"""A look at a part of the sessions: is the verdict sure already?

The part is judged as the gate judges the whole, but for three things. Limits are those of `looks.EARLY_LEVEL`. A check
that the whole run can have is never not applicable because its part has no such turn, and a slice that a floor is set
for must have turns in the part. And what is not sure, floors that are broken so far included, is left to the end.
"""

import math
from typing import NamedTuple

from callproof.config import GateConfig

from ..runs import Look
from .checks import Check
from .gate import GateResult, Stopping, judge_checks, result_of, verdict_of, warnings_of
from .looks import EARLY_LEVEL
from .noise import Noise
from .sides import Side


class Part(NamedTuple):
    """The baseline over all turns, and both sides over the turns that are asked so far."""

    whole: Side
    baseline: Side
    candidate: Side

    @property
    def sessions(self) -> int:
        return len({judged.session_id for judged in self.candidate.judged.values()})


def judge_early(part: Part, config: GateConfig, noise: tuple[Noise, str] | None) -> GateResult | None:
    """The verdict where the part is sure of it, pass or regression; otherwise None."""
    if too_many_unanswered(part.candidate, config):
        return None
    checks = judge_checks(part.baseline, part.candidate, config, noise, EARLY_LEVEL, part.whole)
    verdict = verdict_of(checks)
    if verdict not in ("pass", "regression") or (verdict == "pass" and part.sessions < config.min_sessions):
        return None
    warnings = warnings_of(part.baseline, part.candidate, config)
    return result_of(verdict, part.baseline, part.candidate, checks, warnings)


def too_many_unanswered(side: Side, config: GateConfig) -> bool:
    """Whether the whole run would be invalid, were it like this part."""
    return side.tally.labels.get("infra_error", 0) > config.max_infra_error_rate * sum(side.tally.labels.values())


def look_of(part: Part, result: GateResult | None) -> Look:
    verdict = result.verdict if result and result.verdict in ("pass", "regression") else None
    return Look.model_validate({"sessions": part.sessions, "turns": len(part.candidate.judged), "verdict": verdict})


def with_stopping(result: GateResult, candidate: Side) -> GateResult:
    """The result of a run with --until-decided, with what was planned and what was asked."""
    until = candidate.info.until
    if until is None:
        return result
    stop = until.stop
    stopping = Stopping(
        seed=until.seed,
        level=until.level if stop else 0.95,
        planned_sessions=candidate.info.sessions,
        planned_turns=candidate.info.turns,
        sessions=stop.sessions if stop else candidate.info.sessions,
        turns=stop.turns if stop else candidate.info.turns,
        looks=until.looks,
        look=len(until.made) if stop else None,
        more_sessions=more_sessions(result) if result.verdict == "inconclusive" else None,
    )
    return result.model_copy(update={"stopping": stopping})


def more_sessions(result: GateResult) -> int | None:
    """How many more sessions like these would settle every doubtful check; None where no number is known to."""
    needs = [_more(check, result.sessions) for check in result.with_status("inconclusive")]
    known = [need for need in needs if need is not None]
    return max(known) if known and len(known) == len(needs) else None


def _more(check: Check, sessions: int) -> int | None:
    if check.sessions_needed is None or not check.sessions:
        return None
    return max(math.ceil(sessions * check.sessions_needed / check.sessions) - sessions, 1)
