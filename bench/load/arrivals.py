"""When the requests of an open loop are due.

- `poisson`: independent exponential gaps, scaled so that n requests take n / rate seconds, as in `vllm bench serve`.
- `constant`: one request every 1 / rate seconds.
- `burst:N`: N requests at once, every N / rate seconds.
- `trace:FILE`: the times of a JSONL file. Each line is an object with `timestamp` in milliseconds (as in traces of
  vLLM's timed_trace, AIPerf and Mooncake) or `seconds`; other keys are ignored. The first time is the start. With a
  rate, the trace is scaled to it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from callproof.errors import UserError
from callproof.records import read_jsonl

_UNITS = {"timestamp": 0.001, "seconds": 1.0}
_FOREVER = 1e15


@dataclass(frozen=True)
class Arrival:
    """A pattern of arrivals. `burst`: how many requests come at once. `trace`: the times of a file, in seconds."""

    name: str = "poisson"
    burst: int = 1
    trace: tuple[float, ...] | None = None

    def moments(self, count: int, rate: float | None, seed: int) -> list[float]:
        """The seconds after the start at which `count` requests are due; fewer if the trace is shorter.

        Args:
            rate: requests per second; None keeps the times of the trace.
            seed: for the gaps of `poisson`.
        """
        if self.trace is not None:
            return self._replayed(count, rate)
        if rate is None:
            raise ValueError(f"{self.name}: expected a rate")
        if self.name == "poisson":
            gaps = np.random.default_rng(seed).exponential(size=count)
            return (np.cumsum(gaps) * (count / rate / gaps.sum())).tolist()
        return [number // self.burst * self.burst / rate for number in range(count)]

    def _replayed(self, count: int, rate: float | None) -> list[float]:
        trace = list(self.trace or ())
        stretch = (len(trace) - 1) / trace[-1] / rate if rate and trace[-1] > 0 else 1.0
        return [moment * stretch for moment in trace[:count]]


def parse_arrival(text: str) -> Arrival:
    """The pattern that `--arrival` names.

    Raises:
        UserError: there is no such pattern, or the trace cannot be read (`file:line`).
    """
    kind, _, value = text.partition(":")
    if kind in ("poisson", "constant") and not value:
        return Arrival(kind)
    if kind == "burst" and value.isdecimal() and int(value) >= 1:
        return Arrival(text, burst=int(value))
    if kind == "trace" and value:
        return Arrival(text, trace=_read_trace(Path(value)))
    mend = "write poisson, constant, burst:N or trace:FILE"
    raise UserError(f"--arrival {text}", "is no pattern of arrivals", mend)


def _read_trace(path: Path) -> tuple[float, ...]:
    moments: list[float] = []
    for line, value in read_jsonl(path):
        moments.append(_moment(value, f"{path}:{line}"))
        if len(moments) > 1 and moments[-1] < moments[-2]:
            raise UserError(f"{path}:{line}", "is earlier than the line above it", "sort the trace by time")
    if not moments:
        raise UserError(path, "holds no moments", 'write one {"timestamp": milliseconds} a line')
    return tuple(moment - moments[0] for moment in moments)


def _moment(value: dict[str, Any], where: str) -> float:
    key = next((key for key in _UNITS if key in value), "timestamp")
    moment = value.get(key)
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 <= moment < _FOREVER:
        problem = f"expected `timestamp` (ms) or `seconds`, a number from 0, got {str(moment)[:40]!r}"
        raise UserError(where, problem, "correct the line")
    return moment * _UNITS[key]
