"""Where the sessions of a run lie, and what is learnt of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from callproof.records import Record

Split = Literal["train", "eval"]

Source = Annotated[str, Field(min_length=1)]
Sources = Source | Annotated[tuple[Source, ...], Field(min_length=1)]


class DataConfig(Record):
    """Where sessions, system prompt and catalog lie; see docs/reference/data.md.

    Sessions are a file, a folder or a glob inside the domain folder, or anywhere if it is absolute or begins with `./`,
    or there is no domain, or a list of such. `hf:owner/name[/config][:split]` is a Hugging Face dataset; `s3://` and
    `https://` are read where fsspec is installed.
    """

    domain: Path | None = Field(
        default=None,
        description="folder with system_prompt.md, tools.json and sessions/; not needed where sessions bring theirs",
    )
    train: Sources = Field(default="sessions/train.jsonl", description="training sessions: one source, or a list")
    eval: Sources | None = Field(
        default=None, description="evaluation sessions; default: sessions/eval.jsonl, or see eval_share"
    )
    form: str | None = Field(
        default=None,
        min_length=1,
        description="form of all records, see docs/reference/data.md; default: the first that fits each",
    )
    supervise: Literal["all", "last", "response"] = Field(
        default="all",
        description="assistant turns that are learned: all, the last, or the response to the user's last message",
    )
    eval_share: float = Field(
        default=0.0, ge=0, le=0.5, description="share of the training sessions that evaluation takes, without `eval`"
    )
    session_key: str | None = Field(
        default=None,
        min_length=1,
        description="dotted path in a record, such as metadata.trace_id: records of one value are one conversation",
    )
    load_module: str | None = Field(
        default=None, min_length=1, description="module whose build_sessions(config, split) gives the sessions"
    )
    options: dict[str, Any] = Field(default_factory=dict, description="for that module: config.data.options")
    system_prompt: Literal["none"] | Path | None = Field(
        default=None, description="file; default: system_prompt.md of the domain; none: sessions without one get none"
    )
    tools: Literal["none"] | Path | None = Field(
        default=None, description="file, or none; default: tools.json of the domain"
    )
    text: Literal["chatml", "as_is"] = Field(
        default="chatml",
        description="a column `text`: ChatML that is read into messages, or any text, all of whose tokens are learned",
    )
    prepared: Path | None = Field(
        default=None, description="folder that `callproof train prepare` wrote; its rows are trained on as they are"
    )
    thinking: Literal["keep", "drop"] = Field(
        default="keep", description="what becomes of thinking that sessions were recorded with"
    )
    unrenderable: Literal["error", "drop"] = Field(
        default="error",
        description="sessions that the chat template cannot write, such as several calls a turn: refuse, or leave out",
    )
    max_context_length: int | None = Field(
        default=4096, gt=0, description="tokens; longer training rows are dropped; null: as many as the base has"
    )

    @property
    def tools_path(self) -> Path | None:
        """Where the domain's tools are; None where there are none."""
        return None if self.tools == "none" else self.tools or self._in_domain("tools.json")

    @property
    def prompt_path(self) -> Path | None:
        """Where the domain's system prompt is; None where there is none."""
        return None if self.system_prompt == "none" else self.system_prompt or self._in_domain("system_prompt.md")

    @property
    def title(self) -> str:
        """What the data is called: the domain, or the training sessions where there is none."""
        return self.domain.name if self.domain else self.source("train")

    def _in_domain(self, name: str) -> Path | None:
        return self.domain and self.domain / name

    @model_validator(mode="after")
    def _one_evaluation(self) -> "DataConfig":
        if self.eval is not None and self.eval_share:
            raise ValueError("eval_share: splits the training sessions, so `eval` must not be given beside it")
        return self

    @property
    def shares(self) -> bool:
        """Whether evaluation takes a share of the training sessions."""
        return self.eval is None and self.eval_share > 0

    def sources(self, split: Split) -> tuple[str, ...]:
        """Where the sessions of a split come from, as paths, URLs or `hf:...`."""
        sessions = self.train if split == "train" or self.shares else self.eval or "sessions/eval.jsonl"
        listed = (sessions,) if isinstance(sessions, str) else sessions
        return tuple(self._placed(source) for source in listed)

    def _placed(self, source: str) -> str:
        if self.domain is None or source.startswith(("hf:", "./")) or "://" in source:
            return source
        return str(self.domain / source)

    def source(self, split: Split) -> str:
        """The sources of a split as one text; of a single one, its path."""
        return ", ".join(self.sources(split))
