"""How the models of the gate's tests answer, and what a run then holds."""

from collections.abc import Callable
from typing import Any

from weather import right, wrong

from callproof.scoring import Outcome
from evaluate.runs import Run, read_outcomes


def outcomes_of(run: Run) -> list[Outcome]:
    """In the order of session, position, model, channel, repeat, however they landed."""
    found = read_outcomes(run.outcomes_path) if run.outcomes_path.exists() else ()
    return sorted(found, key=lambda o: (o.session_id, o.position, o.turn_id, o.model, o.channel, o.repeat))


def slips(*cities: str) -> Callable[[dict[str, Any]], str]:
    """The gold answer, but for the weather in some cities."""
    return lambda payload: (
        wrong(payload) if payload["messages"][-1]["content"].split()[-1] in cities else right(payload)
    )


ANSWERS = {
    "good": right,
    "bad": wrong,
    "shaky": slips("City3", "City4"),
    "silent": lambda _: "Hm.",
    "garbled": lambda payload: right(payload).replace("</tool_call>", '{"</tool_call>'),
}
