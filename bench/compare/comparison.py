"""Is the candidate slower than the baseline? Compares two benches that were run in blocks; see `bench.compare.ratios`.

The verdict is `invalid` if the benches cannot be compared: they differ in device, versions, parser, turns, sampling,
prefix cache or load (loop, concurrency or rate, arrivals, limit, mix, live adapters, seed), one is unfinished, has too
many failed requests (a server that fails fast is not fast), or has fewer than five blocks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from callproof.config import GateConfig
from callproof.console.ci import EXIT_CODES
from callproof.console.ci import Verdict as GateVerdict
from callproof.errors import EXIT_INVALID, EXIT_PASS, UserError
from callproof.records import Record

from ..figures import ErrorLimit, Failures, SavedBench, SavedLevel, count_failures
from ..names import IDENTITY, MIN_BLOCKS, OVERALL
from .ratios import Check, Figures, Ratio, block_figures, check, ratios

MAX_ERRORS = ErrorLimit.of(GateConfig())


@dataclass(frozen=True)
class Side:
    """The blocks of one model at one load (`load`: in words, as a level has it)."""

    path: Path
    bench: SavedBench
    model: str
    load: str
    max_errors: ErrorLimit

    @property
    def failures(self) -> Failures:
        errors = (request.error for level in self.blocks for request in level.samples if request.model == self.model)
        return count_failures(errors, self.max_errors)

    @property
    def blocks(self) -> list[SavedLevel]:
        return [level for level in self.bench.levels if level.load == self.load]

    def figures(self) -> list[Figures]:
        return [
            block_figures([request for request in level.samples if request.model == self.model], level.duration_s)
            for level in self.blocks
        ]

    def identity(self) -> dict[str, Any]:
        return {**{key: getattr(self.bench, key) for key in IDENTITY}, "turns": self.bench.turns.get(self.model)}

    def name(self) -> dict[str, str]:
        return {"file": str(self.path), "model": self.model, "endpoint": self.bench.endpoint}

    def faults(self) -> Iterator[str]:
        """The reasons why nothing can be concluded from these blocks, if any."""
        if self.bench.partial or any(level.partial for level in self.blocks):
            yield "is unfinished; run it again"
        if len(self.blocks) < MIN_BLOCKS:
            yield f"has {len(self.blocks)} blocks and needs at least {MIN_BLOCKS} (--blocks)"
        failures = self.failures
        if not failures.requests:
            yield f"holds no requests of {self.model}"
        if self.model not in self.bench.turns:
            yield "does not tell which turns it asked"
        if failures.above:
            yield failures.words


class Comparison(Record):
    """The content of compare.json. `verdict` is that of `overall`; `gate` that of the limits, if there are any."""

    schema_version: Literal[1] = 1
    verdict: Literal["faster", "slower", "inconclusive", "invalid"]
    gate: GateVerdict | None
    exit_code: int
    note: str | None
    device: str
    baseline: dict[str, str]
    candidate: dict[str, str]
    load: str
    interleaved: bool
    blocks: int
    requests: int
    failures: dict[Literal["baseline", "candidate"], Failures]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    checks: tuple[Check, ...] = ()


def side_of(
    path: Path, model: str | None, wanted: Mapping[str, float | None], max_errors: ErrorLimit = MAX_ERRORS
) -> Side:
    """The blocks of one model at one load in a file.

    Args:
        model: its name; None: the only one of the file.
        wanted: the `concurrency`, `rate` and `live` of the load; None leaves it open.
        max_errors: more failed requests than these make the side invalid.

    Raises:
        UserError: the file holds no bench, or not exactly one model and one load fit.
    """
    bench = SavedBench.read(path)
    models = list(dict.fromkeys(name for level in bench.levels for name in level.models))
    fitting_models = [name for name in models if model in (None, name)]
    wishes = {key: value for key, value in wanted.items() if value is not None}
    fitting = [level for level in bench.levels if all(getattr(level, key) == wishes[key] for key in wishes)]
    loads = list(dict.fromkeys(level.load for level in fitting))
    if len(fitting_models) != 1:
        raise _choice(path, "models", models, model, "--model NAME, or MODEL@FILE")
    if len(loads) != 1:
        wish = ", ".join(f"{key} {value:g}" for key, value in wishes.items())
        held = dict.fromkeys(level.load for level in bench.levels)
        raise _choice(path, "loads", held, wish, "--concurrency N, --rate R or --live N")
    return Side(path, bench, fitting_models[0], loads[0], max_errors)


def _choice(path: Path, what: str, held: Iterable[str], wanted: str | None, option: str) -> UserError:
    wish = f", and {wanted} is asked for" if wanted else ""
    return UserError(path, f"holds the {what} {'; '.join(held)}{wish}", f"choose one by {option}")


def compare(baseline: Side, candidate: Side, limits: dict[str, float], vary: Sequence[str] = ()) -> Comparison:
    """The verdict on `candidate`.

    Args:
        limits: metric or `overall` -> the largest slowdown that passes; empty: no gate.
        vary: the keys of IDENTITY that may differ, because the comparison is about them.
    """
    problems = [*_differences(baseline, candidate, vary)]
    problems += [f"{title}: {fault}" for title, side in (("baseline", baseline), ("candidate", candidate))
                 for fault in side.faults()]  # fmt: skip
    if problems:
        return _comparison(baseline, candidate, verdict="invalid", gate="invalid" if limits else None,
                           exit_code=EXIT_INVALID, problems=problems)  # fmt: skip
    all_ratios = ratios(baseline.figures(), candidate.figures(), _interleaved(baseline, candidate))
    by_name = {ratio.metric: ratio for ratio in all_ratios}
    blocks = min(len(baseline.blocks), len(candidate.blocks))
    checks = [check(by_name[name], limit, blocks) for name, limit in limits.items()]
    gate = _gate(checks) if checks else None
    return _comparison(
        baseline,
        candidate,
        verdict=by_name[OVERALL].verdict,
        gate=gate,
        exit_code=EXIT_CODES[gate] if gate else EXIT_PASS,
        warnings=_warnings(baseline, candidate, all_ratios),
        ratios=all_ratios,
        checks=checks,
    )


def _differences(baseline: Side, candidate: Side, vary: Sequence[str]) -> Iterator[str]:
    ours, theirs = baseline.identity(), candidate.identity()
    for key in IDENTITY:
        if key not in vary and ours[key] != theirs[key]:
            yield f"the benches differ in {key}: {ours[key]} against {theirs[key]}"
    if baseline.load != candidate.load:
        yield f"the benches differ in load: {baseline.load} against {candidate.load}"


def _interleaved(baseline: Side, candidate: Side) -> bool:
    marks = baseline.bench.interleaved, candidate.bench.interleaved
    return marks[0] is not None and marks[0] == marks[1] and len(baseline.blocks) == len(candidate.blocks)


def _warnings(baseline: Side, candidate: Side, all_ratios: Sequence[Ratio]) -> list[str]:
    warnings = []
    if not _interleaved(baseline, candidate):
        warnings.append(
            "the blocks of the two benches did not alternate: whatever changed in between counts as a difference"
        )
    whole = all_ratios[-1].verdict
    against = [ratio.metric for ratio in all_ratios if {ratio.verdict, whole} == {"faster", "slower"}]
    if against:
        warnings.append(f"overall {whole}, and yet the other way in {', '.join(against)}")
    undefined = [ratio.metric for ratio in all_ratios if ratio.ratio is None]
    if undefined:
        warnings.append(f"undefined in some block, and so no part of the verdict: {', '.join(undefined)}")
    return warnings


def _gate(checks: Sequence[Check]) -> GateVerdict:
    statuses = {check.status for check in checks}
    if "fail" in statuses:
        return "regression"
    return "pass" if statuses == {"pass"} else "inconclusive"


def _comparison(baseline: Side, candidate: Side, **verdict_fields: object) -> Comparison:
    blocks = [
        len([request for request in level.samples if request.model == candidate.model]) for level in candidate.blocks
    ]
    values = {
        "note": candidate.bench.note or baseline.bench.note,
        "device": candidate.bench.device,
        "baseline": baseline.name(),
        "candidate": candidate.name(),
        "load": candidate.load,
        "interleaved": _interleaved(baseline, candidate),
        "blocks": min(len(baseline.blocks), len(candidate.blocks)),
        "requests": min(blocks, default=0),
        "failures": {"baseline": baseline.failures, "candidate": candidate.failures},
    }
    return Comparison.model_validate({**values, **verdict_fields})
