"""Run directories: the questions, answers and results of one evaluation.

    runs/<run id>/
      run.json        identity (what must be equal for two runs to be compared), models, configuration, server
      turns.jsonl     the turns as they were asked
      outcomes.jsonl  one judged answer per line, appended as it lands
      metrics.json    metrics, intervals, slices and differences
      report.html     the same for people, with every turn
      gate.json       the verdict of the last gate that had this run as its candidate
      noise.json      how much its metrics vary between runs, if `noise` measured it
    runs/baselines/<name>/  a run that `bless` made a baseline, with a baseline.json

A run may be killed at any moment. run.json is written in one step before the first question, and an incomplete last
line of outcomes.jsonl is ignored by readers, so `--resume` can always finish the run.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_core import to_json

from callproof.calls.formats import FORMATS
from callproof.config import FOLDER_PATTERN
from callproof.endpoint import Abilities, RawText
from callproof.errors import UserError, cause_of
from callproof.records import (
    MAX_NUMBER,
    Positive,
    Record,
    explain,
    leaving_nothing,
    read_lines,
    read_text,
    replacing,
    write_json,
)
from callproof.scoring import SCORER_VERSION, Channel, MatchProfile, Outcome
from callproof.turns import Turn, digest, read_turns

from .until import Until

SCHEMA_VERSION = 1
_MAX_NAME = 150
"""Characters of a run's id: file systems take 255 bytes, and names of configurations are added."""
Form = TypeVar("Form", bound=BaseModel)
Channels = Literal["raw", "served", "both"]


class Identity(Record):
    """What two runs must have in common to be compared; hashes are those of `callproof.turns.digest`."""

    turns: str = Field(description="ids, conversations without system prompts, gold")
    catalog: str = Field(description="tools, in the order shown to the model")
    prompt: str = Field(description="system prompts")
    scorer: int
    sampling: dict[str, Any] = Field(description="request parameters that change answers")
    channel: Channels
    match: MatchProfile = "strict"
    format: str = Field(default="hermes", description="how calls are written; see callproof.calls.formats")
    raw_text: RawText = Field(
        default="content", description="what raw answers are read from: their tokens, or the content that came"
    )

    @property
    def main_channel(self) -> Channel:
        """The channel that the headline figures come from: raw if both were scored."""
        return "raw" if self.channel == "both" else self.channel

    @field_validator("sampling")
    @classmethod
    def _repeats(cls, sampling: dict[str, Any]) -> dict[str, Any]:
        repeats = sampling.get("repeats", 1)
        if type(repeats) is not int or not 1 <= repeats <= MAX_NUMBER:
            raise ValueError(f"repeats: expected a number from 1, got {repeats!r}")
        return sampling

    def differences(self, other: "Identity") -> list[str]:
        """The fields that differ, each as `field: ours, theirs`."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f"{key}: {ours[key]} against {theirs[key]}" for key in ours if ours[key] != theirs[key]]


class RunInfo(Record):
    """run.json. Times are UTC in ISO 8601; fields about servers are empty for answers scored without a replay."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: str
    name: str = Field(description="of the configuration, or of the scored answers")
    models: tuple[str, ...] = Field(min_length=1)
    identity: Identity
    turns: Positive
    sessions: Positive
    config: dict[str, Any] | None = None
    endpoints: tuple[str, ...] = Field(default=(), description="URLs without credentials")
    server_version: str | None = Field(default=None, description="as the endpoints tell it; joined where they differ")
    template_hash: str | None = Field(default=None, description="of the chat template, where the server gives it")
    prompt_hash: str | None = Field(default=None, description="of the first turn's tokens as the server renders them")
    catalog_in_prompt: bool | None = Field(default=None, description="whether those tokens hold the tools")
    tool_choice: dict[Channel, str] = Field(default_factory=dict)
    servers: tuple[Abilities, ...] = Field(default=(), description="what each endpoint can, as a few requests showed")
    strict_level: Literal["none", "some", "all"] | None = Field(default=None, description="tools with `strict: true`")
    parser: str | None = Field(default=None, description="of the served channel, as the configuration names it")
    formats: dict[str, str] = Field(default_factory=dict, description="by model, how answers were read, where derived")
    verdicts: dict[str, str] = Field(
        default_factory=dict,
        exclude_if=lambda told: not told,
        description="by model, how often another tool's are ours",
    )
    warnings: tuple[str, ...] = ()
    until: Until | None = Field(default=None, description="of a run with --until-decided")
    started: str
    finished: str | None = None

    @property
    def answers(self) -> int:
        """How many outcomes a whole run holds of each model and channel."""
        return self.turns * self.identity.sampling.get("repeats", 1)

    def lost(self, answers: int) -> str | None:
        """What there is of a model's outcomes, where that is not all."""
        return None if answers >= self.answers else f"{answers} of {self.answers} answers"

    @property
    def state(self) -> str | None:
        """Why this is no whole run, or None."""
        if self.finished is not None:
            return None
        if self.until is None or self.until.stop is None:
            return "unfinished"
        return f"stopped after {self.until.stop.sessions} of {self.sessions} sessions, once the verdict was sure"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_folder_name(option: str, name: str) -> None:
    """Raise a UserError if `name`, the value of `option`, cannot be the name of a folder."""
    if not re.fullmatch(FOLDER_PATTERN, name) or len(name) > _MAX_NAME:
        mend = f"use letters, digits, `.`, `_`, `-`, at most {_MAX_NAME}"
        raise UserError(f"{option} {name[:_MAX_NAME]}", "is no name for a folder", mend)


