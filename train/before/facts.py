"""What `check` needs to know of a session, found out without knowing the others, so that another process may do it."""

from collections.abc import Iterator
from typing import NamedTuple, Self

from callproof.catalog import Catalog
from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.sessions import Outline, Session, Tale
from callproof.turns import Domain, is_decision, lint_message, restrains, without_thinking


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

    def __call__(self, where: str, session: Session, tale: Tale | None = None) -> Facts:
        """The facts of the session at a place; `tale`: what it tells as it was recorded, where that is known."""
        if self._drops_thinking:
            session, tale = without_thinking(session), None
        catalog, error = Catalog(tools=()), None
        try:
            catalog = self._domain.catalog(session, where)
        except UserError as missing:
            error = missing
        said = [message.said() for message in session.messages]
        return Facts(
            session_id=session.session_id,
            conversation=session.conversation,
            answers=() if error else tuple(_answers(session, catalog)),
            tools=tuple(tool.name for tool in catalog.tools),
            is_undated=session.system is None and session.at is None,
            error=error,
            tale=tale or Tale.of(said),
            outline=Outline.of(said),
        )


def _answers(session: Session, catalog: Catalog) -> Iterator[Answer]:
    for index, message in enumerate(session.messages):
        if message.role == "assistant":
            parts = [name for name, there in (("text", message.content), ("calls", message.tool_calls)) if there]
            calls = tuple(call.name for call in message.tool_calls)
            lint = lint_message(session, index, catalog)
            known = frozenset(name for name in calls if name in catalog.by_name) if calls else frozenset[str]()
            told = tuple(lint.problems), tuple(lint.unjudged), lint.refused
            answer = Answer(message.train, " and ".join(parts) or "empty", calls, known, *told)
            yield answer._replace(decides=is_decision(session, index), restrains=restrains(session, index))
