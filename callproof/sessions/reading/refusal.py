"""How what is read of a record is refused."""

from collections.abc import Mapping
from typing import Any, NoReturn

from callproof.calls import GAVE_UP
from callproof.console import say_once
from callproof.errors import UserError

_ENDINGS = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason", "status")
_NOT_WHOLE = {
    *GAVE_UP,
    *"length max_tokens max_output_tokens model_context_window_exceeded incomplete failed cancelled".split(),
    *"content_filter content_filtered guardrail_intervened refusal safety recitation blocklist".split(),
    *"prohibited_content spii malformed_function_call".split(),
}
"""What APIs write where an answer was cut off, filtered or never came."""
_WHOLE = frozenset("stop eos end_turn stop_sequence tool_use tool_call tool_calls function_call completed".split())
_MEND = "see docs/reference/data.md for the forms"


class NoGold(Exception):
    """Why a line holds no answer that could be learnt or be compared with."""


def why_not_whole(answer: Mapping[str, Any]) -> str | None:
    """What an answer, or what is told beside it, says of its end where that is none that a model makes; else None."""
    for key in _ENDINGS:
        reason = answer.get(key)
        if not isinstance(reason, str) or not reason:
            continue
        if reason.lower() in _NOT_WHOLE:
            return reason
        if key != "status" and reason.lower() not in _WHOLE:
            say_once(f"{key} {reason[:40]!r} is not known: the answer is taken as whole")
    return None


def require_whole(*answers: Any) -> None:
    """Raise NoGold where one of some objects says that an answer is not whole."""
    for answer in answers:
        if isinstance(answer, dict) and (reason := why_not_whole(answer)):
            raise NoGold(f"the answer is not whole ({reason})")


def refuse(place: str, problem: str, mend: str = _MEND) -> NoReturn:
    """Raise a UserError."""
    raise UserError(place, problem, mend)


def kind(value: object) -> str:
    """The type of a JSON value, as an error names it."""
    return "nothing" if value is None else type(value).__name__
