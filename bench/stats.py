"""From replies to figures; latencies are defined as `vllm bench serve` defines them.

- TTFT: from just before the request is written to the first server-sent event with a choice. With chat completions that
  is the role event, which vLLM sends together with the first token.
- E2E: to the last event with a choice; the usage event after it does not count.
- TPOT: (E2E - TTFT) / (output tokens - 1), of answers of two tokens or more.
- ITL: the gaps between events with a choice, all requests together.
- Throughputs: over the time from the first request of the level to the end of its last one.
- Correct-call goodput: turns with outcome `ok` (the evaluation's `turn_exact`) per second.

Latencies are those of requests that were answered. Figures without a sample are None.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from bench.load import Job, Level
from callproof.endpoint import Reply
from callproof.outcomes import OutcomeLabel, catalog_of, judge
from callproof.records import Record

PERCENTILES = (50, 90, 99)
LATENCIES = ("ttft", "tpot", "itl", "e2e")


class Sample(Record):
    """One request. Times in milliseconds, `started_s` in seconds after the level began.

    `outcome` is None where nothing judged it (imported results).
    """

    model: str
    turn_id: str
    started_s: float
    ttft_ms: float | None
    e2e_ms: float | None
    itl_ms: tuple[float, ...]
    output_tokens: int
    outcome: OutcomeLabel | None
    error: str | None

    @property
    def tpot_ms(self) -> float | None:
        return tpot_ms(self.ttft_ms, self.e2e_ms, self.output_tokens)


def tpot_ms(ttft_ms: float | None, e2e_ms: float | None, output_tokens: int) -> float | None:
    """Milliseconds for each token after the first; None for fewer than two tokens."""
    if ttft_ms is None or e2e_ms is None or output_tokens < 2:
        return None
    return (e2e_ms - ttft_ms) / (output_tokens - 1)


def samples_of(level: Level) -> list[Sample]:
    """Judged requests of a level, in order of arrival."""
    return [_sample(job, reply, level.begun) for job, reply in level.replies]


def _sample(job: Job, reply: Reply, begun: float) -> Sample:
    outcome = judge(job.turn, reply.answer, job.model, catalog_of(job.turn)).outcome
    times = reply.chunk_times if reply.answer.error is None else ()
    return Sample(
        model=job.model,
        turn_id=job.turn.turn_id,
        started_s=round(reply.sent - begun, 6),
        ttft_ms=_ms(times[0] - reply.sent) if times else None,
        e2e_ms=_ms(times[-1] - reply.sent) if times else None,
        itl_ms=tuple(_ms(later - earlier) for earlier, later in pairwise(times)),
        output_tokens=_output_tokens(reply) if times else 0,
        outcome=outcome,
        error=reply.answer.error,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _output_tokens(reply: Reply) -> int:
    """As the server counts them; where it sends no usage, one an event."""
    tokens = (reply.answer.usage or {}).get("completion_tokens")
    return tokens if isinstance(tokens, int) else len(reply.chunk_times)


def figures(samples: Sequence[Sample], duration_s: float) -> dict[str, Any]:
    """The figures of some requests of one level that took `duration_s` seconds."""
    answered = [sample for sample in samples if sample.error is None]
    exact = sum(sample.outcome == "ok" for sample in answered)
    tokens = sum(sample.output_tokens for sample in answered)
    return {
        "requests": len(samples),
        "errors": len(samples) - len(answered),
        "exact": exact,
        "turn_exact": round(exact / len(samples), 4) if samples else None,
        "output_tokens": tokens,
        "req_per_s": _rate(len(answered), duration_s),
        "tokens_per_s": _rate(tokens, duration_s),
        "correct_per_s": _rate(exact, duration_s),
        **_percentiles("ttft", (sample.ttft_ms for sample in answered)),
        **_percentiles("tpot", (sample.tpot_ms for sample in answered)),
        **_percentiles("itl", (gap for sample in answered for gap in sample.itl_ms)),
        **_percentiles("e2e", (sample.e2e_ms for sample in answered)),
    }


def _rate(count: int, duration_s: float) -> float | None:
    return round(count / duration_s, 4) if duration_s > 0 else None


def _percentiles(name: str, values: Iterable[float | None]) -> dict[str, float | None]:
    given = [value for value in values if value is not None]
    found = np.percentile(given, PERCENTILES).round(3).tolist() if given else [None] * len(PERCENTILES)
    return {f"{name}_p{percentile}_ms": value for percentile, value in zip(PERCENTILES, found, strict=True)}


def level_figures(level: Level, samples: Sequence[Sample]) -> dict[str, Any]:
    """Overall and per model, over the same time, so that the models' rates add up to the overall rate."""
    duration = level.ended - level.begun
    models = dict.fromkeys(sample.model for sample in samples)
    return {
        "concurrency": level.concurrency,
        "partial": level.partial,
        "duration_s": round(duration, 6),
        "overall": figures(samples, duration),
        "models": {model: figures([one for one in samples if one.model == model], duration) for model in models},
    }
