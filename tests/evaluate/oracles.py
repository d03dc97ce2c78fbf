"""How the models of the gate's tests answer."""

from collections.abc import Callable
from typing import Any

from weather import right, wrong


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
