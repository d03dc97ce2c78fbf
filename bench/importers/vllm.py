"""Reads results of `vllm bench serve --save-result`; its latencies are defined as in `bench.figures.stats`.

Without `--save-detailed` the file has the list of end-to-end latencies, and of the other latencies only mean, median
and the requested percentiles (99 by default).
"""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from ..figures import PERCENTILES, Amount, Sample
from .levels import Foreign, level_of_figures, level_of_samples

Count = Annotated[int, Field(ge=0, le=2**53)]
_NAMES = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2e": "e2el"}


class Result(Foreign):
    """One result; times in seconds. The lists have one entry for each request, failed ones included."""

    model_id: str
    duration: Amount
    completed: Count
    failed: Count = 0
    total_output_tokens: Count
    request_throughput: Amount
    output_throughput: Amount
    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    latencies: tuple[Amount, ...] | None = None
    start_times: tuple[Amount, ...] | None = None
    ttfts: tuple[Amount, ...] | None = None
    itls: tuple[tuple[Amount, ...], ...] | None = None
    output_lens: tuple[Count, ...] | None = None
    errors: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _one_entry_a_request(self) -> "Result":
        detailed = (self.ttfts, self.itls, self.output_lens, self.errors, self.start_times)
        columns = [column for column in detailed if column is not None]
        lengths = {len(column) for column in (*columns, *([self.latencies] if columns and self.latencies else []))}
        if columns and (len(columns) < len(detailed) or len(lengths) > 1 or lengths == {0}):
            raise ValueError(
                "ttfts, itls, output_lens, errors, start_times, latencies: expected one entry for each request"
            )
        return self

    def level(self) -> dict[str, Any]:
        if self.ttfts is not None:
            return level_of_samples(self.max_concurrency, self.duration, list(self._samples()))
        known = {
            "requests": self.completed + self.failed,
            "errors": self.failed,
            "output_tokens": self.total_output_tokens,
            "req_per_s": round(self.request_throughput, 4),
            "tokens_per_s": round(self.output_throughput, 4),
        }
        return level_of_figures(self.max_concurrency, self.duration, self.model_id, {**known, **self._percentiles()})

    def _samples(self) -> Iterator[Sample]:
        starts, ttfts = self.start_times or (), self.ttfts or ()
        gaps, lengths, errors = self.itls or (), self.output_lens or (), self.errors or ()
        latencies = self.latencies or tuple(map(lambda ttft, gaps_of_one: ttft + sum(gaps_of_one), ttfts, gaps))
        for at, error in enumerate(errors):
            yield Sample(
                model=self.model_id,
                turn_id=str(at),
                started_s=round(starts[at] - min(starts), 6),
                ttft_ms=None if error else _ms(ttfts[at]),
                e2e_ms=None if error else _ms(latencies[at]),
                itl_ms=() if error else tuple(map(_ms, gaps[at])),
                output_tokens=0 if error else lengths[at],
                outcome=None,
                error=error or None,
            )

    def _percentiles(self) -> dict[str, float | None]:
        figures = self.model_extra or {}
        percentiles: dict[str, float | None] = {}
        for ours, theirs in _NAMES.items():
            for point in PERCENTILES:
                names = [f"p{point}_{theirs}_ms", *([f"median_{theirs}_ms"] if point == 50 else [])]
                values = [figures[name] for name in names if isinstance(figures.get(name), int | float)]
                percentiles[f"{ours}_p{point}_ms"] = round(values[0], 3) if values else None
        if self.latencies and not self.failed:
            points = np.percentile(self.latencies, PERCENTILES) * 1000
            percentiles |= {
                f"e2e_p{point}_ms": round(float(at), 3) for point, at in zip(PERCENTILES, points, strict=True)
            }
        return percentiles


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
