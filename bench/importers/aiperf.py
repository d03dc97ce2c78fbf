"""Reads results of NVIDIA AIPerf: profile_export_aiperf.json (aggregates), profile_export.jsonl (one record a request).

AIPerf's TTFT ends at the first response that it could parse. Its `inter_token_latency` is our TPOT, its
`inter_chunk_latency` our ITL, and its `request_count` leaves failed requests out.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from ..figures import PERCENTILES, Amount, Sample
from .levels import Foreign, level_of_figures, level_of_samples

Nanoseconds = Annotated[int, Field(ge=0, le=2**63)]
_MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "sec": 1e3}
_NAMES = {
    "ttft": "time_to_first_token", "tpot": "inter_token_latency", "itl": "inter_chunk_latency",
    "e2e": "request_latency",
}  # fmt: skip


class Duration(Foreign):
    """A latency, either of one request (`value`) or its statistics."""

    unit: Literal["ns", "us", "ms", "sec"]
    value: Amount | tuple[Amount, ...] | None = None
    avg: Amount | None = None
    p50: Amount | None = None
    p90: Amount | None = None
    p99: Amount | None = None

    def ms(self, key: str) -> float | None:
        value = getattr(self, key)
        return None if value is None else round(value * _MILLISECONDS[self.unit], 3)


class Number(Foreign):
    """A count or a rate."""

    value: Amount | None = None
    avg: Amount | None = None


class Aggregate(Foreign):
    """profile_export_aiperf.json."""

    request_latency: Duration
    time_to_first_token: Duration | None = None
    inter_token_latency: Duration | None = None
    inter_chunk_latency: Duration | None = None
    request_throughput: Number | None = None
    output_token_throughput: Number | None = None
    request_count: Number
    error_request_count: Number | None = None
    total_osl: Number | None = None
    benchmark_duration: Duration | None = None
    input_config: dict[str, Any] | None = None

    def level(self, model: str | None) -> dict[str, Any]:
        """One level; `model` overrides the name that the file has."""
        failed = int(self.error_request_count.avg or 0) if self.error_request_count else 0
        known = {
            "requests": int(self.request_count.avg or 0) + failed,
            "errors": failed,
            "output_tokens": _average(self.total_osl),
            "req_per_s": _average(self.request_throughput),
            "tokens_per_s": _average(self.output_token_throughput),
        }
        for ours, theirs in _NAMES.items():
            duration = getattr(self, theirs)
            known |= {f"{ours}_p{point}_ms": duration and duration.ms(f"p{point}") for point in PERCENTILES}
        duration_ms = self.benchmark_duration.ms("avg") if self.benchmark_duration else None
        return level_of_figures(self._concurrency(), (duration_ms or 0) / 1000, model or self._model(), known)

    def _model(self) -> str:
        names = self._section("endpoint").get("model_names")
        return names[0] if isinstance(names, list) and names and isinstance(names[0], str) else "aiperf"

    def _concurrency(self) -> int | None:
        concurrency = self._section("loadgen").get("concurrency")
        return concurrency if isinstance(concurrency, int) and concurrency > 0 else None

    def _section(self, name: str) -> dict[str, Any]:
        section = (self.input_config or {}).get(name)
        return section if isinstance(section, dict) else {}


def _average(number: Number | None) -> float | None:
    return None if number is None or number.avg is None else round(number.avg, 4)


class Metadata(Foreign):
    """When a request ran (epoch nanoseconds), and which input it came from."""

    request_start_ns: Nanoseconds
    request_end_ns: Nanoseconds
    conversation_id: str | None = None
    turn_index: int | None = None


class Metrics(Foreign):
    """Those metrics of a request that are used here."""

    request_latency: Duration | None = None
    time_to_first_token: Duration | None = None
    inter_chunk_latency: Duration | None = None
    output_sequence_length: Number | None = None


class Failure(Foreign):
    type: str | None = None
    message: str


class RequestRecord(Foreign):
    """A line of profile_export.jsonl."""

    metadata: Metadata
    metrics: Metrics = Metrics()
    error: Failure | None = None

    def sample(self, model: str, begun_ns: int) -> Sample:
        metrics = Metrics() if self.error else self.metrics
        gaps = metrics.inter_chunk_latency
        return Sample(
            model=model,
            turn_id=f"{self.metadata.conversation_id}/{self.metadata.turn_index or 0}",
            started_s=round((self.metadata.request_start_ns - begun_ns) / 1e9, 6),
            ttft_ms=_value(metrics.time_to_first_token),
            e2e_ms=_value(metrics.request_latency),
            itl_ms=_values(gaps),
            output_tokens=int((metrics.output_sequence_length and metrics.output_sequence_length.value) or 0),
            outcome=None,
            error=f"{self.error.type or 'error'}: {self.error.message}" if self.error else None,
        )


def _value(duration: Duration | None) -> float | None:
    return None if duration is None or isinstance(duration.value, tuple) else duration.ms("value")


def _values(duration: Duration | None) -> tuple[float, ...]:
    if duration is None or not isinstance(duration.value, tuple):
        return ()
    return tuple(round(value * _MILLISECONDS[duration.unit], 3) for value in duration.value)


def level_of_records(records: Sequence[RequestRecord], model: str | None) -> dict[str, Any]:
    """One level made of all records of a file. The number of requests in flight is unknown: the file lacks it."""
    begun = min(record.metadata.request_start_ns for record in records)
    ended = max(record.metadata.request_end_ns for record in records)
    samples = [record.sample(model or "aiperf", begun) for record in records]
    return level_of_samples(None, max(0, ended - begun) / 1e9, samples)
