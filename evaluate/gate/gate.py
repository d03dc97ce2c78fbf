"""The gate: may a candidate replace the baseline? Paired by turn, clustered by session, non-inferiority with a margin.

What is not comparable is invalid, never a pass: other turns, catalogs, prompts, scorer, sampling or channel,
unfinished runs, too many unanswered turns. Otherwise every margin and floor is a check (see `checks`), and the verdict
is `regression` where a margin fails, `floor` where only floors do, `pass` where all that are applicable pass, and
`inconclusive` else. A margin below the measured noise is refused (see `noise`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

from callproof.config import GateConfig
from callproof.console.ci import EXIT_CODES, Verdict
from callproof.records import Record
from callproof.scoring import LEVEL, Estimate, differences, slices, summarise

from .checks import Check, Pair, floor_check, margin_check
from .noise import Noise
from .sides import Flip, Side, flips

HEADLINE = "turn_exact"
Slices = Mapping[str, Mapping[str, Estimate]]


class SliceRow(Record):
    """The headline of one slice on both sides; told, not judged."""

    slice: str
    n: int
    baseline: float | None
    candidate: float | None


class Stopping(Record):
    """How far a run with --until-decided went.

    Attributes:
        seed: of the order of its sessions.
        level: of the one-sided limits of the checks.
        sessions, turns: that the verdict rests on.
        looks: after how many sessions it was to look; `look`: the one that was sure, from 1, or None: all were asked.
        more_sessions: that would settle an inconclusive verdict, were they like these.
    """

    seed: int
    level: float
    planned_sessions: int
    planned_turns: int
    sessions: int
    turns: int
    looks: tuple[int, ...]
    look: int | None
    more_sessions: int | None


class GateResult(Record):
    """gate.json."""

    schema_version: Literal[2] = 2
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
    stopping: Stopping | None = None

    def with_status(self, *statuses: str) -> list[Check]:
        """The checks of one of these statuses."""
        return [check for check in self.checks if check.status in statuses]


def judge_pair(
    baseline: Side, candidate: Side, config: GateConfig, noise: tuple[Noise, str] | None = None
) -> GateResult:
    """The verdict on `candidate`; see the module's docstring.

    Args:
        noise: between runs of the baseline, and the place to name where a margin is below it.
    """
    warnings = warnings_of(baseline, candidate, config)
    refusals = noise[0].above(config.margins, noise[1]) if noise else []
    problems = refusals or _problems(baseline, candidate, config)
    if problems:
        return _result("refused" if refusals else "invalid", baseline, candidate, problems=problems, warnings=warnings)
    sessions = candidate.info.sessions
    checks = judge_checks(baseline, candidate, config, noise)
    if sessions < config.min_sessions:
        checks = [_too_few(check, config.min_sessions) if check.status == "pass" else check for check in checks]
        few = f"{sessions} sessions are too few for the statistics to be trusted; at least {config.min_sessions}"
        warnings = [*warnings, few]
    return result_of(verdict_of(checks), baseline, candidate, checks, warnings)


def result_of(
    verdict: Verdict, baseline: Side, candidate: Side, checks: Sequence[Check], warnings: Sequence[str] = ()
) -> GateResult:
    """The result with its checks, and what they rest on: the turns that both sides hold."""
    broken, mended = flips(baseline, candidate)
    return _result(
        verdict,
        baseline,
        candidate,
        warnings=tuple(warnings),
        turns=len(candidate.judged),
        sessions=len({judged.session_id for judged in candidate.judged.values()}),
        checks=tuple(checks),
        slices=_slice_rows(slices(baseline.tally), slices(candidate.tally)),
        broken=broken,
        mended=mended,
    )


def _result(verdict: Verdict, baseline: Side, candidate: Side, **fields: object) -> GateResult:
    sides = {"baseline": baseline.name(), "candidate": candidate.name()}
    return GateResult.model_validate({"verdict": verdict, "exit_code": EXIT_CODES[verdict], **sides, **fields})


def _problems(baseline: Side, candidate: Side, config: GateConfig) -> list[str]:
    differing = baseline.info.identity.differences(candidate.info.identity)
    problems = [f"the runs differ in {difference}" for difference in differing]
    for title, side in (("baseline", baseline), ("candidate", candidate)):
        problems += [f"{title}: {fault}" for fault in side.faults(config)]
    if not problems and baseline.judged.keys() != candidate.judged.keys():
        problems.append("the runs hold outcomes of different turns")
    return problems


def warnings_of(baseline: Side, candidate: Side, config: GateConfig) -> list[str]:
    """What makes a verdict doubtful: servers that differ, and checks that the configuration drops."""
    before, after = baseline.info, candidate.info
    pairs = (("servers", before.server_version, after.server_version),)
    pairs += (("chat templates", before.template_hash, after.template_hash),)
    differing = [f"the {what} differ: {one} against {other}" for what, one, other in pairs if one != other]
    return [*differing, *_dropped(config)]


def _dropped(config: GateConfig) -> Iterator[str]:
    """What a gate checks by default, and this one does not."""
    default = GateConfig()
    for kind, limits, usual in (
        ("margin", config.margins, default.margins),
        ("floor", config.floors, default.floors),
    ):
        for name in dict.fromkeys((*usual, *limits)):
            if limits.get(name) is None:
                yield f"{name} has no {kind}: the configuration drops it, so a worse one passes"


def judge_checks(
    baseline: Side,
    candidate: Side,
    config: GateConfig,
    noise: tuple[Noise, str] | None,
    level: float = LEVEL,
    whole: Side | None = None,
) -> list[Check]:
    """Every check of the turns that both sides hold.

    Args:
        level: of the one-sided limits.
        whole: where the sides hold a part of the turns, the baseline over all: it says which metrics and slices the
            turns can have.
    """
    before, after = summarise(baseline.tally), summarise(candidate.tally)
    planned = summarise(whole.tally) if whole else after
    pairs = {name: Pair(before[name], after[name]) for name in after}
    checks = [*_margin_checks(baseline, candidate, pairs, config, noise, level), *_floor_checks(pairs, config)]
    checks = [
        _still_to_come(check) if check.status == "not applicable" and planned[check.metric].applicable else check
        for check in checks
    ]
    if not config.slice_floors:
        return checks
    sides = slices(baseline.tally), slices(candidate.tally)
    return [*checks, *_slice_checks(*sides, slices(whole.tally) if whole else sides[1], config)]


def _margin_checks(
    baseline: Side,
    candidate: Side,
    pairs: Mapping[str, Pair],
    config: GateConfig,
    noise: tuple[Noise, str] | None,
    level: float,
) -> Iterator[Check]:
    margins = {name: margin for name, margin in config.margins.items() if margin is not None}
    changes = differences(candidate.tally, baseline.tally) if margins else {}
    for name, margin in margins.items():
        check = margin_check(name, margin, pairs[name], changes[name].at(level), config.min_sessions)
        yield check.model_copy(update={"noise": noise[0].metrics[name].noise if noise else None})


def _floor_checks(pairs: Mapping[str, Pair], config: GateConfig) -> Iterator[Check]:
    for name, floor in config.floors.items():
        if floor is not None:
            yield floor_check(name, floor, pairs[name])


def _still_to_come(check: Check) -> Check:
    reason = "no turn so far can have this metric, and later ones can"
    return check.model_copy(update={"status": "inconclusive", "reason": reason})


def _slice_checks(before: Slices, after: Slices, names: Iterable[str], config: GateConfig) -> Iterator[Check]:
    """Floors of slices; a pattern such as `tool=*` stands for every one of the `names` that fits it."""
    for pattern, floors in config.slice_floors.items():
        for slice in [name for name in names if fnmatchcase(name, pattern)] or [pattern]:
            for name, floor in floors.items():
                sides = (side[slice][name] if slice in side else None for side in (before, after))
                yield floor_check(name, floor, Pair(*sides), slice)


def _too_few(check: Check, enough: int) -> Check:
    reason = f"the run has too few sessions to pass on (gate.min_sessions is {enough})"
    return check.model_copy(update={"status": "inconclusive", "reason": reason, "sessions_needed": enough})


def verdict_of(checks: Sequence[Check]) -> Verdict:
    failed = {check.kind for check in checks if check.status == "fail"}
    if failed:
        return "regression" if "margin" in failed else "floor"
    statuses = {check.status for check in checks} - {"not applicable"}
    return "pass" if statuses == {"pass"} else "inconclusive"


def _slice_rows(before: Slices, after: Slices) -> list[SliceRow]:
    rows = ((name, before.get(name, {}).get(HEADLINE), metrics[HEADLINE]) for name, metrics in after.items())
    return [
        SliceRow(slice=name, n=new.n, baseline=old.value if old else None, candidate=new.value)
        for name, old, new in rows
    ]
