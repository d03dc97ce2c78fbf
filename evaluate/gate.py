"""The gate: may a candidate replace the baseline? Paired by turn, clustered by session, non-inferiority with a margin.

A check passes when the lower one-sided 95 % bound of the candidate's gain is above -margin, and fails when the upper
bound is below it; otherwise it is inconclusive, and the number of turns that would settle it is estimated. A gain is
the difference in the direction in which the metric is good. Floors are absolute and broken by the value itself.

What is not comparable is invalid, never a pass: other turns, catalogs, prompts, scorer, sampling or channel,
unfinished runs, too many unanswered turns. An undefined metric never passes, nor do fewer than `min_sessions`.
"""

from collections.abc import Sequence
from typing import Literal

from callproof.config import GateConfig
from callproof.errors import EXIT_INCONCLUSIVE, EXIT_INVALID, EXIT_PASS, EXIT_REGRESSION
from callproof.metrics import METRICS, difference, slices, summarise
from callproof.outcomes import Outcome
from callproof.records import Record
from evaluate.runs import RunInfo

Status = Literal["pass", "fail", "inconclusive"]
Verdict = Literal["pass", "regression", "invalid", "inconclusive"]
EXIT_CODES: dict[Verdict, int] = {
    "pass": EXIT_PASS,
    "regression": EXIT_REGRESSION,
    "invalid": EXIT_INVALID,
    "inconclusive": EXIT_INCONCLUSIVE,
}
HEADLINE = "turn_exact"


class Side(Record):
    """One of the two runs that are compared, with the outcomes of one of its models."""

    path: str
    info: RunInfo
    model: str
    outcomes: tuple[Outcome, ...]


class Check(Record):
    """One thing the verdict rests on. `gain`, its bounds and `margin` are fractions; `turns_needed` to settle it."""

    metric: str
    kind: Literal["margin", "floor"]
    status: Status
    reason: str
    baseline: float | None = None
    candidate: float | None = None
    n: int
    gain: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float
    turns_needed: int | None = None


class SliceRow(Record):
    """The headline of one slice on both sides; told, not judged."""

    slice: str
    n: int
    baseline: float | None
    candidate: float | None


class Flip(Record):
    """A turn that one side answered right and the other did not."""

    turn_id: str
    baseline: str
    candidate: str
    reasons: tuple[str, ...]


class GateResult(Record):
    """gate.json."""

    schema_version: Literal[1] = 1
    verdict: Verdict
    exit_code: int
    baseline: dict[str, str]
    candidate: dict[str, str]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    turns: int = 0
    sessions: int = 0
    checks: tuple[Check, ...] = ()
    slices: tuple[SliceRow, ...] = ()
    broken: tuple[Flip, ...] = ()
    mended: tuple[Flip, ...] = ()


