"""Which turns of a run to look at, by the filters that its report has, and the answers that it holds of them."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from callproof.errors import UserError
from callproof.scoring import Channel, Countable, Outcome, OutcomeLabel
from callproof.turns import Turn

from ..report import series
from ..runs import Run, RunInfo, read_as

ANY, NOT_OK, NO_CALL = "any", "not-ok", "no-call"


@dataclass(frozen=True)
class Filter:
    """Which turns to show; what is None admits all.

    Attributes:
        column: a model, marked `(served)` in a run with both channels; the others' answers are not shown.
        outcome: a label, NOT_OK or ANY; of several models, some must have it.
        tool: some right answer calls it; NO_CALL: some right answer calls nothing.
        text: in the conversation, the gold or an answer, in any case.
        differ: some model is right and another is not.
    """

    column: str | None = None
    outcome: str = NOT_OK
    tool: str | None = None
    tag: str | None = None
    text: str | None = None
    differ: bool = False

    def fits_outcomes(self, outcomes: Collection[OutcomeLabel]) -> bool:
        """Whether the outcomes of the models that are looked at fit."""
        if self.outcome == ANY:
            return bool(outcomes)
        return any(outcome != "ok" if self.outcome == NOT_OK else outcome == self.outcome for outcome in outcomes)

    def fits_turn(self, turn: Turn) -> bool:
        if self.tag is not None and self.tag not in turn.tags:
            return False
        if self.tool == NO_CALL:
            return not turn.expects_call
        return self.tool is None or any(call.name == self.tool for answer in turn.answers for call in answer)


@dataclass(frozen=True)
class Answered:
    """A turn with what was answered to it, by column; of repeated answers the first that is not `ok`."""

    turn: Turn
    answers: dict[str, Outcome] = field(default_factory=dict)


def turns_of(run: Run, info: RunInfo, wanted: Filter) -> list[Answered]:
    """The turns of a run that fit, in the order of its turns.

    Raises:
        UserError: the run has no such column or no turns.jsonl, or a line is malformed.
    """
    columns = _columns(info, wanted.column)
    ids = {turn for turn, outcomes in _outcomes(run, series(info)).items() if _fits(wanted, outcomes, columns.values())}
    turns = [turn for turn in _asked(run) if turn.turn_id in ids and wanted.fits_turn(turn)]
    answered = _answered(run, turns, columns)
    return [each for each in answered if wanted.text is None or wanted.text.lower() in _words(each)]


def turn_of(run: Run, info: RunInfo, turn_id: str, column: str | None) -> Answered:
    """One turn by its id; raises a UserError where the run has none such, with the nearest ones."""
    turns = [turn for turn in _asked(run) if turn.turn_id == turn_id]
    if not turns:
        near = get_close_matches(turn_id, [turn.turn_id for turn in run.turns()], n=3)
        mend = f"did you mean {' or '.join(near)}?" if near else "leave it out to see those that failed"
        raise UserError(f"{run.path}: {turn_id}", "is no turn of this run", mend)
    return _answered(run, turns, _columns(info, column))[0]


def _columns(info: RunInfo, wanted: str | None) -> dict[tuple[str, Channel], str]:
    columns = series(info)
    if wanted is None:
        return columns
    chosen = {key: name for key, name in columns.items() if name == wanted}
    if not chosen:
        choices = ", ".join(columns.values())
        raise UserError(f"--model {wanted}", f"is not in run {info.run_id}", f"choose one of: {choices}")
    return chosen


def _asked(run: Run) -> Iterator[Turn]:
    if not run.turns_path.is_file():
        mend = "show the run that it was copied from, or bless that anew"
        raise UserError(run.path, "holds no turns.jsonl", mend)
    return run.turns()


def _outcomes(run: Run, columns: Mapping[tuple[str, Channel], str]) -> dict[str, dict[str, OutcomeLabel]]:
    """turn id -> column -> what became of it."""
    outcomes: dict[str, dict[str, OutcomeLabel]] = defaultdict(dict)
    for countable, _ in read_as(run.outcomes_path, Countable) if run.outcomes_path.exists() else ():
        column = columns.get((countable.model, countable.channel))
        if column is not None and outcomes[countable.turn_id].get(column, "ok") == "ok":
            outcomes[countable.turn_id][column] = countable.outcome
    return outcomes


def _fits(wanted: Filter, outcomes: Mapping[str, OutcomeLabel], columns: Collection[str]) -> bool:
    right = {outcome == "ok" for outcome in outcomes.values()}
    looked_at: list[OutcomeLabel] = [outcome for column, outcome in outcomes.items() if column in columns]
    return wanted.fits_outcomes(looked_at) and (not wanted.differ or len(right) == 2)


def _answered(run: Run, turns: list[Turn], columns: Mapping[tuple[str, Channel], str]) -> list[Answered]:
    by_id = {turn.turn_id: Answered(turn) for turn in turns}
    for countable, line in read_as(run.outcomes_path, Countable) if run.outcomes_path.exists() else ():
        column = columns.get((countable.model, countable.channel))
        if column is not None and countable.turn_id in by_id:
            answers = by_id[countable.turn_id].answers
            if column not in answers or answers[column].outcome == "ok":
                answers[column] = line.read(Outcome)
    return list(by_id.values())


def _words(answered: Answered) -> str:
    """Everything in which a text is looked for, in small letters: the same as in the report."""
    turn = answered.turn
    asked = [message.get("content") for message in turn.messages if message.get("role") != "system"]
    gold = [[call.model_dump(mode="json", exclude_defaults=True) for call in answer] for answer in turn.answers]
    told = [text for each in answered.answers.values() for text in (each.answer.text, *each.reasons)]
    parts = [turn.turn_id, *asked, gold, *told]
    return "\n".join(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts).lower()
