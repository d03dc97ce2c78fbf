"""What a model costs in restraint: how often it calls where no call is expected, in words."""

from callproof.console import percent, points
from callproof.scoring import Difference, Estimate

RATE = "hallucination_rate"


def restraint_line(rate: Estimate, baseline: str | None, base: Estimate | None, difference: Difference | None) -> str:
    """`calls in 7.3 % [1.5, 19.9] of 41 turns that expect no call; tiny in 2.4 %: +4.9 points [..], 2 of 41 differ`.

    Args:
        rate: of false calls, with its interval.
        baseline, base, difference: the name, the rate and the paired difference of what it is held against.
    """
    if not rate.n:
        return "no turn that was answered expects no call, so that nothing is known of its restraint"
    said = f"calls in {_estimate(rate)} of {rate.n:,} turns that expect no call"
    if baseline is None or base is None or difference is None or difference.value is None:
        return said
    change = f"{points(difference.value)} points"
    if difference.low is not None:
        change += f" [{points(difference.low)}, {points(difference.high)}]"
    evidence = f"{difference.discordant:,} of {difference.n:,} turns in {difference.clusters:,} sessions differ"
    return f"{said}, {baseline} in {_estimate(base)}: {change}, {evidence}"


def _estimate(rate: Estimate) -> str:
    interval = "" if rate.low is None else f" [{percent(rate.low)}, {percent(rate.high)}]"
    return f"{percent(rate.value)} %{interval}"
