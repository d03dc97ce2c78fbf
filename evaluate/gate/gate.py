"""The gate: may a candidate replace the baseline? Paired by turn, clustered by session, non-inferiority with a margin.

A check passes when the lower one-sided 95 % bound of the candidate's gain is above -margin, and fails when the upper
bound is below it; otherwise it is inconclusive, and the number of turns that would settle it is estimated. A gain is
the difference in the direction in which the metric is good. Floors, of all turns or of a slice, are absolute and
broken by the value itself.

What is not comparable is invalid, never a pass: other turns, catalogs, prompts, scorer, sampling or channel,
unfinished runs, too many unanswered turns. An undefined metric never passes, nor does a slice without turns, nor do
fewer than `min_sessions`. A margin below the measured noise is refused (see `evaluate.gate.noise`).
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from callproof.config import GateConfig
from callproof.console.ci import EXIT_CODES, Status, Verdict
from callproof.records import Record
from callproof.scoring import METRICS, Difference, Estimate, differences, slices, summarise

from .noise import Noise
from .sides import Flip, Side, flips

HEADLINE = "turn_exact"


class Check(Record):
    """One thing the verdict rests on, over all turns or those of `slice`.

    `gain`, its bounds, `limit` (the margin or floor) and `noise` are fractions; `turns_needed` to settle it.
    """

    metric: str
    slice: str | None = None
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
    noise: float | None = None
    turns_needed: int | None = None


class SliceRow(Record):
    """The headline of one slice on both sides; told, not judged."""

    slice: str
    n: int
    baseline: float | None
    candidate: float | None


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


def judge_pair(
    baseline: Side, candidate: Side, config: GateConfig, noise: tuple[Noise, str] | None = None
) -> GateResult:
    """The verdict on `candidate`; see the module's docstring.

    Args:
        noise: between runs of the baseline, and the place to name where a margin is below it.
    """
    warnings = _warnings(baseline, candidate)
    refusals = noise[0].above(config.margins, noise[1]) if noise else []
    problems = refusals or _problems(baseline, candidate, config)
    if problems:
        return _result("refused" if refusals else "invalid", baseline, candidate, problems=problems, warnings=warnings)
    sessions = candidate.info.sessions
    ours, theirs = slices(baseline.tally), slices(candidate.tally)
    checks = [*_checks(baseline, candidate, config, noise), *_slice_checks(ours, theirs, config)]
    if sessions < config.min_sessions:
        enough = -(-candidate.info.turns * config.min_sessions // sessions)
        checks = [_too_few(check, enough) if check.status == "pass" else check for check in checks]
        few = f"{sessions} sessions are too few for the statistics to be trusted; at least {config.min_sessions}"
        warnings = [*warnings, few]
    broken, mended = flips(baseline, candidate)
    return _result(
        _verdict(checks),
        baseline,
        candidate,
        warnings=warnings,
        turns=candidate.info.turns,
        sessions=sessions,
        checks=checks,
        slices=_slice_rows(ours, theirs),
        broken=broken,
        mended=mended,
    )


def _result(verdict: Verdict, baseline: Side, candidate: Side, **found: object) -> GateResult:
    sides = {"baseline": baseline.name(), "candidate": candidate.name()}
    return GateResult.model_validate({"verdict": verdict, "exit_code": EXIT_CODES[verdict], **sides, **found})


def _problems(baseline: Side, candidate: Side, config: GateConfig) -> list[str]:
    differing = baseline.info.identity.differences(candidate.info.identity)
    problems = [f"the runs differ in {difference}" for difference in differing]
    for title, side in (("baseline", baseline), ("candidate", candidate)):
        problems += [f"{title}: {fault}" for fault in side.faults(config)]
    if not problems and baseline.judged.keys() != candidate.judged.keys():
        problems.append("the runs hold outcomes of different turns")
    return problems


def _warnings(baseline: Side, candidate: Side) -> list[str]:
    ours, theirs = baseline.info, candidate.info
    pairs = (("servers", ours.server_version, theirs.server_version),)
    pairs += (("chat templates", ours.template_hash, theirs.template_hash),)
    return [f"the {what} differ: {one} against {other}" for what, one, other in pairs if one != other]


def _checks(baseline: Side, candidate: Side, config: GateConfig, noise: tuple[Noise, str] | None) -> Iterator[Check]:
    ours, theirs = summarise(baseline.tally), summarise(candidate.tally)
    found = differences(candidate.tally, baseline.tally) if config.margins else {}
    for name, margin in config.margins.items():
        values = ours[name].value, theirs[name].value, theirs[name].n
        check = margin_check(name, margin, values, _gain(found[name]), candidate.info.turns)
        yield check.model_copy(update={"noise": noise[0].metrics[name].noise if noise else None})
    for name, floor in config.floors.items():
        yield floor_check(name, floor, ours[name], theirs[name])


Slices = Mapping[str, Mapping[str, Estimate]]


def _slice_checks(ours: Slices, theirs: Slices, config: GateConfig) -> Iterator[Check]:
    """Floors of slices; a pattern such as `tool=*` stands for every slice of the candidate that fits it."""
    for pattern, floors in config.slice_floors.items():
        for slice in [name for name in theirs if fnmatchcase(name, pattern)] or [pattern]:
            for name, floor in floors.items():
                before, after = (found[slice][name] if slice in found else None for found in (ours, theirs))
                yield floor_check(name, floor, before, after, slice)


Gain = tuple[float | None, float | None, float | None]
Values = tuple[float | None, float | None, int]


def _gain(found: Difference) -> Gain:
    """(gain, lower, upper) with one-sided 95 % bounds, in the direction in which the metric is good."""
    if found.value is None or found.lower_one_sided is None or found.upper_one_sided is None:
        return None, None, None
    if METRICS[found.metric].higher_is_better:
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


def floor_check(
    metric: str, floor: float, before: Estimate | None, after: Estimate | None, slice: str | None = None
) -> Check:
    """An absolute floor (for a metric that is good when low: a ceiling) on the candidate; None: no such slice."""
    value = after.value if after else None
    status, reason = "inconclusive", "undefined on these turns, which is never a pass"
    if after is None:
        reason = "no turn is in this slice, which is never a pass"
    elif value is not None:
        held = value >= floor if METRICS[metric].higher_is_better else value <= floor
        status, reason = ("pass", "holds") if held else ("fail", "the floor is broken")
    return Check(
        metric=metric,
        slice=slice,
        kind="floor",
        status=status,
        reason=reason,
        baseline=before.value if before else None,
        candidate=value,
        n=after.n if after else 0,
        limit=floor,
    )


def _too_few(check: Check, enough: int) -> Check:
    update = {"status": "inconclusive", "reason": "too few sessions to pass on", "turns_needed": enough}
    return check.model_copy(update=update)


def _verdict(checks: Sequence[Check]) -> Verdict:
    statuses = {check.status for check in checks}
    if "fail" in statuses:
        return "regression"
    return "pass" if statuses == {"pass"} else "inconclusive"


def _slice_rows(ours: Slices, theirs: Slices) -> list[SliceRow]:
    rows = ((name, ours.get(name, {}).get(HEADLINE), found[HEADLINE]) for name, found in theirs.items())
    return [
        SliceRow(slice=name, n=after.n, baseline=before.value if before else None, candidate=after.value)
        for name, before, after in rows
    ]
