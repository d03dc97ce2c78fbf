"""How often the two channels of a run disagree: the calls parsed here, and those that the server returns."""

import json
from typing import Any

import numpy as np
from pydantic import BaseModel

from callproof.scoring import Estimate, proportion

from ..runs import OutcomeLine


class _Answer(BaseModel):
    turn_id: str
    session_id: str
    model: str
    channel: str
    repeat: int = 0
    outcome: str
    calls: tuple[dict[str, Any], ...]

    @property
    def valid_calls(self) -> list[str]:
        return sorted(json.dumps(call, sort_keys=True) for call in self.calls if "name" in call)


class Disagreement:
    """Takes the lines of an outcomes file in any order, and pairs the two channels of each turn, model and repeat.

    They agree if both hold the same calls, in any order. A pair with an unanswered side is not counted.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, int], list[str] | None] = {}
        self._differs: dict[str, list[bool]] = {}
        self._sessions: dict[str, list[str]] = {}

    def add(self, line: OutcomeLine) -> None:
        """Take one line; raises a UserError where it is malformed (`path:line`)."""
        answer = line.read(_Answer)
        key = (answer.model, answer.turn_id, answer.repeat)
        calls = None if answer.outcome == "infra_error" else answer.valid_calls
        if key not in self._open:
            self._open[key] = calls
            return
        other = self._open.pop(key)
        if calls is not None and other is not None:
            self._differs.setdefault(answer.model, []).append(calls != other)
            self._sessions.setdefault(answer.model, []).append(answer.session_id)

    def rates(self) -> dict[str, Estimate]:
        """model -> answers whose channels hold different calls / answers that both channels gave."""
        return {
            model: proportion(np.array(differs), np.unique(self._sessions[model], return_inverse=True)[1])
            for model, differs in sorted(self._differs.items())
        }
