"""Computes figures from replies. Latencies are defined as in `vllm bench serve`.

- TTFT: from just before the request is written to the first server-sent event with a choice. For chat completions that
  is the role event, which vLLM sends together with the first token.
- ttfc, time to first content: from the same time to the first event that carries a piece of the answer (text, thinking,
  refusal or call). Other servers send the role event before the prompt is read: then TTFT is too short, TPOT too long.
- E2E: from the same time to the last event with a choice; the usage event after it does not count.
- TPOT: (E2E - TTFT) / (output tokens - 1), for answers of two tokens or more.
- ITL: the gaps between events with a choice, of all requests together.
- ttfvc: time to first valid call, see bench/figures/first_call.py.
- e2e_from_schedule: in an open loop, E2E from the time at which the request was due.
- Throughputs: divided by the time from the first request of the level to the end of its last one.
  `total_token_throughput` counts prompt and answer tokens.
- correct_per_s: turns with outcome `ok` (the evaluation's `turn_exact`) per second. `request_goodput` counts requests
  that meet the service level (bench/load/slo.py), `correct_goodput` those that are also `ok`.
- lateness: in an open loop, how long after the due time the load generator itself began with a request.

Only answered requests have latencies. The standard deviation divides by n. Figures without any value are None.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from callproof.catalog import Catalog
from callproof.endpoint import Reply
from callproof.records import Record
from callproof.scoring import Answer, Outcome, OutcomeLabel, in_time, judge
from callproof.turns import catalog_of

from ..load import Job, Level, Slo
from .first_call import first_call_s

PERCENTILES = (50, 90, 99)
LATENCIES = ("ttft", "ttfc", "tpot", "itl", "e2e")
FURTHER = ("ttfvc", "e2e_from_schedule")
LATE_MS = 20.0
FEW = 100
"""With fewer values than this a 99th percentile is little more than the largest of them."""


class Sample(Record):
    """One request. Times are in milliseconds, but `started_s` and `due_s` in seconds after the level began.

    Attributes:
        outcome: None if nothing judged the answer (imported results).
        delay_ms: from the due time until it was sent; 0 in a closed loop.
        late_ms: the part of `delay_ms` that the load generator caused; the rest was spent waiting for a free place
            (`--max-in-flight`).
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
    prompt_tokens: int | None = None
    ttfvc_ms: float | None = None
    ttfc_ms: float | None = None
    due_s: float | None = None
    delay_ms: float = 0.0
    late_ms: float | None = None

    @property
    def tpot_ms(self) -> float | None:
        return tpot_ms(self.ttft_ms, self.e2e_ms, self.output_tokens)

    @property
    def e2e_from_schedule_ms(self) -> float | None:
        return None if self.e2e_ms is None or self.due_s is None else self.e2e_ms + self.delay_ms


def tpot_ms(ttft_ms: float | None, e2e_ms: float | None, output_tokens: int) -> float | None:
    """Milliseconds per token after the first; None for fewer than two tokens."""
    if ttft_ms is None or e2e_ms is None or output_tokens < 2:
        return None
    return (e2e_ms - ttft_ms) / (output_tokens - 1)


def judged(level: Level) -> list[Outcome]:
    """The outcome of each request of a level, in the order of its replies."""
    return [in_time(_judge_of(job), reply.answer, catalog_of(job.turn)) for job, reply in level.replies]


def _judge_of(job: Job) -> Callable[[Answer, Catalog], Outcome]:
    return lambda answer, catalog: judge(job.turn, answer, job.model, catalog, job.channel, format=job.format)


def samples_of(level: Level, outcomes: Sequence[Outcome] | None = None) -> list[Sample]:
    """The requests of a level, in the order of its replies. `outcomes`: of the same requests, if already judged."""
    outcomes = judged(level) if outcomes is None else outcomes
    return [
        _sample(job, reply, level.begun, outcome) for (job, reply), outcome in zip(level.replies, outcomes, strict=True)
    ]


