"""Score saved answers without an endpoint; the turns are read by their place in the file, never all at once."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from callproof.completions import Completion, NoCompletion
from callproof.errors import UserError
from callproof.outcomes import Answer, Outcome, catalog_of, judge
from callproof.records import explain, read_jsonl
from callproof.turns import Turn
from evaluate.runs import Identifier, OutcomeLog, Run, RunInfo, now

Channel = Literal["raw", "served"]
_FORM = 'write {"turn_id": .., "text": ..} or {"turn_id": .., "response": {..}}'


@dataclass
class Scored:
    """What `score_answers` met: turn ids without an answer (of some model), and answered ids that are no turn."""

    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class TurnIndex:
    """The turns of a file by id, read when asked for; a context manager.

    Raises:
        UserError: unreadable file, malformed line, or an id that occurred before (`path:line`).
    """

    def __init__(self, path: Path, channel: Channel) -> None:
        identifier = Identifier()
        self._offsets: dict[str, int] = {}
        self.sessions: set[str] = set()
        for line, offset, turn in _located_turns(path):
            if turn.turn_id in self._offsets:
                raise UserError(f"{path}:{line}", f"turn_id {turn.turn_id!r} occurs twice", "rename one")
            self._offsets[turn.turn_id] = offset
            self.sessions.add(turn.session_id)
            identifier.add(turn)
        if not self._offsets:
            raise UserError(path, "holds no turns", "give a turns.jsonl")
        self.identity = identifier.identity({}, channel)
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
        self._file.seek(self._offsets[turn_id])
        return Turn.model_validate_json(self._file.readline())


def _located_turns(path: Path) -> Iterator[tuple[int, int, Turn]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(path, f"cannot be read ({error.strerror})", "check the path") from None
    offset = 0
    with file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield number, offset, Turn.model_validate_json(line)
                except ValidationError as error:
                    mend = "see callproof/turns.py for the form"
                    raise UserError(f"{path}:{number}", explain(error), mend) from None
            offset += len(line)


def score_answers(run: Run, turns_path: Path, answers_path: Path, *, model: str, channel: Channel) -> Scored:
    """Judge every answer into `run`, which is written whole; a turn without an answer becomes an `infra_error`.

    Args:
        model: the name for answers that carry none.

    Raises:
        UserError: a malformed line, a turn answered twice by one model (`path:line`), or no answer to any turn.
    """
    if run.exists and run.info().endpoint:
        raise UserError(run.path, "holds a replayed run", "choose another --out")
    started, scored = now(), Scored()
    partial = run.outcomes_path.with_name("outcomes.jsonl.partial")
    partial.unlink(missing_ok=True)
    with TurnIndex(turns_path, channel) as turns, OutcomeLog(partial) as log:
        answered: dict[str, set[str]] = {}
        for where, turn_id, name, answer in _answers(answers_path, model):
            if turn_id not in turns:
                scored.unknown.append(turn_id)
                continue
            if turn_id in answered.setdefault(name, set()):
                raise UserError(where, f"turn {turn_id!r} was answered before", "keep one answer a turn and model")
            answered[name].add(turn_id)
            log.append(_judged(turns[turn_id], answer, name, channel))
        if not answered:
            raise UserError(answers_path, f"answers no turn of {turns_path}", "check that both belong together")
        _log_missing(turns, answered, log, scored, channel)
    os.replace(partial, run.outcomes_path)
    _copy_turns(turns_path, run.turns_path)
    run.write_info(
        RunInfo(
            run_id=run.path.resolve().name,
            name=run.path.resolve().name,
            models=tuple(answered),
            identity=turns.identity,
            turns=len(turns),
            sessions=len(turns.sessions),
            started=started,
            finished=now(),
        )
    )
    return scored


def _judged(turn: Turn, answer: Answer, model: str, channel: Channel) -> Outcome:
    return judge(turn, answer, model, catalog_of(turn), channel=channel)


def _log_missing(
    turns: TurnIndex, answered: dict[str, set[str]], log: OutcomeLog, scored: Scored, channel: Channel
) -> None:
    nothing = Answer(text="", error="no answer was given")
    for name, found in answered.items():
        for turn_id in turns:
            if turn_id not in found:
                scored.missing.append(turn_id)
                log.append(_judged(turns[turn_id], nothing, name, channel))


def _copy_turns(source: Path, target: Path) -> None:
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)


def _answers(path: Path, model: str) -> Iterator[tuple[str, str, str, Answer]]:
    """(path:line, turn id, model, answer) of each line."""
    for number, value in read_jsonl(path):
        where = f"{path}:{number}"
        turn_id = value.get("turn_id")
        if not isinstance(turn_id, str):
            raise UserError(where, "expected a `turn_id`", _FORM)
        name = value.get("model", model)
        yield where, turn_id, name if isinstance(name, str) else model, _answer(value, where)


def _answer(value: dict[str, Any], where: str) -> Answer:
    try:
        if isinstance(value.get("answer"), dict):
            return Answer.model_validate(value["answer"])
        if "response" in value or "choices" in value:
            return _completed(value.get("response", value))
        fields = {key: value[key] for key in ("text", "finish_reason", "error") if key in value}
        return Answer.model_validate({"text": ""} | fields if "error" in fields else fields)
    except ValidationError as error:
        raise UserError(where, explain(error), _FORM) from None
    except NoCompletion as error:
        raise UserError(where, f"`response` is no chat completion: {error}", _FORM) from None


def _completed(response: Any) -> Answer:
    found = Completion.of_body(json.dumps(response).encode())
    return Answer(text=found.text, finish_reason=found.finish_reason, usage=found.usage, tool_calls=found.tool_calls)
