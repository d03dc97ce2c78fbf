"""A file of saved answers: read once to index its lines by turn, and each line again when it is judged."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from callproof.calls import Completion, NoCompletion
from callproof.errors import UserError
from callproof.records import MAX_NUMBER, explain, json_object, read_lines, refuse_half_characters
from callproof.scoring import Answer, Channel

_FORM = 'write {"turn_id": .., "text": ..} or {"turn_id": .., "response": {..}}'


class SavedAnswer(NamedTuple):
    """A line of an answers file; `where` is `path:line`, `verdict` whether the tool that asked found it right."""

    where: str
    model: str
    repeat: int
    verdict: bool | None
    line: bytes

    def read(self) -> Answer:
        """The answer; raises a UserError where the line holds none."""
        return _answer(json_object(self.line, self.where), self.where)

    def readable(self) -> Answer | None:
        """The answer; None where the line holds none."""
        try:
            return self.read()
        except UserError:
            return None


class _Place(NamedTuple):
    number: int
    offset: int
    model: str
    repeat: int
    verdict: bool | None

    def is_of(self, other: "_Place") -> bool:
        """Whether both are one model's answer of the same number."""
        return (self.model, self.repeat) == (other.model, other.repeat)


class SavedAnswers:
    """The answers in a file, looked up by turn; a context manager.

    Attributes:
        models: the models that answered, in the order of the file.
        met: the models of the answers that `take` has returned.
        other_channel: how many answers are left out because their line names the other channel.
        unreadable: what is wrong with the lines that are left out since they do not say which turn they answer.

    Args:
        model: the name for answers that carry none.

    Raises:
        UserError: unreadable file, or a turn answered twice by one model (`path:line`).
    """

    def __init__(self, path: Path, model: str, channel: Channel) -> None:
        self._path = path
        self._places: dict[str, list[_Place]] = {}
        self._models: dict[str, str] = {}
        self.other_channel = 0
        self.unreadable: list[UserError] = []
        self.met: set[str] = set()
        offset = 0
        for number, line in read_lines(path):
            if line.strip() and (key := self._key(line, f"{path}:{number}", model, channel)):
                turn_id, name, repeat, verdict = key
                self._add(turn_id, _Place(number, offset, name, repeat, verdict))
            offset += len(line)
        self.models = tuple(self._models)
        self._file = path.open("rb")

    def _key(self, line: bytes, where: str, model: str, channel: Channel) -> tuple[str, str, int, bool | None] | None:
        """The turn id, model, repeat and verdict of a line; None, and counted, if it is left out."""
        try:
            value = json_object(line, where)
            turn_id, name, repeat, verdict = _key(value, where, model)
            refuse_half_characters({"model": name}, where)
        except UserError as error:
            self.unreadable.append(error)
            return None
        if value.get("channel", channel) != channel:
            self.other_channel += 1
            return None
        return turn_id, self._models.setdefault(name, name), repeat, verdict

    def __enter__(self) -> "SavedAnswers":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _add(self, turn_id: str, place: _Place) -> None:
        places = self._places.setdefault(turn_id, [])
        if any(map(place.is_of, places)):
            where = f"{self._path}:{place.number}"
            raise UserError(where, f"turn {turn_id!r} was answered before", "keep one answer a turn and model")
        places.append(place)

    def of(self, turn_id: str) -> list[SavedAnswer]:
        """The answers to a turn."""
        return [self._saved(place) for place in self._places.get(turn_id, [])]

    def take(self, turn_id: str) -> list[SavedAnswer]:
        """Remove and return the answers to a turn."""
        answers = self.of(turn_id)
        self._places.pop(turn_id, None)
        self.met.update(saved.model for saved in answers)
        return answers

    def left(self) -> list[str]:
        """The turn id of each answer that was not taken."""
        return [turn_id for turn_id, places in self._places.items() for _ in places]

    def _saved(self, place: _Place) -> SavedAnswer:
        self._file.seek(place.offset)
        where = f"{self._path}:{place.number}"
        return SavedAnswer(where, place.model, place.repeat, place.verdict, self._file.readline())


def _key(value: dict[str, Any], where: str, model: str) -> tuple[str, str, int, bool | None]:
    """The turn id, model, repeat and verdict of an answer."""
    turn_id, name, repeat = value.get("turn_id"), value.get("model", model), value.get("repeat", 0)
    if not isinstance(turn_id, str):
        raise UserError(where, "expected a `turn_id`", _FORM)
    if not isinstance(name, str) or not name or type(repeat) is not int or not 0 <= repeat <= MAX_NUMBER:
        raise UserError(where, "expected `model` as text and `repeat` as a number from 0", _FORM)
    verdict = value.get("verdict")
    if not isinstance(verdict, bool | None):
        raise UserError(where, f"expected `verdict` as true or false, got {verdict!r}"[:200], _FORM)
    return turn_id, name, repeat, verdict


def _answer(value: dict[str, Any], where: str) -> Answer:
    try:
        if isinstance(value.get("answer"), dict):
            return Answer.model_validate(value["answer"])
        if error := value.get("error"):
            return Answer(error=error if isinstance(error, str) else json.dumps(error, ensure_ascii=False))
        return Answer.of(Completion.of_value(_completion(value, where)))
    except ValidationError as error:
        raise UserError(where, explain(error), _FORM) from None
    except NoCompletion as error:
        raise UserError(where, f"holds no answer: {error}", _FORM) from None


def _completion(value: dict[str, Any], where: str) -> Any:
    """The chat completion in a line: whole, or made of the message or the text that it holds."""
    if "response" in value or "choices" in value:
        return value.get("response", value)
    message = value.get("message", value)
    if not isinstance(message, dict) or not message.keys() & {"text", "content", "tool_calls", "function_call"}:
        raise UserError(where, "expected `text`, `response`, `message`, `answer` or `error`", _FORM)
    message = {"content": message.get("text"), **message}
    choice = {"message": message, "finish_reason": value.get("finish_reason")}
    return {"choices": [choice], "usage": value.get("usage")}
