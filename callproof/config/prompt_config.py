"""Section `prompt`: what is put before, added to or moved in a system prompt, and how the model sees its tools."""

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from callproof.records import Record

BUILTIN_PREAMBLE = Path(__file__).with_name("assets") / "preamble.md"
"""When to call a tool, in three sentences."""


class PromptConfig(Record):
    """How the system turn is assembled, by default from what is written, in its order; see callproof.turns.prompt."""

    preamble: Literal["builtin"] | Path | None = Field(
        default=None, description="text file, put before every system prompt; builtin: a few sentences on tools"
    )
    question: Path | None = Field(
        default=None, description=".jinja file that writes the user's message from instruction, input and context"
    )
    catalog: Literal["tools", "text", "none"] = Field(
        default="tools",
        description="tools: the chat template renders them; text: JSON lines in the system prompt; none: not shown",
    )
    timezone: str = Field(default="Europe/Zurich", description="IANA name, for the date line")
    date_line: bool = Field(
        default=False, description="add a date and time to the domain's prompt: the session's own, or an invented one"
    )
    shuffle_sections: bool = Field(default=False, description="shuffle sections and their bullets per session id")
    shuffle_tools: bool = Field(default=False, description="shuffle the catalog per session id")
    template_kwargs: dict[str, Any] = Field(
        default_factory=dict,
        description="variables of the chat template, such as enable_thinking: false; requests carry them too",
    )

    @property
    def preamble_file(self) -> Path | None:
        return BUILTIN_PREAMBLE if self.preamble == "builtin" else self.preamble

    @field_validator("timezone")
    @classmethod
    def _known(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (OSError, ValueError, ZoneInfoNotFoundError):
            raise ValueError("expected a time zone such as Europe/Zurich") from None
        return timezone
