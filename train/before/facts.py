"""What `check` needs to know of a session, found out without knowing the others, so that another process may do it."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Self

from callproof.catalog import Catalog
from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.sessions import Outline, Session, Tale
from callproof.turns import NO_TOOLS, Domain, is_decision, lint_message, restrains, without_thinking


class Answer(NamedTuple):
    """A message of the assistant.

    Attributes:
        is_learnt: whether training learns it.
        parts: "text", "calls", "text and calls" or "empty".
        calls: the tools that it calls.
        known: those of them that the catalog has.
        problems: what the catalog says against its calls, a line each.
        unjudged: what it cannot say of them.
        refused: the tools of the calls that it rejects.
        decides, restrains: whether it calls or replies to the user, and whether it does the latter in text.
    """

    is_learnt: bool
    parts: str
    calls: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    decides: bool = False
    restrains: bool = False


class Facts(NamedTuple):
    """A session by its figures; its names and methods are those of a `Session`.

    Attributes:
        tools: the names of its catalog's tools.
        is_undated: neither its prompt nor its record says when it was.
        error: why it has no catalog.
        tale: what it tells, as hashes.
        outline: the runs of words in it, as hashes.
    """

    session_id: str
    conversation: str | None
    answers: tuple[Answer, ...]
    tools: tuple[str, ...]
    is_undated: bool
    error: UserError | None
    tale: Tale
    outline: Outline

    @property
    def group(self) -> str:
        """The name of its conversation."""
        return self.conversation or self.session_id

    def known_as(self, conversation: str, session_id: str | None = None) -> Self:
        """See `Session.known_as`."""
        return self._replace(conversation=conversation, session_id=session_id or self.session_id)

    def learnt_at(self, answers: frozenset[int]) -> Self:
        """See `Session.learnt_at`."""
        learnt = (
            answer._replace(is_learnt=answer.is_learnt and number in answers)
            for number, answer in enumerate(self.answers)
        )
        return self._replace(answers=tuple(learnt))

    @property
    def learnt(self) -> list[Answer]:
        """The answers that training learns."""
        return [answer for answer in self.answers if answer.is_learnt]


class FactFinder:
    """Finds the facts of sessions as a configuration trains on them; picklable."""

    def __init__(self, config: RunConfig) -> None:
        self._domain = Domain(config)
        self._drops_thinking = config.data.thinking == "drop"

    def __call__(
        self, where: str, session: Session, said: list[dict[str, Any]] | None = None, tale: Tale | None = None
    ) -> Facts:
        """The facts of the session at a place; `said` and `tale`: its own as it was recorded, where they are known."""
        if self._drops_thinking:
            session, said, tale = without_thinking(session), None, None
        catalog, error = NO_TOOLS, None
        try:
            catalog = self._domain.catalog(session, where)
        except UserError as missing:
            error = missing
        said = said or session.said()
        return Facts(
            session_id=session.session_id,
            conversation=session.conversation,
            answers=() if error else tuple(_answers(session, catalog)),
            tools=tuple(catalog.by_name),
            is_undated=session.system is None and session.at is None,
            error=error,
            tale=tale or Tale.of(said),
            outline=Outline.of(said),
        )


def _answers(session: Session, catalog: Catalog) -> Iterator[Answer]:
    for index, message in enumerate(session.messages):
        if message.role == "assistant":
            parts = _PARTS[bool(message.content), bool(message.tool_calls)]
            calls = tuple([call.name for call in message.tool_calls])
            known = frozenset(filter(catalog.by_name.__contains__, calls)) if calls else _NONE
            problems, unjudged, refused = lint_message(session, index, catalog)
            decides, held_back = is_decision(session, index), restrains(session, index)
            answer = _answer(message.train, parts, calls, known, decides, held_back)
            if problems or unjudged or refused:
                answer = answer._replace(problems=tuple(problems), unjudged=tuple(unjudged), refused=refused)
            yield answer


_NONE = frozenset[str]()
_PARTS = {(False, False): "empty", (True, False): "text", (False, True): "calls", (True, True): "text and calls"}


@lru_cache(maxsize=4096)
def _answer(
    is_learnt: bool, parts: str, calls: tuple[str, ...], known: frozenset[str], decides: bool, held_back: bool
) -> Answer:
    """An answer against which nothing is said; equal ones are the same, so that many are pickled as one."""
    return Answer(is_learnt, parts, calls, known, decides=decides, restrains=held_back)
