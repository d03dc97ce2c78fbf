"""The sessions of a configuration, with the system prompt and tools that each of them gets.

A domain is a folder with `system_prompt.md`, `tools.json` and `sessions/`. A session's own system prompt or tools
take the place of the domain's, so each file is read when the first session needs it, and may be missing if none does;
so may the domain.
`tools.json` is needed by a session without tools of its own, unless it calls none and `prompt.catalog` is `none`.

The sessions of a split come from `data.train` and `data.eval`, or from the user's module
(`callproof.sessions.user_module`). Without `data.eval`, `data.eval_share` takes that share of the training sessions for
evaluation: the name of its conversation alone decides, so that a session stays on its side when others are added.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from callproof.calls import without_think
from callproof.catalog import Catalog, read_catalog
from callproof.config import RunConfig, Split
from callproof.errors import UserError, relative_to
from callproof.records import read_text
from callproof.sessions import (
    Digest,
    Message,
    RawReader,
    Session,
    asked,
    builds_eval,
    module_sessions,
    opened,
    read_digests,
    read_raw,
    read_sessions,
)

from .prompt import Conversation, conversation

NO_TOOLS = Catalog(tools=())


class Domain:
    """System prompt, preamble and catalog of a configuration; each file is read on first use."""

    def __init__(self, config: RunConfig) -> None:
        self._data, self._prompt = config.data, config.prompt

    def catalog(self, session: Session, where: str) -> Catalog:
        """The tools of a session: in its prompt, and those that its calls are checked against.

        Raises:
            UserError: the domain's are needed, but missing or malformed.
        """
        if session.tools is not None:
            return session.tools
        path = self._data.tools_path
        if path is None or not path.exists():
            if (path is None or self._prompt.catalog == "none") and not session.calls_tools:
                return NO_TOOLS
            raise _missing(path, "tools", session, where)
        return self._catalog

    def conversation(self, session: Session, where: str) -> Conversation:
        """A whole session as the server would get it.

        Raises:
            UserError: a file that it needs is missing or malformed.
        """
        path = self._data.prompt_path
        if session.system is None and path and not path.exists():
            raise _missing(path, "system prompt", session, where)
        template = self._template if session.system is None else ""
        return conversation(session, template, self.catalog(session, where), self._prompt, self._preamble)

    @cached_property
    def _catalog(self) -> Catalog:
        return read_catalog(self._data.tools_path) if self._data.tools_path else NO_TOOLS

    @cached_property
    def _template(self) -> str:
        return read_text(self._data.prompt_path) if self._data.prompt_path else ""

    @cached_property
    def _preamble(self) -> str:
        return read_text(self._prompt.preamble_file) if self._prompt.preamble_file else ""


def _missing(path: Path | None, what: str, session: Session, where: str) -> UserError:
    unread = "cannot be read (no such file)" if path else "names none"
    problem = f"{unread}, but session {session.session_id!r} ({where}) brings no {what} of its own"
    place = path or f"data.{what}"
    start = f" ({relative_to(path)})" if path else ""
    return UserError(place, problem, f"write the file{start}, or give the session its {what}")


def split_sessions(config: RunConfig, split: Split, read: RawReader = read_raw) -> Iterator[tuple[str, Session]]:
    """(place, session) of a split, streamed; the module's docstring says where they come from.

    Raises:
        UserError: see `callproof.sessions.read_sessions`; or the share leaves a split empty.
    """
    for _, where, session in sessions_of_splits(config, (split,), read):
        yield where, session


def sessions_of_splits(
    config: RunConfig, splits: Collection[Split], read: RawReader = read_raw
) -> Iterator[tuple[Split, str, Session]]:
    """(split, place, session) of some splits; where they share a source, it is read once, and they come mixed.

    Raises:
        UserError: as of `split_sessions`.
    """
    for split, where, session in _sided(config, splits, read, None):
        yield split, where, without_thinking(session) if config.data.thinking == "drop" else session


def digests_of_splits(
    config: RunConfig, splits: Collection[Split], digest: Digest, read: RawReader = read_raw
) -> Iterator[tuple[Split, str, Any]]:
    """(split, place, digest) of the sessions of some splits, read in several processes as they are recorded: with
    their thinking.

    Raises:
        UserError: as of `split_sessions`.
    """
    return _sided(config, splits, read, digest)


def without_thinking(session: Session) -> Session:
    """The session as if the assistant had not thought before it spoke."""
    messages = tuple(
        message.model_copy(update={"thinking": "", "content": _unthought(message)})
        if message.role == "assistant"
        else message
        for message in session.messages
    )
    return session.model_copy(update={"messages": messages})


def supervised(session: Session, supervise: Literal["all", "last", "response"]) -> Session:
    """The session with those of its answers that `data.supervise` leaves out made context."""
    answers = [number for number, message in enumerate(session.messages) if message.role == "assistant"]
    asking = [number for number, message in enumerate(session.messages) if message.role == "user"]
    first = {"all": 0, "last": answers[-1] if answers else 0, "response": asking[-1] if asking else 0}[supervise]
    return session.learnt_at({at for at, number in enumerate(answers) if number >= first})


def _unthought(message: Message) -> str:
    rest = without_think(message.content)
    return message.content if rest is None or rest == message.content else rest.strip()


def _asking(read: RawReader, question: Path | None) -> RawReader:
    """A reader of records in which the template `question`, if there is one, has written the user's message."""
    if question is None:
        return read
    return lambda source: (
        found._replace(value=asked(found.record, found.where, question)) for found in opened(read(source))
    )


def _refuse_texts(config: RunConfig, splits: Collection[Split]) -> None:
    if config.data.text == "as_is":
        problem = "the texts of data.text: as_is are trained on as they are, and hold no turns"
        raise UserError(config.data.source(next(iter(splits))), problem, "evaluate with a configuration of sessions")


def _sided(
    config: RunConfig, splits: Collection[Split], read: RawReader, digest: Digest | None
) -> Iterator[tuple[Split, str, Any]]:
    _refuse_texts(config, splits)
    if not config.data.shares:
        for split in splits:
            for where, session in _recorded(config, split, read, digest):
                yield split, where, session
        return
    counts: Counter[Split] = Counter()
    for where, session in _recorded(config, "train", read, digest):
        side: Split = "eval" if held_out(session.group, config.data.eval_share) else "train"
        counts[side] += 1
        if side in splits:
            yield side, where, session
    for split in splits:
        if not counts[split]:
            problem = f"an eval_share of {config.data.eval_share} leaves no {split} session of {counts.total()}"
            raise UserError(config.data.source(split), problem, "give more sessions, or data.eval")


def _recorded(config: RunConfig, split: Split, read: RawReader, digest: Digest | None) -> Iterator[tuple[str, Any]]:
    """(place, session or its digest) of a source."""
    data = config.data
    if data.load_module and (split == "train" or (data.eval is None and builds_eval(data.load_module))):
        sessions = module_sessions(config, data.load_module, split)
        if digest is None:
            return sessions
        return ((where, digest(where, session, session.said(), None)) for where, session in sessions)
    reader = _asking(read, config.prompt.question)
    if digest:
        return read_digests(data.sources(split), digest, reader, data.session_key, data.form)
    return read_sessions(data.sources(split), reader, data.session_key, data.form)


def held_out(conversation: str, share: float) -> bool:
    """Whether a conversation belongs to evaluation when a `share` (0 to 1) of all does."""
    number = hashlib.sha256(f"eval_share:{conversation}".encode()).digest()[:8]
    return int.from_bytes(number) < share * 2**64