def _sample(job: Job, reply: Reply, begun: float, outcome: Outcome) -> Sample:
    times = reply.chunk_times if reply.answer.error is None else ()
    due = job.due_s
    delay = 0.0 if due is None else reply.sent - begun - due
    first_call = first_call_s(reply, catalog_of(job.turn), job.format) if outcome.counts.schema_valid else None
    return Sample(
        model=job.model,
        turn_id=job.turn.turn_id,
        started_s=round(reply.sent - begun, 6),
        ttft_ms=_ms(times[0] - reply.sent) if times else None,
        e2e_ms=_ms(times[-1] - reply.sent) if times else None,
        itl_ms=tuple(_ms(later - earlier) for earlier, later in pairwise(times)),
        output_tokens=_output_tokens(reply) if times else 0,
        outcome=outcome.outcome,
        error=reply.answer.error,
        prompt_tokens=_usage(reply, "prompt_tokens") if times else None,
        ttfc_ms=_ms(times[reply.first_piece] - reply.sent) if times and reply.first_piece is not None else None,
        ttfvc_ms=None if first_call is None else _ms(first_call),
        due_s=None if due is None else round(due, 6),
        delay_ms=_ms(delay),
        late_ms=None if due is None else _ms(delay - reply.waited_s),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _usage(reply: Reply, key: str) -> int | None:
    tokens = (reply.answer.usage or {}).get(key)
    return tokens if isinstance(tokens, int) else None


def _output_tokens(reply: Reply) -> int:
    """The server's count, or one token per event that carries a piece of the answer if it sends no usage."""
    tokens = _usage(reply, "completion_tokens")
    return reply.pieces if tokens is None else tokens


def figures(samples: Sequence[Sample], duration_s: float, slo: Slo | None = None) -> dict[str, Any]:
    """The figures of requests of one level, which took `duration_s` seconds."""
    answered = [sample for sample in samples if sample.error is None]
    exact = sum(sample.outcome == "ok" for sample in answered)
    tokens = sum(sample.output_tokens for sample in answered)
    values = {
        "ttft": [sample.ttft_ms for sample in answered],
        "ttfc": [sample.ttfc_ms for sample in answered],
        "tpot": [sample.tpot_ms for sample in answered],
        "itl": [gap for sample in answered for gap in sample.itl_ms],
        "e2e": [sample.e2e_ms for sample in answered],
        "ttfvc": [sample.ttfvc_ms for sample in answered],
        "e2e_from_schedule": [sample.e2e_from_schedule_ms for sample in answered],
    }
    known = {name: [value for value in column if value is not None] for name, column in values.items()}
    return {
        "requests": len(samples),
        "errors": len(samples) - len(answered),
        "exact": exact,
        "turn_exact": round(exact / len(samples), 4) if samples else None,
        "output_tokens": tokens,
        "req_per_s": _rate(len(answered), duration_s),
        "tokens_per_s": _rate(tokens, duration_s),
        "correct_per_s": _rate(exact, duration_s),
        **_whole_tokens(answered, tokens, duration_s),
        **_goodput(answered, duration_s, slo),
        **{key: value for name, column in known.items() for key, value in _spread(name, column).items()},
        "p99_of_few": [name for name, column in known.items() if 0 < len(column) < FEW],
    }


def _whole_tokens(answered: Sequence[Sample], tokens: int, duration_s: float) -> dict[str, Any]:
    """Prompt tokens and total throughput; None if the server does not count prompt tokens."""
    prompts = [sample.prompt_tokens for sample in answered if sample.prompt_tokens is not None]
    known = len(prompts) == len(answered)
    return {
        "prompt_tokens": sum(prompts) if known else None,
        "total_token_throughput": _rate(sum(prompts) + tokens, duration_s) if known else None,
    }


def _goodput(answered: Sequence[Sample], duration_s: float, slo: Slo | None) -> dict[str, Any]:
    good = [sample for sample in answered if slo and slo.kept(sample)]
    correct = sum(sample.outcome == "ok" for sample in good)
    return {
        "request_goodput": _rate(len(good), duration_s) if slo else None,
        "correct_goodput": _rate(correct, duration_s) if slo else None,
    }


def _rate(count: int, duration_s: float) -> float | None:
    return round(count / duration_s, 4) if duration_s > 0 else None


def _spread(name: str, known: Sequence[float]) -> dict[str, float | None]:
    percentiles = np.percentile(known, PERCENTILES).round(3).tolist() if known else [None] * len(PERCENTILES)
    points = {f"{name}_p{percentile}_ms": value for percentile, value in zip(PERCENTILES, percentiles, strict=True)}
    mean, std = (round(float(moment), 3) for moment in (np.mean(known), np.std(known))) if known else (None, None)
    return {**points, f"{name}_mean_ms": mean, f"{name}_std_ms": std}


def level_figures(level: Level, samples: Sequence[Sample], slo: Slo | None = None) -> dict[str, Any]:
    """The figures of a level, overall and per model.

    All divide by the duration of the level, so that the models' rates add up to the overall rate.
    """
    duration = level.ended - level.begun
    models = dict.fromkeys(sample.model for sample in samples)
    of_model = {model: [one for one in samples if one.model == model] for model in models}
    return {
        "load": level.name,
        "concurrency": level.concurrency,
        "rate": level.rate,
        "arrival": level.arrival,
        "live": level.live,
        "planned": level.planned,
        "partial": level.partial,
        "duration_s": round(duration, 6),
        "lateness": _lateness(samples),
        "overall": figures(samples, duration, slo),
        "models": {model: figures(some, duration, slo) for model, some in of_model.items()},
    }


def _lateness(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """How late the load generator was in an open loop; `lags`: the 99th percentile is above LATE_MS."""
    late = [sample.late_ms for sample in samples if sample.late_ms is not None]
    if not late:
        return None
    p50, p99 = np.percentile(late, (50, 99)).round(3).tolist()
    return {"p50_ms": p50, "p99_ms": p99, "max_ms": max(late), "lags": p99 > LATE_MS}
