"""Calls, attempts that are none, and what an answer says."""

from typing import Any

from pydantic import Field, model_validator

from callproof.records import Record

from .strict_json import MalformedReason, RefusedJSON, decode, writable_value


class ToolCall(Record):
    """One call of a tool: its name and its arguments as an object, kept exactly as given.

    Also read from OpenAI's form, with arguments as an object or as JSON text.
    """

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_openai(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("function"), dict):
            value = value["function"]
        if not isinstance(value, dict):
            return value
        written, name = value.get("arguments"), value.get("name")
        try:
            if isinstance(written, str):
                value = {**value, "arguments": decode(written)}
        except RefusedJSON as error:
            raise ValueError(f"arguments are no JSON object ({error})") from None
        decoded = isinstance(written, str) and written.isascii() and len(value) == 2  # and so writable already
        return value if decoded and isinstance(name, str) and name.isascii() else writable_value(value)


class MalformedCall(Record):
    """An attempt that is no call. `text` is the whole block as the model wrote it, tags included.

    Reasons: `not_an_object` does not begin with `{`; `number_too_long` has over 4,300 digits; `too_deep` is nested over
    64 levels; `extra_key` has a key that the format does not know beside the name and the arguments; `bad_syntax` is
    not written as the format writes calls; `trailing_text` has something beside the call inside the block;
    `left_in_text` is a block that the server's own parser handed to the client as text; `foreign_format` is a call in
    the notation of another format.
    """

    reason: MalformedReason
    text: str


class ParsedAnswer(Record):
    """What an answer says.

    `calls` in order of appearance, one entry an attempt; `text` is what stands beside them; `unclosed` counts accepted
    blocks without end tag, `decoded_strings` accepted calls whose arguments were a JSON string, `untyped` values of
    accepted calls that stayed text because no schema settled their type. `thinking` is the leading thinking without its
    tags and `thought_calls` the attempts in it, which do not count. `foreign` names the format that the attempts of
    reason `foreign_format` are written in (`json` for a bare or fenced object).
    """

    calls: tuple[ToolCall | MalformedCall, ...]
    text: str
    attempts: int
    truncated: bool
    unclosed: int
    decoded_strings: int
    untyped: int = 0
    thinking: str = ""
    thought_calls: tuple[ToolCall | MalformedCall, ...] = ()
    foreign: str | None = None
