"""Saved answers: a file of them is read once for what belongs to which turn, and each line again when it is judged."""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from callproof.calls import Completion, NoCompletion
from callproof.errors import UserError
from callproof.records import MAX_NUMBER, explain, json_object, read_lines, refuse_half_characters
from callproof.scoring import Answer, Channel

_FORM = 'write {"turn_id": .., "text": ..} or {"turn_id": .., "response": {..}}'


class SavedAnswer(NamedTuple):
    """A line of an answers file; `where` is its place as `path:line`."""

    where: str
    model: str
    repeat: int
    line: bytes

    def read(self) -> Answer:
        """The answer; raises a UserError where the line holds none."""
        return _answer(json_object(self.line, self.where), self.where)


class _Place(NamedTuple):
    number: int
    offset: int
    model: str
    repeat: int


class SavedAnswers:
    """The answers of a file, taken by turn; a context manager.

    Attributes:
        models: who answered, in the order of the file.
        met: the models whose answers were taken.
        other_channel: how many answers are left out, since they were asked for over the other channel.

    Args:
        model: the name for answers that carry none.

    Raises:
        UserError: unreadable file, a malformed line, or a turn answered twice by one model (`path:line`).
    """

    def __init__(self, path: Path, model: str, channel: Channel) -> None:
        self._path = path
        self._places: dict[str, list[_Place]] = {}
        self.other_channel = 0
        self.met: set[str] = set()
        models: dict[str, str] = {}
        offset = 0
        for number, line in read_lines(path):
            if line.strip():
                where = f"{path}:{number}"
                value = json_object(line, where)
                turn_id, name, repeat = _key(value, where, model)
                if value.get("channel", channel) != channel:
                    self.other_channel += 1
                else:
                    if name not in models:
                        refuse_half_characters({"model": name}, where)
                    place = _Place(number, offset, models.setdefault(name, name), repeat)
                    self._add(turn_id, place, where)
            offset += len(line)
        self.models = tuple(models)
        self._file = path.open("rb")

    def __enter__(self) -> "SavedAnswers":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _add(self, turn_id: str, place: _Place, where: str) -> None:
        places = self._places.setdefault(turn_id, [])
        if any(place[2:] == other[2:] for other in places):
            raise UserError(where, f"turn {turn_id!r} was answered before", "keep one answer a turn and model")
        places.append(place)

    def of(self, turn_id: str) -> list[SavedAnswer]:
        """The answers to a turn."""
        return [self._saved(place) for place in self._places.get(turn_id, [])]

    def take(self, turn_id: str) -> list[SavedAnswer]:
        """The answers to a turn, which are no longer here then."""
        answers = self.of(turn_id)
        self._places.pop(turn_id, None)
        self.met.update(saved.model for saved in answers)
        return answers

    def left(self) -> list[str]:
        """The turn of each answer that nobody took."""
        return [turn_id for turn_id, places in self._places.items() for _ in places]

    def _saved(self, place: _Place) -> SavedAnswer:
        self._file.seek(place.offset)
        return SavedAnswer(f"{self._path}:{place.number}", place.model, place.repeat, self._file.readline())


def _key(value: dict[str, Any], where: str, model: str) -> tuple[str, str, int]:
    """The turn, the model and the repeat that an answer is of."""
    turn_id, name, repeat = value.get("turn_id"), value.get("model", model), value.get("repeat", 0)
    if not isinstance(turn_id, str):
        raise UserError(where, "expected a `turn_id`", _FORM)
    if not isinstance(name, str) or not name or type(repeat) is not int or not 0 <= repeat <= MAX_NUMBER:
        raise UserError(where, "expected `model` as text and `repeat` as a number from 0", _FORM)
    return turn_id, name, repeat


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