def judge_pair(baseline: Side, candidate: Side, config: GateConfig) -> GateResult:
    """The verdict on `candidate`; see the module's docstring."""
    warnings = _warnings(baseline, candidate)
    if problems := _problems(baseline, candidate, config):
        return GateResult(
            verdict="invalid",
            exit_code=EXIT_INVALID,
            baseline=_name(baseline),
            candidate=_name(candidate),
            problems=problems,
            warnings=warnings,
        )
    sessions = len({outcome.session_id for outcome in candidate.outcomes})
    checks = _checks(baseline.outcomes, candidate.outcomes, config)
    if sessions < config.min_sessions:
        enough = -(-len(candidate.outcomes) * config.min_sessions // sessions)
        checks = [_too_few(check, enough) if check.status == "pass" else check for check in checks]
        few = f"{sessions} sessions are too few for the statistics to be trusted; at least {config.min_sessions}"
        warnings = (*warnings, few)
    verdict = _verdict(checks)
    broken, mended = _flips(baseline.outcomes, candidate.outcomes)
    return GateResult(
        verdict=verdict,
        exit_code=EXIT_CODES[verdict],
        baseline=_name(baseline),
        candidate=_name(candidate),
        warnings=warnings,
        turns=len(candidate.outcomes),
        sessions=sessions,
        checks=tuple(checks),
        slices=_slice_rows(baseline.outcomes, candidate.outcomes),
        broken=broken,
        mended=mended,
    )


def _name(side: Side) -> dict[str, str]:
    return {"run": side.path, "run_id": side.info.run_id, "model": side.model}


def _problems(baseline: Side, candidate: Side, config: GateConfig) -> tuple[str, ...]:
    problems = [
        f"the runs differ in {difference}" for difference in baseline.info.identity.differences(candidate.info.identity)
    ]
    for title, side in (("baseline", baseline), ("candidate", candidate)):
        problems += [f"{title}: {problem}" for problem in _faults(side, config)]
    if not problems and {o.turn_id for o in baseline.outcomes} != {o.turn_id for o in candidate.outcomes}:
        problems.append("the runs hold outcomes of different turns")
    return tuple(problems)


def _faults(side: Side, config: GateConfig) -> list[str]:
    total, asked = len(side.outcomes), side.info.turns
    if not total:
        return ["holds no outcomes"]
    faults = []
    if len({outcome.turn_id for outcome in side.outcomes}) != total:
        faults.append("holds a turn twice")
    if total < asked:
        faults.append(f"is unfinished ({total} of {asked} turns; finish it with --resume)")
    unanswered = sum(outcome.outcome == "infra_error" for outcome in side.outcomes)
    if unanswered / total > config.max_infra_error_rate:
        limit = f"{config.max_infra_error_rate:.1%}"
        faults.append(f"{unanswered} of {total} turns are unanswered, above {limit} (--resume asks them again)")
    return faults


def _warnings(baseline: Side, candidate: Side) -> tuple[str, ...]:
    ours, theirs = baseline.info.server_version, candidate.info.server_version
    return (f"the servers differ: {ours} against {theirs}",) if ours != theirs else ()


def _checks(baseline: Sequence[Outcome], candidate: Sequence[Outcome], config: GateConfig) -> list[Check]:
    ours, theirs = summarise(baseline), summarise(candidate)
    values = {name: (ours[name].value, theirs[name].value, theirs[name].n) for name in METRICS}
    margins = [
        margin_check(name, margin, values[name], _gain(baseline, candidate, name), len(candidate))
        for name, margin in config.margins.items()
    ]
    return margins + [floor_check(name, floor, values[name]) for name, floor in config.floors.items()]


Gain = tuple[float | None, float | None, float | None]
Values = tuple[float | None, float | None, int]


def _gain(baseline: Sequence[Outcome], candidate: Sequence[Outcome], metric: str) -> Gain:
    """(gain, lower, upper) with one-sided 95 % bounds, in the direction in which the metric is good."""
    found = difference(candidate, baseline, metric)
    if found.value is None or found.lower_one_sided is None or found.upper_one_sided is None:
        return None, None, None
    if METRICS[metric].higher_is_better:
        return found.value, found.lower_one_sided, found.upper_one_sided
    return -found.value, -found.upper_one_sided, -found.lower_one_sided


def margin_check(metric: str, margin: float, values: Values, gain: Gain, turns: int) -> Check:
    """Non-inferiority of one metric over `turns`; `values` are those of baseline and candidate, and n."""
    before, after, n = values
    value, lower, upper = gain
    check = Check(
        metric=metric, kind="margin", status="inconclusive", reason="", baseline=before, candidate=after, n=n,
        gain=value, lower=lower, upper=upper, limit=margin,
    )  # fmt: skip
    if value is None or lower is None or upper is None:
        return check.model_copy(update={"reason": "undefined on these turns, which is never a pass"})
    if lower > -margin:
        return check.model_copy(update={"status": "pass", "reason": "no worse than the margin allows"})
    if upper < -margin:
        return check.model_copy(update={"status": "fail", "reason": "worse by more than the margin"})
    needed = turns_needed(turns, gain, margin)
    return check.model_copy(update={"reason": "too few turns to tell", "turns_needed": needed})


def turns_needed(turns: int, gain: Gain, margin: float) -> int | None:
    """How many turns like these would settle a check, were the true gain the one seen.

    The bound's distance from the estimate shrinks with the root of the number of turns; None when the estimate is at
    the margin itself.
    """
    value, lower, upper = gain
    if value is None or lower is None or upper is None or value == -margin:
        return None
    spread = value - lower if value > -margin else upper - value
    return int(turns * (spread / (value + margin)) ** 2) + 1


def floor_check(metric: str, floor: float, values: Values) -> Check:
    """An absolute floor (for a metric that is good when low: a ceiling) on the candidate."""
    before, after, n = values
    check = Check(
        metric=metric, kind="floor", status="inconclusive", reason="undefined on these turns, which is never a pass",
        baseline=before, candidate=after, n=n, limit=floor,
    )  # fmt: skip
    if after is None:
        return check
    held = after >= floor if METRICS[metric].higher_is_better else after <= floor
    return check.model_copy(
        update={"status": "pass" if held else "fail", "reason": "holds" if held else "the floor is broken"}
    )


def _too_few(check: Check, enough: int) -> Check:
    update = {"status": "inconclusive", "reason": "too few sessions to pass on", "turns_needed": enough}
    return check.model_copy(update=update)


def _verdict(checks: Sequence[Check]) -> Verdict:
    statuses = {check.status for check in checks}
    if "fail" in statuses:
        return "regression"
    return "pass" if statuses == {"pass"} else "inconclusive"


def _slice_rows(baseline: Sequence[Outcome], candidate: Sequence[Outcome]) -> tuple[SliceRow, ...]:
    ours, theirs = slices(baseline), slices(candidate)
    rows = ((name, ours.get(name, {}).get(HEADLINE), found[HEADLINE]) for name, found in theirs.items())
    return tuple(
        SliceRow(slice=name, n=after.n, baseline=before.value if before else None, candidate=after.value)
        for name, before, after in rows
    )


def _flips(baseline: Sequence[Outcome], candidate: Sequence[Outcome]) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """(right to wrong, wrong to right), in the order of the turns."""
    before = {outcome.turn_id: outcome for outcome in baseline}
    broken, mended = [], []
    for after in candidate:
        was, is_now = before[after.turn_id].outcome, after.outcome
        if (was == "ok") != (is_now == "ok"):
            reasons = after.reasons if was == "ok" else before[after.turn_id].reasons
            flip = Flip(turn_id=after.turn_id, baseline=was, candidate=is_now, reasons=reasons)
            (broken if was == "ok" else mended).append(flip)
    return tuple(broken), tuple(mended)
