"""The single-turn data of the Berkeley Function-Calling Leaderboard (BFCL) as tool-eval turns.

- A question is one line of `BFCL_v4_<category>.json`; its possible answer is the line of the same id in the folder
  `possible_answer`. Irrelevance has none, and no call is right; live_relevance has none, and any call is.
- A joined row holds question, functions, possible answer and a model's output: `bfcl-results`.
- An output is text, or a list of tool calls as `{name: arguments}`, with text among them where the model wrote both.
- Schemas are Python-like: `dict` becomes `object`, `float` `number`, `any` any value, and `tuple` an `array` with
  `"format": "tuple"`, since BFCL takes Python's tuples only there.
- Tools get names that the wire takes (`math.gcd`: `math_gcd`); `Turn.source_names` leads back.
- Possible answers list the accepted values of an argument: the first becomes `arguments`, others `any_of`; `""` means
  that it may be left out: `optional`. The values of an accepted object are such lists themselves; each choice from them
  is an accepted object of its own.
- Rows of 2024 number calls of one name (`f_1`, `f 2`), and one names a call otherwise than the only function.
"""

import math
import re
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from pydantic import ValidationError

from callproof.catalog import OMITTED
from callproof.errors import UserError
from callproof.records import explain
from callproof.turns import GoldCall, Turn

from .turns_file import Imported, read_rows

MAX_ALTERNATIVES = 1024

_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}
_NOT_ON_WIRE = re.compile(r"[^A-Za-z0-9_-]")
_CALL_NUMBER = re.compile(r"[ _]\d+$")
_FORM = "give a questions file of BFCL's single-turn Python or live categories"
_RESULT_FORM = 'write {"id", "question", "function", "possible_answer", "output"}'


def read_questions(questions: Path, answers: Path | None) -> Iterator[Imported]:
    """The turns of a questions file, streamed; the answers are held in memory.

    Raises:
        UserError: unreadable file, malformed line, an answer that is missing, or too many alternatives (`path:line`).
    """
    possible = _read_answers(answers) if answers else {}
    for where, row in read_rows(questions):
        turn_id = _id(row, where, _FORM)
        category = turn_id.rpartition("_")[0]
        gold_where, gold = where, None
        if not category.endswith("relevance"):
            if turn_id not in possible:
                mend = "give --answers" if answers is None else f"complete {answers}"
                raise UserError(where, f"no possible answer to {turn_id!r}", mend)
            gold_where, gold = possible[turn_id]
        yield Imported(where, _turn(row, turn_id, category, _Gold(gold_where, gold), where, _FORM), gold_where)


def read_results(path: Path) -> Iterator[Imported]:
    """The turns of joined rows, streamed; raises a UserError as `read_questions` does."""
    for where, row in read_rows(path):
        turn_id = _id(row, where, _RESULT_FORM)
        answer = row.get("possible_answer")
        gold = answer.get("ground_truth") if isinstance(answer, dict) else answer
        category = str(row.get("category", ""))
        yield Imported(where, _turn(row, turn_id, category, _Gold(where, gold), where, _RESULT_FORM))


def read_outputs(path: Path) -> Iterator[dict[str, Any]]:
    """The saved answers of joined rows, as `score` reads them; the model is named after the file.

    Raises:
        UserError: unreadable file, or a row without output (`path:line`).
    """
    for where, row in read_rows(path):
        if "output" not in row or not isinstance(row["output"], str | list | dict | NoneType):
            raise UserError(where, "expected `output` as text or a list of calls", _RESULT_FORM)
        turn_id = _id(row, where, _RESULT_FORM)
        model = row.get("model") or path.stem
        if not isinstance(model, str):
            raise UserError(where, "expected `model` as text", _RESULT_FORM)
        yield {"turn_id": turn_id, "model": model, "answer": answer_of(row["output"], where)}


def answer_of(output: Any, where: str) -> dict[str, Any]:
    """Text, or tool calls `{name: arguments}` as BFCL notes them, in OpenAI's form; None stands for no text."""
    if not isinstance(output, list | dict):
        return {"text": output or ""}
    parts = output if isinstance(output, list) else [output]
    if not all(isinstance(part, dict | str) for part in parts):
        raise UserError(where, "expected the items of `output` as calls or text", _RESULT_FORM)
    calls = [next(iter(part.items()), (None, None)) for part in parts if isinstance(part, dict)]
    functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {
        "text": "".join(f"{part}\n" for part in parts if isinstance(part, str)),
        "tool_calls": [{"type": "function", "function": function} for function in functions],
    }


def json_schema(declared: Any) -> Any:
    """BFCL's declaration of a value as a JSON Schema."""
    if not isinstance(declared, dict):
        return declared
    schema = dict(declared)
    if isinstance(kind := declared.get("type"), str) and kind in _TYPES:
        schema["type"] = _TYPES[kind]
        if _TYPES[kind] is None:
            del schema["type"]
        if kind == "tuple":
            schema["format"] = "tuple"
    if isinstance(properties := declared.get("properties"), dict):
        schema["properties"] = {name: json_schema(value) for name, value in properties.items()}
    for keyword in ("items", "additionalProperties"):
        if keyword in declared:
            schema[keyword] = json_schema(declared[keyword])
    return schema


