"""Score saved answers without an endpoint; the turns are read by their place in the file, never all at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

from pydantic import ValidationError

from callproof.completions import Completion, NoCompletion
from callproof.errors import UserError
from callproof.outcomes import Answer, Channel, MatchProfile, catalog_of, judge
from callproof.records import explain, read_jsonl, read_lines, refuse_half_characters, replacing
from callproof.turns import Turn
from evaluate.bless import choose_model
from evaluate.gold import BAD_GOLD, BadGold, gold_problems
from evaluate.runs import Identifier, Run, RunInfo, now, outcome_line

_FORM = 'write {"turn_id": .., "text": ..} or {"turn_id": .., "response": {..}}'


@dataclass
class Scored:
    """What `score_answers` met: turn ids without an answer (of some model), answered ids that are no turn, how many
    answers of an earlier run were left out, since they were asked for over the other channel, and gold that its own
    catalog refuses, as `path:line: turn: call: problem`, in `bad_turns` turns.
    """

    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    other_channel: int = 0
    bad_gold: list[str] = field(default_factory=list)
    bad_turns: int = 0


class _Saved(NamedTuple):
    where: str
    turn_id: str
    model: str
    repeat: int
    answer: Answer


class _Judge(NamedTuple):
    """Writes outcomes; every answer is judged in one way."""

    file: IO[bytes]
    channel: Channel
    profile: MatchProfile

    def __call__(self, turn: Turn, answer: Answer, model: str, repeat: int = 0) -> None:
        outcome = judge(turn, answer, model, catalog_of(turn), self.channel, repeat, self.profile)
        self.file.write(outcome_line(outcome))


class TurnIndex:
    """The turns of a file by id, read when asked for; a context manager.

    Args:
        bad_gold: what to do about turns whose gold their own catalog refuses; they are listed in `scored`. `dropped`
            holds the ids of those that are left out.

    Raises:
        UserError: unreadable file, malformed line, an id that occurred before, or gold that is refused (`path:line`).
    """

    def __init__(self, path: Path, channel: Channel, profile: MatchProfile, bad_gold: BadGold, scored: Scored) -> None:
        identifier = Identifier()
        self._offsets: dict[str, int] = {}
        self.dropped: set[str] = set()
        self.sessions: set[str] = set()
        for line, offset, turn in _located_turns(path):
            if turn.turn_id in self._offsets or turn.turn_id in self.dropped:
                raise UserError(f"{path}:{line}", f"turn_id {turn.turn_id!r} occurs twice", "rename one")
            if _lint(turn, f"{path}:{line}", bad_gold, scored) and bad_gold == "drop":
                self.dropped.add(turn.turn_id)
                continue
            self._offsets[turn.turn_id] = offset
            self.sessions.add(turn.session_id)
            identifier.add(turn)
        if not self._offsets:
            left = f"holds no turns but {len(self.dropped)} with bad gold" if self.dropped else "holds no turns"
            raise UserError(path, left, "give a turns.jsonl")
        self.identity = identifier.identity({}, channel).model_copy(update={"match": profile})
        self._file = path.open("rb")

    def __enter__(self) -> "TurnIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, turn_id: str) -> bool:
        return turn_id in self._offsets

    def __iter__(self) -> Iterator[str]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, turn_id: str) -> Turn:
        return Turn.model_validate_json(self._line(turn_id))

    def _line(self, turn_id: str) -> bytes:
        self._file.seek(self._offsets[turn_id])
        return self._file.readline()

    def copy(self, target: Path) -> None:
        """Write the turns to another file, as they stand in this one."""
        with replacing(target) as file:
            for turn_id in self:
                line = self._line(turn_id)
                file.write(line if line.endswith(b"\n") else line + b"\n")


def _lint(turn: Turn, where: str, bad_gold: BadGold, scored: Scored) -> bool:
    """Whether the turn's own catalog refuses its gold; that is noted, or raised as a UserError."""
    problems = gold_problems(turn)
    if problems and bad_gold == "refuse" and BAD_GOLD not in turn.tags:
        problem = f"gold of turn {turn.turn_id!r} breaks its own schema: {problems[0]}"
        raise UserError(where, problem, "correct it, or give --drop-bad-gold or --keep-bad-gold")
    scored.bad_gold += [f"{where}: {turn.turn_id}: {problem}" for problem in problems]
    scored.bad_turns += bool(problems)
    return bool(problems)


def _located_turns(path: Path) -> Iterator[tuple[int, int, Turn]]:
    """(line number, place in the file, turn) of each line that is not blank."""
    offset = 0
    for number, line in read_lines(path):
        if line.strip():
            try:
                yield number, offset, Turn.model_validate_json(line)
            except ValidationError as error:
                raise UserError(f"{path}:{number}", explain(error), "see callproof/turns.py for the form") from None
        offset += len(line)


