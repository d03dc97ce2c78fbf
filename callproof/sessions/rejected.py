"""Answers that a model gave and should not have given, as a session keeps them beside the recorded, right one.

    {"role": "assistant", "tool_calls": [{"name": "book", "arguments": {"seats": 2}}],
     "rejected": [{"tool_calls": [{"name": "book", "arguments": {"seats": 3}}]},
                  {"content": "Which date?"},
                  {"raw": "<tool_call>{\\"name\\": \\"book\\", "}]}

A training with `train.method: dpo` or `kto` unlearns them, every other looks away. `content` and `tool_calls` are
written by the chat template, as those of a message are; `raw` is the model's text as it came, tags and all.
"""

from typing import Any

from callproof.calls import ToolCall
from callproof.records import Record

from .reading.recorded_calls import recorded_call
from .reading.refusal import kind, refuse

KEYS = ("content", "tool_calls", "raw")
_MEND = 'write {"content": "..."}, {"tool_calls": [...]} or {"raw": "..."}'


class Rejected(Record):
    """One such answer; `raw` is None where it is a message."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    raw: str | None = None


def read_rejected(place: str, written: Any) -> list[Rejected]:
    """The rejected answers of a message; null and an empty list are none.

    Raises:
        UserError: `place...: what was expected`.
    """
    if not isinstance(written, list | None):
        refuse(place, f"expected a list of answers, got {kind(written)}", _MEND)
    return [_one(f"{place}.{number}", answer) for number, answer in enumerate(written or ())]


def _one(place: str, answer: Any) -> Rejected:
    if not isinstance(answer, dict):
        refuse(place, f"expected an object, got {kind(answer)}", _MEND)
    given = {key: value for key, value in answer.items() if value is not None}
    if unknown := [key for key in given if key not in KEYS]:
        refuse(f"{place}.{unknown[0]}", "unknown key", f"keys of a rejected answer: {', '.join(KEYS)}")
    if not given or ("raw" in given and len(given) > 1):
        refuse(place, f"expected a message or raw text, got {', '.join(given) or 'neither'}", _MEND)
    for key in ("content", "raw"):
        if not isinstance(given.get(key, ""), str):
            refuse(f"{place}.{key}", f"expected text, got {kind(given[key])}", _MEND)
    calls = given.get("tool_calls", [])
    if not isinstance(calls, list):
        refuse(f"{place}.tool_calls", f"expected a list of calls, got {kind(calls)}", _MEND)
    read = tuple(recorded_call(f"{place}.tool_calls.{number}", call) for number, call in enumerate(calls))
    return Rejected(content=given.get("content", ""), tool_calls=read, raw=given.get("raw"))
