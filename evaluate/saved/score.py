"""Scores saved answers without an endpoint: streams the turns and judges the answers to each."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from callproof.catalog import Catalog
from callproof.console import Steps
from callproof.console.workers import Allowance, in_order
from callproof.errors import UserError
from callproof.records import explain, read_lines, replacing
from callproof.scoring import Answer, Channel, MatchProfile, Outcome, judge, relieved
from callproof.scoring.bfcl import BfclReading
from callproof.turns import Turn, catalog_of

from ..runs import Identifier, Identity, Run, RunInfo, check_format, choose_model, now, outcome_line, text_format
from .answers import SavedAnswer, SavedAnswers
from .formats import detected_format
from .gold import BAD_GOLD, BadGold, lint_gold
from .readings import bfcl_readings
from .verdicts import Verdicts

BUDGET_S = 10.0
"""Seconds of processor time for one answer."""
_BYTES_AT_ONCE = 2**21
_Form = TypeVar("_Form", bound=BaseModel)


@dataclass
class Scored:
    """What `score_answers` noticed.

    `formats`: by model, which of BFCL's handlers reads its answers, with the profile `bfcl`; `format_lines` say which
    format or handlers are taken, and why. `unreadable`: what is wrong with lines of the
    answers that hold none, which are infra errors; `readable`: how many others belong to turns. `missing`: ids of turns
    that some model has not answered. `unknown`: ids in the answers that are no turn. `other_channel`: answers left out
    because they belong to the other channel. `bad_gold`: gold calls that their own catalog refuses or cannot judge, as
    `path:line: turn: call: problem`; refused in `bad_turns` turns. `verdicts`: by model, how often that of the tool
    which made the run is ours, where the answers bring one.
    """

    unreadable: list[UserError] = field(default_factory=list)
    readable: int = 0
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    other_channel: int = 0
    bad_gold: list[str] = field(default_factory=list)
    bad_turns: int = 0
    formats: dict[str, str] = field(default_factory=dict)
    format_lines: list[str] = field(default_factory=list)
    verdicts: dict[str, Verdicts] = field(default_factory=dict)


class _AnsweredTurn(NamedTuple):
    """A line of the turns file, and the answers to it."""

    where: str
    line: bytes
    answers: list[SavedAnswer]

    @property
    def size(self) -> int:
        return len(self.line) + sum(len(saved.line) for saved in self.answers)


class _Judged(NamedTuple):
    """The result for a batch of turns: whether each is kept, and what the kept ones add to the run."""

    kept: list[bool]
    outcomes: list[bytes]
    sessions: set[str]
    identifier: Identifier
    scored: Scored


class _Judge(NamedTuple):
    """Judges batches of answered turns; a turn that a model has not answered is an `infra_error` of that model."""

    models: tuple[str, ...]
    channel: Channel
    profile: MatchProfile
    format: str
    bad_gold: BadGold
    readings: dict[str, BfclReading | None]

    def __call__(self, answered_turns: list[_AnsweredTurn], allowance: Allowance) -> _Judged:
        judged = _Judged([], [], set(), Identifier(), Scored())
        overruns = map(allowance.begin, count())
        for where, line, answers in answered_turns:
            turn = _read(Turn, line, where)
            catalog = catalog_of(turn)
            bad = _lint(turn, catalog, next(overruns), where, self.bad_gold, judged.scored)
            judged.kept.append(not bad or self.bad_gold != "drop")
            if judged.kept[-1]:
                judged.sessions.add(turn.session_id)
                judged.identifier.add(turn)
                judged.outcomes.extend(self._outcomes(turn, catalog, answers, overruns, judged.scored))
        return judged

    def _outcomes(
        self, turn: Turn, catalog: Catalog, answers: list[SavedAnswer], overruns: Iterator[int], scored: Scored
    ) -> Iterator[bytes]:
        for saved in answers:
            judgeable = relieved(_read_answer(saved, scored), catalog, next(overruns))
            outcome = self._outcome(turn, *judgeable, saved.model, saved.repeat)
            if saved.verdict is not None:
                scored.verdicts.setdefault(saved.model, Verdicts()).add(turn.turn_id, saved.verdict, outcome)
            yield outcome_line(outcome)
        answered = {saved.model for saved in answers}
        for model in self.models:
            if model not in answered:
                scored.missing.append(turn.turn_id)
                yield outcome_line(self._outcome(turn, Answer(error="no answer was given"), catalog, model))

    def _outcome(self, turn: Turn, answer: Answer, catalog: Catalog, model: str, repeat: int = 0) -> Outcome:
        reading = self.readings.get(model)
        where = self.channel, repeat, self.profile, self.format
        return judge(turn, answer, model, catalog, *where, reading=reading)


def _read_answer(saved: SavedAnswer, scored: Scored) -> Answer:
    try:
        answer = saved.read()
    except UserError as error:
        scored.unreadable.append(error)
        return Answer(error=str(error))
    scored.readable += 1
    return answer


def _read(form: type[_Form], line: bytes, where: str) -> _Form:
    try:
        return form.model_validate_json(line)
    except ValidationError as error:
        raise UserError(where, explain(error), "see callproof/turns/turns.py for the form") from None


def _lint(turn: Turn, catalog: Catalog, overruns: int, where: str, bad_gold: BadGold, scored: Scored) -> bool:
    """Whether the turn's own catalog refuses its gold; adds the problems to `scored`, or raises a UserError.

    Gold that a process has died of is not checked, which is said as of any that cannot be judged.
    """
    problems, unjudged = lint_gold(turn, catalog)[:2] if not overruns else ([], ["not checked: judging takes too long"])
    if problems and bad_gold == "refuse" and BAD_GOLD not in turn.tags:
        problem = f"gold of turn {turn.turn_id!r} breaks its own schema: {problems[0]}"
        raise UserError(where, problem, "correct it, or give --drop-bad-gold or --keep-bad-gold")
    scored.bad_gold += [f"{where}: {turn.turn_id}: {line}" for line in (*problems, *unjudged)]
    scored.bad_turns += bool(problems)
    return bool(problems)


class _Named(BaseModel):
    turn_id: str


def _answered_turns(path: Path, answers: SavedAnswers) -> Iterator[list[_AnsweredTurn]]:
    """The turns of a file with their answers, in batches of about _BYTES_AT_ONCE."""
    seen: set[str] = set()
    batch: list[_AnsweredTurn] = []
    size = 0
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        turn_id = _read(_Named, line, where).turn_id
        if turn_id in seen:
            raise UserError(where, f"turn_id {turn_id!r} occurs twice", "rename one")
        seen.add(turn_id)
        batch.append(_AnsweredTurn(where, line, answers.take(turn_id)))
        size += batch[-1].size
        if size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Writer:
    """Takes judged batches in order, writes their outcomes and turns, and adds up the rest."""

    def __init__(self, outcomes: IO[bytes], turns: IO[bytes] | None, scored: Scored) -> None:
        self.turns, self.dropped = 0, 0
        self.sessions: set[str] = set()
        self.identifier, self.scored = Identifier(), scored
        self._outcomes_file, self._turns_file = outcomes, turns

    def add(self, answered_turns: list[_AnsweredTurn], judged: _Judged) -> None:
        self.turns += sum(judged.kept)
        self.dropped += len(judged.kept) - sum(judged.kept)
        self.sessions |= judged.sessions
        self.identifier.merge(judged.identifier)
        self.scored.missing += judged.scored.missing
        self.scored.unreadable += judged.scored.unreadable
        self.scored.readable += judged.scored.readable
        self.scored.bad_gold += judged.scored.bad_gold
        self.scored.bad_turns += judged.scored.bad_turns
        for model, verdicts in judged.scored.verdicts.items():
            self.scored.verdicts.setdefault(model, Verdicts()).merge(verdicts)
        self._outcomes_file.writelines(judged.outcomes)
        if self._turns_file:
            lines = (turn.line for turn, kept in zip(answered_turns, judged.kept, strict=True) if kept)
            self._turns_file.writelines(line if line.endswith(b"\n") else line + b"\n" for line in lines)


def _share(done: int, size: int | None) -> str:
    return f"{done / size:.0%}" if size else f"{done >> 20} MiB"


def score_answers(
    run: Run,
    turns_path: Path,
    answers_path: Path,
    *,
    model: str,
    channel: Channel,
    profile: MatchProfile = "strict",
    format: str = "auto",
    baseline: str | None = None,
    bad_gold: BadGold = "refuse",
) -> Scored:
    """Judge every answer and write the whole `run`; a turn without an answer becomes an `infra_error`.

    Args:
        model: the model of answers that name none.
        profile: how calls are compared with gold; see `callproof.scoring.outcomes`.
        format: a name of `callproof.calls.formats.FORMATS`, or with the profile `bfcl` of its handlers; `auto`: what
            reads most answers.
        baseline: the model that the others will be compared with; None: the first.
        bad_gold: what to do about turns whose gold their own catalog refuses; "refuse" keeps those that an importer has
            tagged.

    Raises:
        UserError: a malformed turn, an id that occurred before, bad gold, a turn answered twice by one model
            (`path:line`), no answer to any turn, or none that can be read, none of the baseline's, or an unknown
            format. Nothing is written then.
    """
    if run.exists and run.info().endpoints:
        raise UserError(run.path, "holds a replayed run", "choose another --out")
    if format != "auto" and channel == "raw" and profile != "bfcl":
        check_format(format, f"--format {format}")
    started, scored = now(), Scored()
    in_place = turns_path.resolve() == run.turns_path.resolve()
    with ExitStack() as files:
        answers = files.enter_context(SavedAnswers(answers_path, model, channel))
        outcomes = files.enter_context(replacing(run.outcomes_path))
        writer = _Writer(outcomes, None if in_place else files.enter_context(replacing(run.turns_path)), scored)
        format, readings = _readings(turns_path, answers, format, channel, profile, scored)
        judge_all = _Judge(answers.models, channel, profile, text_format(format), bad_gold, readings)
        size = turns_path.stat().st_size if turns_path.is_file() else None
        bar = files.enter_context(Steps(f"scoring {turns_path.name}", size, _share))
        for answered_turns, judged in in_order(judge_all, _answered_turns(turns_path, answers), BUDGET_S):
            writer.add(answered_turns, judged)
            bar.advance(sum(len(turn.line) for turn in answered_turns))
        scored.unknown, scored.other_channel = answers.left(), answers.other_channel
        scored.unreadable = [*answers.unreadable, *scored.unreadable]
        if scored.unreadable and not scored.readable:
            raise scored.unreadable[0]
        _check(writer, turns_path, in_place)
        _check_models(answers, answers_path, turns_path)
        identity = writer.identifier.identity({}, channel, format, profile)
        info = _info(run, writer, identity, answers.models, started)
        if baseline:
            choose_model(info, baseline, "--baseline-model")
    run.write_info(info.model_copy(update={"finished": now()}))
    return scored


def _readings(
    turns_path: Path, answers: SavedAnswers, format: str, channel: Channel, profile: MatchProfile, scored: Scored
) -> tuple[str, dict[str, BfclReading | None]]:
    """The format to score, and with the profile `bfcl` how the answers of each model are read; `scored` says why."""
    if channel == "served":
        return "hermes" if format == "auto" else format, {}
    if profile == "bfcl":
        choices = bfcl_readings(turns_path, answers, format)
        scored.formats = {name: choice.name for name, choice in choices.items()}
        scored.format_lines = [choice.says for choice in choices.values()]
        names = ", ".join(sorted(set(scored.formats.values())))
        return names, {name: choice.reading for name, choice in choices.items()}
    if format == "auto":
        format, line = detected_format(turns_path, answers)
        scored.format_lines = [line]
    return format, {}


def _check(writer: _Writer, turns_path: Path, in_place: bool) -> None:
    """Raise a UserError if no turn is left, or if the run's own turns file would lose turns."""
    if not writer.turns:
        left = f"holds no turns but {writer.dropped} with bad gold" if writer.dropped else "holds no turns"
        raise UserError(turns_path, left, "give a turns.jsonl")
    if writer.dropped and in_place:
        raise UserError(turns_path, "would lose the turns that are dropped", "choose another --out")


def _check_models(answers: SavedAnswers, answers_path: Path, turns_path: Path) -> None:
    """Raise a UserError if some model has answered none of the turns."""
    if not answers.met:
        raise UserError(answers_path, f"answers no turn of {turns_path}", "check that both belong together")
    for name in answers.models:
        if name not in answers.met:
            problem = f"{name!r} answers no turn of {turns_path}"
            raise UserError(answers_path, problem, "leave its answers out, or give the turns that they are of")


def _info(run: Run, writer: _Writer, identity: Identity, models: tuple[str, ...], started: str) -> RunInfo:
    name, bad_turns = run.path.resolve().name, writer.scored.bad_turns
    fate = "is left out" if writer.dropped else "counts"
    warnings = (f"the gold of {bad_turns} turns breaks its own schema, and {fate}",) if bad_turns else ()
    return RunInfo(
        run_id=name,
        name=name,
        models=models,
        identity=identity,
        turns=writer.turns,
        sessions=len(writer.sessions),
        formats=writer.scored.formats,
        verdicts={model: verdicts.says() for model, verdicts in writer.scored.verdicts.items()},
        warnings=warnings,
        started=started,
    )