def score_answers(
    run: Run,
    turns_path: Path,
    answers_path: Path,
    *,
    model: str,
    channel: Channel,
    profile: MatchProfile = "strict",
    baseline: str | None = None,
    bad_gold: BadGold = "refuse",
) -> Scored:
    """Judge every answer into `run`, which is written whole; a turn without an answer becomes an `infra_error`.

    Args:
        model: the name for answers that carry none.
        profile: how calls are compared with gold; see `callproof.outcomes`.
        baseline: the model that others will be compared with, if it is named.
        bad_gold: what to do about turns whose gold their own catalog refuses; "refuse" keeps those that an importer has
            tagged.

    Raises:
        UserError: a malformed line, bad gold, a turn answered twice by one model (`path:line`), no answer to any turn,
            or none of the baseline's. Nothing is written then.
    """
    if run.exists and run.info().endpoints:
        raise UserError(run.path, "holds a replayed run", "choose another --out")
    started, scored = now(), Scored()
    in_place = turns_path.resolve() == run.turns_path.resolve()
    with TurnIndex(turns_path, channel, profile, bad_gold, scored) as turns, replacing(run.outcomes_path) as file:
        if in_place and turns.dropped:
            raise UserError(turns_path, "would lose the turns that are dropped", "choose another --out")
        judged = _Judge(file, channel, profile)
        answered = _judge_saved(_answers(answers_path, model, scored, channel), turns, judged, scored)
        if not answered:
            raise UserError(answers_path, f"answers no turn of {turns_path}", "check that both belong together")
        info = _info(run, turns, tuple(answered), started, scored.bad_turns)
        if baseline:
            choose_model(info, baseline, "--baseline-model")
        _judge_missing(answered, turns, judged, scored)
        if not in_place:
            turns.copy(run.turns_path)
    run.write_info(info.model_copy(update={"finished": now()}))
    return scored


def _info(run: Run, turns: TurnIndex, models: tuple[str, ...], started: str, bad_turns: int) -> RunInfo:
    name = run.path.resolve().name
    fate = "is left out" if turns.dropped else "counts"
    warnings = (f"the gold of {bad_turns} turns breaks its own schema, and {fate}",) if bad_turns else ()
    return RunInfo(
        run_id=name,
        name=name,
        models=models,
        identity=turns.identity,
        turns=len(turns),
        sessions=len(turns.sessions),
        warnings=warnings,
        started=started,
    )


def _judge_saved(
    saved: Iterator[_Saved], turns: TurnIndex, judged: _Judge, scored: Scored
) -> dict[str, set[tuple[str, int]]]:
    """Judge each answer to a known turn; returns the (turn id, repeat) that each model has answered."""
    answered: dict[str, set[tuple[str, int]]] = {}
    for where, turn_id, model, repeat, answer in saved:
        if turn_id not in turns:
            if turn_id not in turns.dropped:
                scored.unknown.append(turn_id)
            continue
        if model not in answered:
            refuse_half_characters({"model": model}, where)
        keys = answered.setdefault(model, set())
        if (turn_id, repeat) in keys:
            raise UserError(where, f"turn {turn_id!r} was answered before", "keep one answer a turn and model")
        keys.add((turn_id, repeat))
        judged(turns[turn_id], answer, model, repeat)
    return answered


def _judge_missing(
    answered: Mapping[str, set[tuple[str, int]]], turns: TurnIndex, judged: _Judge, scored: Scored
) -> None:
    """Each turn that a model has not answered is an infra error of its own."""
    for model, keys in answered.items():
        found = {turn_id for turn_id, _ in keys}
        for turn_id in turns:
            if turn_id not in found:
                scored.missing.append(turn_id)
                judged(turns[turn_id], Answer(error="no answer was given"), model)


def _answers(path: Path, model: str, scored: Scored, channel: Channel) -> Iterator[_Saved]:
    for number, value in read_jsonl(path):
        where, turn_id = f"{path}:{number}", value.get("turn_id")
        if not isinstance(turn_id, str):
            raise UserError(where, "expected a `turn_id`", _FORM)
        if value.get("channel", channel) != channel:
            scored.other_channel += 1
            continue
        name, repeat = value.get("model", model), value.get("repeat", 0)
        if not isinstance(name, str) or not name or type(repeat) is not int or repeat < 0:
            raise UserError(where, "expected `model` as text and `repeat` as a number from 0", _FORM)
        yield _Saved(where, turn_id, name, repeat, _answer(value, where))


def _answer(value: dict[str, Any], where: str) -> Answer:
    try:
        if isinstance(value.get("answer"), dict):
            return Answer.model_validate(value["answer"])
        if "response" in value or "choices" in value:
            return Answer.of(Completion.of_value(value.get("response", value)))
        fields = {key: value[key] for key in ("text", "finish_reason", "error") if key in value}
        if not fields.keys() & {"text", "error"}:
            raise UserError(where, "expected `text`, `response`, `answer` or `error`", _FORM)
        return Answer.model_validate({"text": ""} | fields if "error" in fields else fields)
    except ValidationError as error:
        raise UserError(where, explain(error), _FORM) from None
    except NoCompletion as error:
        raise UserError(where, f"`response` is no chat completion: {error}", _FORM) from None
