"""Tool-eval turns: a conversation up to one assistant message, the catalog, and the gold calls.

A turns file holds one turn a line and stands alone: replay, score and bench need nothing else.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from callproof.config import RunConfig, Split
from callproof.errors import UserError
from callproof.records import Name, Number, Record, explain, read_jsonl
from callproof.sessions import GoldCall, Reader, Session, read_records

from .call_format import prefills_thinking
from .domain import Domain, split_sessions
from .gold import check_gold
from .prompt import Conversation, Tools

SCHEMA_VERSION = 1


class Turn(Record):
    """One question to the model: `messages` and `tools` are sent as they are; no gold calls: it should not call.

    `alternatives`: further right answers, each as complete as `gold`, which is the first; an empty one is an answer
    without calls. `any_call`: it should call, and any valid call is right; `gold` is empty. `source_names`: of the
    tools that an importer renamed, since the wire takes only letters, digits, `_` and `-`, the names at the source.
    `unsent_tools`: the catalog where it is not sent as `tools` (see `PromptConfig.catalog`); answers are judged by it
    all the same. `template_kwargs`: sent as `chat_template_kwargs`. `prefilled_thinking`: the chat template ends the
    prompt inside thinking, so an answer begins there.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    turn_id: Name
    session_id: Name
    position: Number = Field(description="index of the assistant message in its session, from 0")
    messages: tuple[dict[str, Any], ...]
    tools: Tools
    gold: tuple[GoldCall, ...]
    alternatives: tuple[tuple[GoldCall, ...], ...] = Field(default=(), exclude_if=lambda answers: not answers)
    any_call: bool = False
    order: Literal["any", "strict"] = "any"
    tags: tuple[Name, ...] = ()
    source_names: dict[str, str] = Field(default_factory=dict)
    unsent_tools: Tools = Field(default=None, exclude_if=lambda tools: tools is None)
    template_kwargs: dict[str, Any] = Field(default_factory=dict, exclude_if=lambda kwargs: not kwargs)
    prefilled_thinking: bool = Field(default=False, exclude_if=lambda prefilled: not prefilled)

    @model_validator(mode="after")
    def _one_expectation(self) -> "Turn":
        if self.any_call and (self.gold or self.alternatives):
            raise ValueError("any_call: expected no gold calls and no alternatives beside it")
        return self

    @property
    def catalog(self) -> tuple[dict[str, Any], ...]:
        """The tools that answers are judged by, whether the request sends them or not."""
        return self.tools or self.unsent_tools or ()

    @property
    def answers(self) -> tuple[tuple[GoldCall, ...], ...]:
        """All right answers, `gold` first."""
        return (self.gold, *self.alternatives)

    @property
    def expects_call(self) -> bool:
        """Whether every right answer calls."""
        return self.any_call or all(any(not call.optional_call for call in answer) for answer in self.answers)

    @property
    def allows_call(self) -> bool:
        """Whether some right answer calls."""
        return self.any_call or any(self.answers)


class TurnPrompt(Record):
    """The token ids of a turn's prompt as training encodes it: everything before the answer."""

    turn_id: str
    input_ids: tuple[int, ...]


def session_turns(
    session: Session, whole: Conversation, config: RunConfig, prefilled_thinking: bool = False
) -> Iterator[Turn]:
    """The tool-eval turns of one session, in order (see `EvalConfig.turns`); `whole` is what the server would get.

    Their `session_id` is the name of its conversation, by which figures are clustered.
    """
    answers = [index for index, message in enumerate(session.messages) if message.role == "assistant"]
    starts = [index for index, message in enumerate(whole.messages) if message["role"] == "assistant"]
    for index, start in zip(answers, starts, strict=True):
        message = session.messages[index]
        if not message.train or (config.eval.turns == "decisions" and not is_decision(session, index)):
            continue
        yield Turn(
            turn_id=f"{session.session_id}/{index}",
            session_id=session.group,
            position=index,
            messages=whole.messages[:start],
            tools=whole.tools,
            gold=message.gold,
            alternatives=message.alternatives,
            tags=session.tags,
            unsent_tools=whole.unsent_tools,
            template_kwargs=whole.template_kwargs,
            prefilled_thinking=prefilled_thinking,
        )


def is_decision(session: Session, index: int) -> bool:
    """Whether the assistant message at `index` calls, could have called, or replies to the user.

    What is none sums up what tools returned; `eval.turns: decisions` leaves it out.
    """
    message = session.messages[index]
    return bool(session.messages[index - 1].role == "user" or message.tool_calls or message.alternatives)


def restrains(session: Session, index: int) -> bool:
    """Whether the assistant message at `index` answers the user in text: where there are tools, it shows restraint."""
    message = session.messages[index]
    calls = bool(message.tool_calls or any(message.alternatives))
    return session.messages[index - 1].role == "user" and bool(message.content) and not calls


def decisions(session: Session) -> int:
    """How many turns `eval.turns: decisions` makes of a session."""
    trained = (index for index, message in enumerate(session.messages) if message.role == "assistant" and message.train)
    return sum(is_decision(session, index) for index in trained)


def recorded_answers(session: Session) -> int:
    """How many assistant messages of a session are to be learnt or asked for, whatever `eval.turns` says."""
    return sum(message.role == "assistant" and message.train for message in session.messages)


def turns_sentence(turns: int, answers: int, config: RunConfig) -> str:
    """`137 turns of 234 recorded answers: ...`: why the one number is not the other."""
    if turns == answers:
        return f"{turns:,} turns, one for each recorded answer"
    rest = "replies to the user and calls; eval.turns=all adds summaries of what tools returned"
    return f"{turns:,} turns of {answers:,} recorded answers: eval.turns is {config.eval.turns} ({rest})"


@dataclass(frozen=True, slots=True)
class AskedSession:
    """An eval session, its whole conversation as requests carry it, and its tool-eval turns."""

    session: Session
    whole: Conversation
    turns: tuple[Turn, ...]


def asked_sessions(
    config: RunConfig, read: Reader = read_records, split: Split = "eval", limit: int | None = None
) -> Iterator[AskedSession]:
    """The sessions of a split of a configuration, at most `limit`; raises as `eval_turns`."""
    domain, any_turns = Domain(config), False
    prefilled = prefills_thinking(config)
    for where, session in islice(split_sessions(config, split, read), limit):
        check_gold(session, domain.catalog(session, where), where)
        whole = domain.conversation(session, where)
        turns = tuple(session_turns(session, whole, config, prefilled))
        any_turns |= bool(turns)
        yield AskedSession(session, whole, turns)
    if not any_turns:
        source = config.data.source(split)
        raise UserError(source, "holds no tool-eval turns", "give sessions with assistant messages")


def eval_turns(config: RunConfig, read: Reader = read_records) -> list[Turn]:
    """All tool-eval turns of a configuration's eval sessions.

    Args:
        read: what finds the records of the sessions, see `callproof.sessions.read_sessions`.

    Raises:
        UserError: a file is missing or malformed, or a gold call that its catalog rejects (`file:line`).
    """
    return [
        turn for session in asked_sessions(config, read, "eval", config.eval.max_sessions) for turn in session.turns
    ]


def read_turns(path: Path) -> Iterator[Turn]:
    """The turns of a turns file, streamed.

    Raises:
        UserError: unreadable file or malformed line (`path:line`).
    """
    for number, value in read_jsonl(path):
        try:
            yield Turn.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{path}:{number}", explain(error), "see callproof/turns/turns.py for the form") from None


def digest(value: object) -> str:
    """16 hex digits of the SHA-256 of a JSON value, key order ignored; names turns, catalogs, prompts, templates."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
