"""What one record of another tool's run becomes: a question, what is right, and a model's answer to it."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from callproof.errors import UserError
from callproof.records import explain
from callproof.scoring import Answer
from callproof.sessions import brought_tools
from callproof.turns import GoldCall, Turn

from ..turns_file import Skipped, position_after, read_rows

Wire = dict[str, Any]

MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading raises where a value of a foreign file is of another type than the form has there."""

SEVERAL_CALLS = "take several model calls, which count together"


class Options(NamedTuple):
    """What the command line adds to the records.

    `gold`: dotted path to the expected calls in a record. `tools`: of records that bring none. `data`: the folder of
    BFCL's questions and possible answers.
    """

    gold: str | None = None
    tools: Any = None
    data: Path | None = None


class Found(NamedTuple):
    """A file whose form is known; `value`: its JSON, or of a file of `lines` the first one; None of a zip."""

    path: Path
    value: Any
    lines: bool = False

    def rows(self) -> Iterator[tuple[str, Wire]]:
        """(place, object) of each line; of a file with one value, that alone."""
        if self.lines:
            yield from read_rows(self.path)
        else:
            yield str(self.path), self.value


class Sample(NamedTuple):
    """One answer of one model, and the question that it answers.

    Attributes:
        where: `path:place` of the record.
        asked: the question, without its gold.
        rights: the right answers, the first one is the gold; None: the record does not say what is right.
        repeat: which of the model's answers to this question, from 0.
        verdict: whether the tool that made the run found the answer right; None: it does not say.
        notes: what is to be counted and said of the record.
    """

    where: str
    asked: Turn
    rights: tuple[tuple[GoldCall, ...], ...] | None
    model: str
    answer: Answer
    repeat: int = 0
    verdict: bool | None = None
    notes: tuple[str, ...] = ()

    def turn(self, rights: tuple[tuple[GoldCall, ...], ...]) -> Turn:
        """The question with what is right."""
        return self.asked.model_copy(update={"gold": rights[0], "alternatives": rights[1:]})


class Left(Exception):
    """Why a record becomes no turn; records of one reason are counted together."""


def or_skipped(where: str, read: Callable[[], Sample]) -> Sample | Skipped:
    """What a record becomes, or why it becomes nothing, such as that it is not of the shape that its form has."""
    try:
        return read()
    except Left as error:
        return Skipped(where, str(error))
    except MISSHAPEN as error:
        return Skipped(where, f"it has another shape than its form ({type(error).__name__}: {str(error)[:100]})")


def question(
    turn_id: str, messages: list[Wire], tools: list[Wire] | None, *, session: str | None = None, tag: str = ""
) -> Turn:
    """A turn without its gold.

    Raises:
        Left: it is none that could be asked.
    """
    if not messages:
        raise Left("it has no question")
    try:
        return Turn(
            turn_id=turn_id,
            session_id=session or turn_id,
            position=position_after(messages),
            messages=tuple(messages),
            tools=tuple(tools) if tools else None,
            gold=(),
            tags=(tag,) if tag else (),
        )
    except ValidationError as error:
        raise Left(f"it cannot be asked ({explain(error)})") from None


def wire_tools(value: Any, where: str) -> list[Wire] | None:
    """Tools of any dialect in OpenAI's form; None where there are none.

    Raises:
        Left: something that is no list of tools.
    """
    if not value:
        return None
    try:
        return [tool.wire() for tool in brought_tools(value, where).catalog.tools]
    except UserError as error:
        raise Left(f"its tools cannot be read: {error.args[1]}") from None


def wire_call(name: Any, arguments: Any, call_id: Any = None) -> Wire:
    """A call in OpenAI's form; arguments that are an object become JSON text."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    named = {"id": call_id} if call_id else {}
    return {**named, "type": "function", "function": {"name": name, "arguments": text}}


def joined(steps: Iterable[Answer]) -> Answer:
    """The answers of several requests for one question as one: all calls, all texts, the last one's end."""
    steps = list(steps)
    calls = tuple(call for step in steps for call in step.tool_calls or ())
    return Answer(
        text="\n".join(step.text for step in steps if step.text),
        finish_reason=steps[-1].finish_reason if steps else None,
        tool_calls=calls or None,
        thinking="\n".join(step.thinking for step in steps if step.thinking),
        requests=len(steps) or None,
    )


def at_path(value: Any, path: str) -> Any:
    """What stands at a dotted path of keys and indices, JSON text on the way opened; None where nothing does."""
    for key in path.split("."):
        value = opened(value) if isinstance(value, str) else value
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def opened(text: str) -> Any:
    """The list or object that a JSON text holds; None where it holds none."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
