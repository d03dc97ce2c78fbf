"""How much of training shows when not to call: answers to the user in text, where tools could be called."""

from callproof.records import Record
from callproof.sessions import Session
from callproof.turns import is_decision, restrains

FEW = 0.05
"""Of the decisions; below it a warning says that the model may learn to call whatever it is asked."""
_ADVICE = "a model that sees calls alone learns to call always; `train import` writes proposals to answer"


class Restraint(Record):
    """`turns`: learnt answers to the user in text, in `sessions`; of `decisions`: those, and answers that call.

    Only sessions with tools count: without any there is nothing to refrain from.
    """

    turns: int = 0
    sessions: int = 0
    decisions: int = 0

    def add(self, turns: int, decisions: int) -> "Restraint":
        """With one more session."""
        return Restraint(
            turns=self.turns + turns, sessions=self.sessions + (turns > 0), decisions=self.decisions + decisions
        )

    @property
    def doubt(self) -> str | None:
        """Why these are too few; None where they are not, or where nothing calls."""
        if self.turns >= FEW * self.decisions:
            return None
        if not self.turns:
            return f"none of {self.decisions:,} decisions answers the user in text: {_ADVICE}"
        share = f"{self.turns:,} of {self.decisions:,} decisions answer the user in text, in {self.sessions:,} sessions"
        return f"only {share} (under {100 * FEW:g} %): {_ADVICE}"


def restraint_of(session: Session) -> tuple[int, int]:
    """The answers of a session that show restraint, and its decisions; both of what is learnt."""
    learnt = [at for at, message in enumerate(session.messages) if message.role == "assistant" and message.train]
    return sum(restrains(session, at) for at in learnt), sum(is_decision(session, at) for at in learnt)
