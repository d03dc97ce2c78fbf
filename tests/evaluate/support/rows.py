"""Small valid rows of every kind of file that `evaluate` reads; a test spoils one of them."""

import json
from collections.abc import Callable
from typing import Any

from weather import TOOLS, call


def turn(number: int) -> dict[str, Any]:
    return {
        "turn_id": f"s{number}/1",
        "session_id": f"s{number}",
        "position": 1,
        "messages": [{"role": "user", "content": f"Weather in City{number}"}],
        "tools": TOOLS,
        "gold": [{"name": "get_weather", "arguments": {"city": f"City{number}"}}],
    }


def answer(number: int) -> dict[str, Any]:
    return {"turn_id": f"s{number}/1", "text": call("get_weather", city=f"City{number}")}


def question(number: int) -> dict[str, Any]:
    function = {"name": "get_weather", "parameters": {"type": "dict", "properties": {"city": {"type": "string"}}}}
    return {"id": f"simple_{number}", "question": f"Weather in City{number}", "function": [function]}


def possible(number: int) -> dict[str, Any]:
    return {"id": f"simple_{number}", "ground_truth": [{"get_weather": {"city": [f"City{number}"]}}]}


def joined(number: int) -> dict[str, Any]:
    return {**question(number), "possible_answer": possible(number), "output": "Hm."}


def logged(number: int) -> dict[str, Any]:
    request = {"messages": [{"role": "user", "content": f"Hello {number}"}], "tools": TOOLS}
    return {"request": request, "response": {"choices": [{"message": {"content": "Hi!"}}]}}


def exported(number: int) -> dict[str, Any]:
    """A GenAI span as OTLP JSON."""
    asked = [{"role": "user", "parts": [{"type": "text", "content": f"Hello {number}"}]}]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "Hi!"}], "finish_reason": "stop"}]
    values = {"gen_ai.input.messages": asked, "gen_ai.output.messages": said}
    attributes = [{"key": key, "value": {"stringValue": json.dumps(value)}} for key, value in values.items()]
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": str(number), "attributes": attributes}]}]}]}


def lines(row: Callable[[int], dict[str, Any]]) -> str:
    return "".join(json.dumps(row(number)) + "\n" for number in range(3))