def gold_call(name: str, accepted: Any) -> GoldCall:
    """A possible answer's call; `accepted` maps each argument to the list of its accepted values.

    Raises:
        ValueError: more than `MAX_ALTERNATIVES` choices for one argument.
    """
    arguments, any_of, optional = {}, {}, []
    for argument, listed in accepted.items() if isinstance(accepted, dict) else ():
        options = listed if isinstance(listed, list) else [listed]
        values = [choice for value in options if value != "" for choice in _choices(value)]
        if values:
            arguments[argument] = values[0]
        if values[1:]:
            any_of[argument] = tuple(values[1:])
        if "" in options:
            optional.append(argument)
    return GoldCall(name=name, arguments=arguments, any_of=any_of, optional=tuple(optional))


def _choices(value: Any) -> list[Any]:
    """The values that an accepted value stands for: one for each choice from the lists inside its objects."""
    if isinstance(value, dict):
        options = [_options(listed) for listed in value.values()]
        return [_written(value, choice) for choice in _product(options)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [list(choice) for choice in _product([_choices(item) for item in value])]
    return [value]


def _options(listed: Any) -> list[Any]:
    if not isinstance(listed, list):
        return [listed]
    values = [value for value in listed if value != ""]
    return [*values, OMITTED] if "" in listed else values


def _written(keys: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    return {key: value for key, value in zip(keys, values, strict=True) if value is not OMITTED}


def _product(options: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    number = math.prod(map(len, options))
    if number > MAX_ALTERNATIVES:
        raise ValueError(f"{number} alternatives for one argument, {MAX_ALTERNATIVES} at most")
    return product(*options)


class _Gold(NamedTuple):
    where: str
    calls: Any


def _turn(row: dict[str, Any], turn_id: str, category: str, gold: _Gold, where: str, mend: str) -> Turn:
    functions = row.get("function")
    functions = [functions] if isinstance(functions, dict) else functions
    if not isinstance(functions, list) or not all(isinstance(f, dict) and _named(f) for f in functions):
        raise UserError(where, "expected `function` as objects with a `name`", mend)
    names = _wire_names([function["name"] for function in functions])
    if len(names) < len(functions):
        raise UserError(where, "two functions have one name", "rename one")
    messages = _messages(row.get("question"), where, mend)
    try:
        return Turn(
            turn_id=turn_id,
            session_id=turn_id,
            position=sum(message.get("role") != "system" for message in messages),
            messages=messages,
            tools=tuple(_tool(function, names) for function in functions),
            gold=tuple(gold_call(_wire_name(key, names), accepted) for key, accepted in _calls(gold.calls)),
            any_call=category == "live_relevance",
            tags=(category,) if category else (),
            source_names={wire: source for source, wire in names.items() if wire != source},
        )
    except ValidationError as error:
        raise UserError(where, explain(error), mend) from None
    except ValueError as error:
        raise UserError(gold.where, str(error), "list fewer values") from None


def _messages(question: Any, where: str, mend: str) -> tuple[dict[str, Any], ...]:
    """The messages of a question: a text, a list of messages, or a list with one such list."""
    if isinstance(question, str):
        return ({"role": "user", "content": question},)
    if isinstance(question, list) and question and isinstance(question[0], list):
        if len(question) > 1:
            raise UserError(where, "holds several turns; only single-turn rows can be imported", mend)
        question = question[0]
    if not isinstance(question, list) or not all(isinstance(message, dict) for message in question) or not question:
        raise UserError(where, "expected `question` as text or messages", mend)
    return tuple(question)


def _tool(function: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    parameters = json_schema(function.get("parameters"))
    wire = {"name": names[function["name"]], "description": function.get("description"), "parameters": parameters}
    return {"type": "function", "function": wire}


def _named(function: dict[str, Any]) -> bool:
    return isinstance(function.get("name"), str) and bool(function["name"])


def _wire_names(sources: Iterable[str]) -> dict[str, str]:
    """Source name -> name for the wire; those that would coincide are numbered."""
    names: dict[str, str] = {}
    for source in sources:
        plain = wire = _NOT_ON_WIRE.sub("_", source)
        number = 2
        while wire in names.values() and source not in names:
            wire, number = f"{plain}_{number}", number + 1
        names.setdefault(source, wire)
    return names


def _wire_name(key: str, names: dict[str, str]) -> str:
    """The wire name of the tool that a possible answer calls; an unknown name is kept, and the lint refuses it."""
    numbered = _CALL_NUMBER.sub("", key)
    only = next(iter(names)) if len(names) == 1 else ""
    return next((names[name] for name in (key, numbered, only) if name in names), key)


def _calls(gold: Any) -> Iterator[tuple[str, Any]]:
    for call in gold if isinstance(gold, list) else [gold]:
        if isinstance(call, dict):
            yield from call.items()


def _read_answers(path: Path) -> dict[str, tuple[str, Any]]:
    """Id -> (path:line, ground truth)."""
    answers = {}
    mend = 'write {"id", "ground_truth"}'
    for where, row in read_rows(path):
        if not isinstance(row.get("ground_truth"), list | dict):
            raise UserError(where, "expected `ground_truth` as a list of calls", mend)
        if (turn_id := _id(row, where, mend)) in answers:
            raise UserError(where, f"the possible answer to {turn_id!r} occurs twice", "keep one")
        answers[turn_id] = where, row["ground_truth"]
    return answers


def _id(row: dict[str, Any], where: str, mend: str) -> str:
    if not isinstance(row.get("id"), str) or not row["id"]:
        raise UserError(where, "expected an `id`", mend)
    return row["id"]