def check_format(name: str, where: str) -> None:
    """Raise a UserError if answers in the format `name`, set at `where`, cannot be read here."""
    if name not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        problem = f"{name!r} is no format that can be read here, so the raw channel cannot be scored"
        raise UserError(where, problem, f"use --channel served, or one of: {known}")


def text_format(name: str) -> str:
    """The format to look for in text: the named one, or hermes where that cannot be read here (served channel only)."""
    return name if name in FORMATS else "hermes"


class Identifier:
    """Computes the identity of a run from its turns, added one at a time in any order."""

    def __init__(self) -> None:
        self._digests: dict[str, set[str]] = {"turns": set(), "catalog": set(), "prompt": set()}

    def add(self, turn: Turn) -> None:
        value = turn.model_dump(mode="json", exclude={"tools", "messages", "prefilled_thinking"})
        system = [message for message in turn.messages if message.get("role") == "system"]
        value["messages"] = [message for message in turn.messages if message.get("role") != "system"]
        self._digests["turns"].add(digest(value))
        self._digests["catalog"].add(_shared_digest(to_json(turn.tools)))
        self._digests["prompt"].add(_shared_digest(to_json(system)))

    def merge(self, other: "Identifier") -> None:
        """Add the turns of another Identifier."""
        for name, digests in other._digests.items():
            self._digests[name] |= digests

    def identity(
        self,
        sampling: dict[str, Any],
        channel: Channels,
        format: str = "hermes",
        match: MatchProfile = "strict",
        raw_text: RawText = "content",
    ) -> Identity:
        turns, catalog, prompt = (digest(sorted(self._digests[name])) for name in ("turns", "catalog", "prompt"))
        return Identity(
            turns=turns,
            catalog=catalog,
            prompt=prompt,
            scorer=SCORER_VERSION,
            sampling=sampling,
            channel=channel,
            match=match,
            format=format,
            raw_text=raw_text,
        )


@lru_cache(maxsize=256)
def _shared_digest(written: bytes) -> str:
    """The digest of a JSON text, cached: the turns of a session share their tools and system prompt."""
    return digest(json.loads(written))


def identify(
    turns: Iterable[Turn],
    sampling: dict[str, Any],
    channel: Channels,
    format: str = "hermes",
    raw_text: RawText = "content",
) -> Identity:
    """The identity of a run over `turns`."""
    identifier = Identifier()
    for turn in turns:
        identifier.add(turn)
    return identifier.identity(sampling, channel, format, raw_text=raw_text)


