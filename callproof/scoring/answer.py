"""What an endpoint gave back for one request, as it is kept in outcomes and read from saved answers."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field, model_validator

from callproof.calls import GAVE_UP, Completion, RefusedJSON, writable_value
from callproof.catalog import Catalog
from callproof.deadline import deadline
from callproof.records import Positive, Record

Judged = TypeVar("Judged")

BUDGET_S = 10.0
"""Seconds of processor time for one answer that is judged `in_time`, and for each easier way to judge it."""


class Answer(Record):
    """What the endpoint returned, unchanged except that lone surrogates, which UTF-8 cannot hold, are replaced.

    `tool_calls`: the server's own, if it sent any. `thinking`, `refusal`: what it sent under keys of their own, beside
    the text. `error`: no answer came after retries, and why.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    tool_calls: tuple[dict[str, Any], ...] | None = None
    thinking: str = Field(default="", exclude_if=lambda text: not text)
    refusal: str = Field(default="", exclude_if=lambda text: not text)
    requests: Positive | None = Field(
        default=None, description="how many requests it took, those that failed included; None where nobody counted"
    )
    latency_s: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="seconds from request to end of answer"
    )
    error: str | None = None

    @classmethod
    def of(cls, completion: Completion, latency_s: float | None = None) -> "Answer":
        """The answer that a chat completion holds."""
        return cls(
            text=completion.text,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            tool_calls=completion.tool_calls,
            thinking=completion.thinking,
            refusal=completion.refusal,
            latency_s=latency_s,
        )

    @property
    def failure(self) -> str | None:
        """Why this is no answer: the error, or a finish reason by which the server gave up; None if it is one."""
        if self.error is None and self.finish_reason in GAVE_UP:
            return f"the server gave up: finish_reason is {self.finish_reason!r}"
        return self.error

    @model_validator(mode="before")
    @classmethod
    def _writable(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = dict(value)
        if isinstance(value.get("tool_calls"), tuple):
            value["tool_calls"] = list(value["tool_calls"])
        try:
            return writable_value(value)
        except RefusedJSON:
            return writable_value({**value, "usage": None, "tool_calls": [{"function": None}]})


def relieved(answer: Answer, catalog: Catalog, overruns: int) -> tuple[Answer, Catalog]:
    """What to judge of an answer that a process has died of so often (see callproof.console.workers).

    After the first time its calls are not checked against their schemas; after the second it counts as no answer.
    """
    reason = "judging takes too long"
    if overruns > 1:
        return answer.model_copy(update={"error": reason}), catalog
    return answer, catalog.unchecked(reason) if overruns else catalog


def in_time(judge: Callable[[Answer, Catalog], Judged], answer: Answer, catalog: Catalog) -> Judged:
    """What `judge` says of an answer, which after `BUDGET_S` is `relieved`; bounded as `callproof.deadline` is."""
    for overruns in range(2):
        try:
            with deadline(BUDGET_S, of_processor=True):
                return judge(*relieved(answer, catalog, overruns))
        except TimeoutError:
            continue
    return judge(*relieved(answer, catalog, 2))
