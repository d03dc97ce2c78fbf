"""The sessions of runs with the answers that a model gave in them, eval sessions of the next training kept out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from callproof.config import RunConfig
from callproof.errors import UserError
from callproof.scoring import Outcome
from callproof.sessions import Corpus, Message, Session, Tale, Told, contained_in, leaks
from callproof.turns import Turn, asked_sessions, split_sessions

from ..rows.hub_data import read_records
from .runs import EvaluatedRun, turn_digest
from .wrong import rejected_answers


class Answered(NamedTuple):
    """A turn and the answers to it, of which there is at least one."""

    turn: Turn
    outcomes: list[Outcome]

    @property
    def failed_share(self) -> float:
        return sum(outcome.outcome != "ok" for outcome in self.outcomes) / len(self.outcomes)


@dataclass
class AnsweredSession:
    """A session, and its turns by the number of the message that was asked for."""

    session: Session
    turns: dict[int, Answered] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return sum(turn.failed_share > 0 for turn in self.turns.values())

    def with_rejected(self) -> Session:
        """The session with the wrong answers beside the recorded ones; turns that are not asked for are context."""
        return self._changed(
            lambda message, turn: {"rejected": rejected_answers(turn.outcomes, message)} if turn else {"train": False}
        )

    def weighted(self, weight: float) -> Session:
        """The session, in which the loss of a message counts `weight` times where every answer to its turn was wrong.

        Where some were right, it counts between once and that, by their share.
        """
        return self._changed(
            lambda _, turn: {"loss_scale": 1 + (weight - 1) * turn.failed_share} if turn and turn.failed_share else {}
        )

    def _changed(self, change: Callable[[Message, Answered | None], dict[str, object]]) -> Session:
        messages = tuple(
            message.model_copy(update=change(message, self.turns.get(number)))
            if message.role == "assistant" and message.train
            else message
            for number, message in enumerate(self.session.messages)
        )
        return self.session.model_copy(update={"messages": messages})


@dataclass
class Gathered:
    """The sessions of runs.

    `changed`: turns that are no longer what the run asked; `kept_out`: ids of the sessions that are held out.
    """

    sessions: list[AnsweredSession]
    changed: int = 0
    kept_out: list[str] = field(default_factory=list)


def gather(runs: Iterable[EvaluatedRun], config: RunConfig, where: object) -> Gathered:
    """The answered sessions of runs, without those that `config` holds out.

    Args:
        where: the file of `config`, for errors.

    Raises:
        UserError: unreadable runs or sessions, two sessions of one id, or all sessions are held out.
    """
    known: dict[str, AnsweredSession] = {}
    changed = 0
    for run in runs:
        for answered, differing in _answered(run):
            changed += differing
            _take(known, answered, run)
    if changed and not known:
        raise UserError(where, f"all {changed} turns ask or expect something else than the runs did", "evaluate again")
    sessions = list(known.values())
    held = held_out_numbers([each.session for each in sessions], config)
    if sessions and len(held) == len(sessions):
        problem = f"all {len(sessions)} sessions of the runs are held out as its eval sessions, or nearly alike"
        mend = "evaluate on other sessions, which no training has seen, such as data.eval=sessions/dev.jsonl"
        raise UserError(where, problem, mend)
    kept = [each for number, each in enumerate(sessions) if number not in held]
    return Gathered(kept, changed, [sessions[number].session.session_id for number in sorted(held)])


def _answered(run: EvaluatedRun) -> Iterator[tuple[AnsweredSession, int]]:
    """Each session with answers, and how many of its turns have changed since they were asked."""
    digests, answers = run.digests(), run.answers()
    for asked in asked_sessions(run.config, read_records, "eval", run.config.eval.max_sessions):
        there = [turn for turn in asked.turns if turn.turn_id in digests]
        same = [turn for turn in there if digests[turn.turn_id] == turn_digest(turn)]
        turns = {turn.position: Answered(turn, answers[turn.turn_id]) for turn in same if turn.turn_id in answers}
        if turns or len(same) < len(there):
            yield AnsweredSession(asked.session, turns), len(there) - len(same)


def _take(known: dict[str, AnsweredSession], answered: AnsweredSession, run: EvaluatedRun) -> None:
    if not answered.turns:
        return
    mine = known.setdefault(answered.session.session_id, AnsweredSession(answered.session))
    if mine.session != answered.session:
        problem = f"its session {mine.session.session_id!r} is not that of another run"
        raise UserError(run.path, problem, "harvest the runs one by one")
    for number, turn in answered.turns.items():
        before = mine.turns[number].outcomes if number in mine.turns else []
        mine.turns[number] = Answered(turn.turn, [*before, *turn.outcomes])


def held_out_numbers(sessions: list[Session], config: RunConfig) -> set[int]:
    """The numbers of the sessions that are eval sessions of a configuration, by what they say.

    That is: nearly alike (`callproof.sessions.likeness`), one contained in the other, or of one conversation.
    """
    mine, told = _outlined(sessions)
    theirs, held = _outlined(session for _, session in split_sessions(config, "eval", read_records))
    alike = {pair.number for pair in leaks(mine, theirs)}
    return alike | {pair.other for pair in contained_in(theirs, mine)} | set(told.shared_with(held))


def _outlined(sessions: Iterable[Session]) -> tuple[Corpus, Told]:
    """What sessions say, in any order, and the conversations that they tell."""
    corpus, told = Corpus(), Told()
    for session in sessions:
        said = session.said()
        corpus.add(said)
        told.add(Tale.of(said), session.group, session.conversation)
    return corpus, told
