"""One side of a comparison: the outcomes of one model in one run, read as a stream; see `evaluate.gate`."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from callproof.config import GateConfig
from callproof.errors import UserError
from callproof.records import Record
from callproof.scoring import Channel, Countable, Tally, TallyCounter

from ..runs import Run, RunInfo, read_as


class Judged(NamedTuple):
    """What became of a turn, in the order in which turns are listed; of repeats, the first that is not `ok`."""

    session_id: str
    position: int
    turn_id: str
    outcome: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """The numbers of every turn, and what became of it by turn id."""

    path: str
    info: RunInfo
    model: str
    tally: Tally
    judged: dict[str, Judged]

    def name(self) -> dict[str, str]:
        return {"run": self.path, "run_id": self.info.run_id, "model": self.model}

    def faults(self, config: GateConfig) -> Iterator[str]:
        """Why nothing can be concluded from these outcomes."""
        answers, whole = sum(self.tally.labels.values()), self.info.answers
        if not answers:
            yield "holds no outcomes"
        elif lost := self.info.lost(answers):
            yield f"is {self.info.state or 'unfinished'} ({lost}; finish it with --resume)"
        elif answers > whole or len(self.judged) != self.info.turns:
            yield f"holds {answers} answers to {len(self.judged)} turns, where {whole} to {self.info.turns} were asked"
        elif (sessions := len({judged.session_id for judged in self.judged.values()})) != self.info.sessions:
            yield f"holds answers of {sessions} sessions, where {self.info.sessions} were asked"
        unanswered = self.tally.labels.get("infra_error", 0)
        if unanswered > config.max_infra_error_rate * answers:
            limit = f"{config.max_infra_error_rate:.1%}"
            yield f"{unanswered} of {answers} answers never came, above {limit} (--resume asks again)"


def read_side(run: Run, info: RunInfo, model: str, channel: Channel, only: Container[str] | None = None) -> Side:
    """The outcomes of `model` in `channel` of a run.

    Args:
        only: the ids of the turns that count; default: all.

    Raises:
        UserError: a malformed line (`path:line`).
    """
    counter, judged = TallyCounter(), {}
    if run.outcomes_path.exists():
        for countable, _ in read_as(run.outcomes_path, Countable):
            wanted = only is None or countable.turn_id in only
            if wanted and (countable.model, countable.channel) == (model, channel):
                counter.add(countable)
                _keep(judged, countable)
    return Side(str(run.path), info, model, counter.tally(), judged)


def _keep(judged: dict[str, Judged], outcome: Countable) -> None:
    if outcome.turn_id not in judged or judged[outcome.turn_id].outcome == "ok":
        place = outcome.session_id, outcome.position, outcome.turn_id
        judged[outcome.turn_id] = Judged(*place, outcome.outcome, outcome.reasons)


def channel_of(info: RunInfo, wanted: Channel | None) -> Channel:
    """The channel that is compared: of a run with both, the raw one by default.

    Raises:
        UserError: the run has not the wanted one.
    """
    channel = info.identity.channel
    if wanted not in (None, channel) and channel != "both":
        raise UserError(f"--channel {wanted}", f"is not in run {info.run_id}", f"leave it out: the run has {channel}")
    return wanted or info.identity.main_channel


class Flip(Record):
    """A turn that one side answered right and the other did not."""

    turn_id: str
    baseline: str
    candidate: str
    reasons: tuple[str, ...]


def flips(baseline: Side, candidate: Side) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """(right to wrong, wrong to right), in the order of the turns."""
    broken, mended = [], []
    for after in sorted(candidate.judged.values()):
        before = baseline.judged[after.turn_id]
        was_right, is_right = before.outcome == "ok", after.outcome == "ok"
        if was_right != is_right:
            reasons = (after if was_right else before).reasons
            flip = Flip(turn_id=after.turn_id, baseline=before.outcome, candidate=after.outcome, reasons=reasons)
            (broken if was_right else mended).append(flip)
    return tuple(broken), tuple(mended)
