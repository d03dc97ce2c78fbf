"""A gate's result for people (terminal, Markdown) and for CI (JUnit XML)."""

from callproof.console import percent, points
from callproof.console.ci import MARKS, Suite, code, escape
from callproof.scoring import LEVEL, METRICS

from .checks import Check
from .gate import GateResult, SliceRow
from .sides import Flip

_ROWS_SHOWN = 50


def markdown(result: GateResult) -> str:
    """The summary of a gate, fit for a CI job's summary page."""
    sides = [f"`{code(side['model'])}` of `{code(side['run_id'])}`" for side in (result.candidate, result.baseline)]
    lines = [f"## Gate: {result.verdict.upper()}", "", f"**{escape(headline(result))}**", ""]
    lines += [f"Candidate {sides[0]} against baseline {sides[1]}"]
    if result.turns:
        lines[-1] += f", {result.turns} turns of {result.sessions} sessions"
    lines[-1] += "."
    lines += ["", f"**{told}**"] if (told := how_far(result)) else []
    lines += ["", escape(told)] if (told := restraint(result)) else []
    lines += ["", *(f"- **{result.verdict.capitalize()}:** {escape(problem)}" for problem in result.problems)]
    lines += [f"- **Warning:** {escape(warning)}" for warning in result.warnings]
    if result.checks:
        lines += [
            "",
            f"| | check | baseline | candidate | gain, {limits_of(result)} | limit | turns | |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [_check_row(check) for check in result.checks]
    lines += _slice_lines(result.slices) + _flip_lines("Broken", result.broken) + _flip_lines("Mended", result.mended)
    return "\n".join(lines) + "\n"


def _check_row(check: Check) -> str:
    limit = f"{check.kind} {100 * check.limit:g}" + ("" if check.noise is None else f", noise {percent(check.noise)}")
    where = f" of `{code(check.slice)}`" if check.slice else ""
    sides = [percent(check.baseline), percent(check.candidate)]
    name = f"`{check.metric}`{where}"
    cells = [MARKS[check.status], name, *sides, show_gain(check), limit, show_evidence(check), escape(explain(check))]
    return "| " + " | ".join(cells) + " |"


def headline(result: GateResult) -> str:
    """What decided, in one sentence."""
    if result.problems:
        return result.problems[0]
    failed = [check for check in result.with_status("fail") if result.verdict == "floor" or check.kind == "margin"]
    if failed:
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return (_broken_floor if result.verdict == "floor" else _lost)(failed[0]) + more
    if result.verdict == "inconclusive":
        doubtful = [named(check) for check in result.with_status("inconclusive")]
        return f"these turns cannot tell: {', '.join(doubtful)}" if doubtful else "there is nothing to check"
    left_out = [named(check) for check in result.with_status("not applicable")]
    return "every check passes" + (f"; not applicable to these turns: {', '.join(left_out)}" if left_out else "")


def how_far(result: GateResult) -> str | None:
    """What was planned and what was asked, of a run with --until-decided."""
    stopping = result.stopping
    if stopping is None:
        return None
    order = f"in the random order of seed {stopping.seed}"
    asked = f"{stopping.sessions:,} of {stopping.planned_sessions:,} sessions"
    turns = f"{stopping.turns:,} of {stopping.planned_turns:,} turns"
    if stopping.look is not None:
        look = f"look {stopping.look} of {len(stopping.looks)}"
        return f"Stopped early: sure at {look}, after {asked} ({turns}) {order}. This is no whole run."
    whole = f"Asked to the end: {asked} ({turns}) {order}; none of {len(stopping.looks)} looks was sure."
    if stopping.more_sessions is None:
        return whole
    return f"{whole} About {stopping.more_sessions:,} more sessions like these would settle it."


def restraint(result: GateResult) -> str | None:
    """What the candidate costs in restraint against the baseline, in words; None where that was not checked."""
    found = [each for each in result.checks if each.metric == "hallucination_rate" and each.kind == "margin"]
    if not found:
        return None
    check = found[0]
    if not check.n:
        return "Restraint: no turn here expects no call, so that nothing is known of it."
    rates = f"{percent(check.candidate)} % of {check.n:,} turns that expect no call, the baseline in"
    said = f"Restraint: the candidate calls in {rates} {percent(check.baseline)} %"
    if check.gain is None or check.lower is None or check.upper is None:
        return f"{said}."
    change = f"{points(0.0 - check.gain)} points [{points(0.0 - check.upper)}, {points(0.0 - check.lower)}]"
    return f"{said}: {change}, {limits_of(result)}; {show_evidence(check)}."


def limits_of(result: GateResult) -> str:
    """`one-sided 95 % limits`, with the level that the limits of this result have."""
    level = result.stopping.level if result.stopping else LEVEL
    return f"one-sided {100 * level:g} % limits"


def named(check: Check) -> str:
    return check.metric + (f" of {check.slice}" if check.slice else "")


def _lost(check: Check) -> str:
    gain = abs(check.gain or 0.0)
    return f"{named(check)} is {percent(gain)} points worse than the baseline's, the margin is {100 * check.limit:g}"


def _broken_floor(check: Check) -> str:
    """Floors are absolute, so the baseline's value stands beside the candidate's."""
    side = "below its floor" if METRICS[check.metric].higher_is_better else "above its ceiling"
    value, limit = percent(check.candidate), f"{100 * check.limit:g}"
    return f"{named(check)} is {value}, {side} of {limit}; the baseline has {percent(check.baseline)}"


def explain(check: Check) -> str:
    """The reason of a check's status, with what would settle it."""
    ways = []
    if check.turns_needed and check.sessions_needed:
        ways.append(f"about {check.turns_needed:,} such turns in {check.sessions_needed:,} sessions would settle it")
    elif check.sessions_needed:
        ways.append(f"{check.sessions_needed:,} sessions would do")
    if check.margin_needed:
        ways.append(f"these turns pass a margin of {100 * check.margin_needed:.1f}")
    return "; ".join([check.reason, ", or ".join(ways)] if ways else [check.reason])


def show_gain(check: Check) -> str:
    """`+1.2 [-0.5, +2.9]` in percentage points, of a margin."""
    return "" if check.gain is None else f"{points(check.gain)} [{points(check.lower)}, {points(check.upper)}]"


def show_evidence(check: Check) -> str:
    """`3 of 74 differ, 37 sessions`, of a margin: what the gain rests on; of a floor, n."""
    if check.turns is None:
        return f"n {check.n:,}"
    sessions = "1 session" if check.sessions == 1 else f"{check.sessions or 0:,} sessions"
    return f"{check.discordant:,} of {check.turns:,} differ, {sessions}"


def _slice_lines(rows: tuple[SliceRow, ...]) -> list[str]:
    """The headline of each slice: the widest losses first."""
    if not rows:
        return []
    worst_first = sorted(rows, key=lambda row: (row.candidate or 0) - (row.baseline or 0))
    lines = [
        f"| `{code(row.slice)}` | {row.n} | {percent(row.baseline)} | {percent(row.candidate)} |"
        for row in worst_first[:_ROWS_SHOWN]
    ]
    head = ["| slice | n | baseline | candidate |", "|---|---|---|---|"]
    return _details(f"turn_exact of {len(rows)} slices", [*head, *lines], len(rows) - len(lines))


def _details(title: str, lines: list[str], more: int) -> list[str]:
    rest = ["", f"and {more} more, in gate.json"] if more else []
    return ["", f"<details><summary>{title}</summary>", "", *lines, *rest, "", "</details>"]


def _flip_lines(title: str, flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    lines = [f"- `{code(flip.turn_id)}`: {_change(flip)}" for flip in flips[:_ROWS_SHOWN]]
    return _details(f"{title}: {len(flips)} turns", lines, len(flips) - len(lines))


def _change(flip: Flip) -> str:
    reason = f" ({escape(flip.reasons[0])})" if flip.reasons else ""
    return f"{flip.baseline} → {flip.candidate}{reason}"


def junit(result: GateResult) -> str:
    """JUnit XML: a test case for comparability, each check and each slice.

    Inconclusive checks are failures, those that are not applicable are skipped, and what is invalid or refused is an
    error. Slices without a floor only tell.
    """
    suite = Suite("evaluate gate")
    validity = suite.case("gate", "the runs can be judged", "\n".join((headline(result), *result.warnings)))
    if result.problems:
        suite.error(validity, "; ".join(result.problems))
    if told := how_far(result):
        suite.case("gate", "sessions asked", f"{told} Gains have {limits_of(result)}.")
    for check in result.checks:
        sides = f"baseline {percent(check.baseline)}, candidate {percent(check.candidate)}, {show_evidence(check)}"
        case = suite.case(f"gate.{check.kind}", named(check), " ".join([sides, show_gain(check)]).rstrip())
        if check.status == "not applicable":
            suite.skipped(case, check.reason)
        elif check.status != "pass":
            suite.failure(case, check.status, explain(check))
    for row in result.slices:
        values = f"turn_exact {percent(row.baseline)} -> {percent(row.candidate)}, n={row.n}"
        suite.case("slice", row.slice, values)
    return suite.xml()
