"""Calls, and how they are read out of a model's text.

The parser never raises and never judges: it returns calls, and malformed calls with the reason and the raw text.
"""

import json
from typing import Any

from pydantic import Field, model_validator

from callproof.records import Record


class ToolCall(Record):
    """One call of a tool: its name and its arguments as an object, kept exactly as given."""

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if isinstance(value, dict) and "function" in value:
            value = value["function"]
        if isinstance(value, dict) and isinstance(value.get("arguments"), str):
            try:
                value = {**value, "arguments": json.loads(value["arguments"])}
            except json.JSONDecodeError as error:
                raise ValueError(f"arguments are no JSON object ({error.msg})") from None
        return value