class Run:
    """A run directory; as a context manager it holds a lock, so that only one process writes to it.

    If the block raises before it has written anything, no folder is left behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: AbstractContextManager[None] = nullcontext()

    @property
    def turns_path(self) -> Path:
        return self.path / "turns.jsonl"

    @property
    def outcomes_path(self) -> Path:
        return self.path / "outcomes.jsonl"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.json"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    @property
    def gate_path(self) -> Path:
        return self.path / "gate.json"

    @property
    def noise_path(self) -> Path:
        return self.path / "noise.json"

    @property
    def exists(self) -> bool:
        return os.path.isfile(self.path / "run.json")  # False also where the name is too long to be one

    def __enter__(self) -> Self:
        """Take the lock; raises a UserError if another process holds it or the folder cannot be made."""
        self._held = self._locked()
        self._held.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._held.__exit__(*raised)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.path / ".lock"
        with leaving_nothing(lock):
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held = FileLock(lock, timeout=0, thread_local=False).acquire()
            except Timeout:
                raise UserError(self.path, "another process writes to this run", "wait for it, or stop it") from None
            except OSError as error:
                raise UserError(self.path, f"cannot be written ({cause_of(error)})", "choose another folder") from None
            with held:
                yield

    def info(self) -> RunInfo:
        """The content of run.json; raises a UserError if it is missing or malformed."""
        path = self.path / "run.json"
        try:
            return RunInfo.model_validate_json(read_text(path))
        except ValidationError as error:
            raise UserError(path, explain(error), "write the run anew") from None

    def write_info(self, info: RunInfo) -> None:
        write_json(self.path / "run.json", info.model_dump(mode="json"))

    def turns(self) -> Iterator[Turn]:
        return read_turns(self.turns_path)


def outcome_line(outcome: Outcome) -> bytes:
    """The line of outcomes.jsonl for an outcome."""
    return outcome.model_dump_json().encode("utf-8", "replace") + b"\n"


class OutcomeLog:
    """Appends outcomes to a file, unbuffered: a crash of this process loses none that `append` has returned from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def append(self, lines: bytes) -> None:
        """Write lines of outcomes in one step; raises a UserError when the disk is full or gone."""
        try:
            while lines:  # a disk that is nearly full takes a part, and refuses the rest
                lines = lines[self._file.write(lines) :]
        except OSError as error:
            mend = "free some space, then --resume"
            raise UserError(self._path, f"cannot be written ({cause_of(error)})", mend) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class OutcomeLine(NamedTuple):
    """The raw line of an outcomes file, with its path and line number."""

    path: Path
    number: int
    text: bytes

    def read(self, form: type[Form]) -> Form:
        """The line parsed as `form`; raises a UserError if it is malformed (`path:line`)."""
        try:
            return form.model_validate_json(self.text)
        except ValidationError as error:
            where, mend = f"{self.path}:{self.number}", "delete the line and --resume, or make the run anew"
            raise UserError(where, explain(error), mend) from None


def read_outcomes(path: Path) -> Iterator[Outcome]:
    """The outcomes of a file, streamed; see `read_as`."""
    return (outcome for outcome, _ in read_as(path, Outcome))


def read_as(path: Path, form: type[Form]) -> Iterator[tuple[Form, OutcomeLine]]:
    """Each line of an outcomes file, parsed as `form` and raw; a last line without a line end is ignored.

    Raises:
        UserError: unreadable file, or a malformed line (`path:line`).
    """
    for number, text in read_lines(path):
        if not text.endswith(b"\n"):
            return
        line = OutcomeLine(path, number, text)
        yield line.read(form), line


def keep_answered(path: Path) -> Iterator[Outcome]:
    """Remove infra errors and an incomplete last line from an outcomes file, so that those turns are asked again.

    Yields the outcomes that stay. The file is replaced in one step, when the iterator is exhausted.
    """
    with replacing(path) as file:
        for outcome, line in read_as(path, Outcome) if path.exists() else ():
            if outcome.outcome != "infra_error":
                file.write(line.text)
                yield outcome


def write_turns(path: Path, turns: Iterable[Turn]) -> None:
    """Write a file of turns in one step; raises a UserError where it cannot be written."""
    with replacing(path) as file:
        file.writelines(turn.model_dump_json().encode() + b"\n" for turn in turns)
