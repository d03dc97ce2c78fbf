"""Results of promptfoo: `promptfoo eval -o out.json`, or `.jsonl`.

A test with its prompt is a turn, a provider a model, a repetition a repeat; `success` is the verdict. Which calls are
right says `tool-call-f1` (names; their arguments are not compared), `equals` with calls, or what `--gold` names, such
as `testCase.metadata.expected` or `vars.calls`. Tools are those of the provider or the prompt, else `--tools`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from callproof.scoring import Answer
from callproof.turns import GoldCall, digest

from ..turns_file import Skipped
from .gold import any_arguments, gold_of
from .record import Found, Left, Options, Sample, Wire, at_path, opened, or_skipped, question, wire_call, wire_tools

_NAMES_ONLY = "expect calls by their names alone (tool-call-f1), so that arguments are not compared"
_CALLS = ("function", "tool_use", "function_call")
_FAILED = 2
"""promptfoo's failureReason of a request that failed."""


def is_promptfoo(value: Any) -> bool:
    """Whether JSON, or a line, is of promptfoo's results."""
    if not isinstance(value, dict):
        return False
    results = value.get("results")
    rows = results.get("results") if isinstance(results, dict) else None
    return isinstance(rows, list) or {"testIdx", "testCase", "provider"} <= value.keys()


def read_promptfoo(files: list[Found], options: Options) -> Iterator[Sample | Skipped]:
    """The results of all files."""
    for found in files:
        repeats: Counter[tuple[str, str]] = Counter()
        for place, row, config in _results(found):
            item = or_skipped(place, lambda p=place, r=row, c=config: _sample(p, r, c, options))
            if isinstance(item, Sample):
                asked = (item.asked.turn_id, item.model)
                item, repeats[asked] = item._replace(repeat=repeats[asked]), repeats[asked] + 1
            yield item


def _results(found: Found) -> Iterator[tuple[str, Wire, Wire]]:
    for where, value in found.rows():
        if "testCase" in value:
            yield where, value, {}
            continue
        for number, row in enumerate(value["results"]["results"]):
            yield f"{where}:results.{number}", row, value.get("config") or {}


def _model(row: Wire) -> str:
    provider = row.get("provider")
    if isinstance(provider, dict):
        return str(provider.get("label") or provider.get("id") or "model")
    return str(provider or "model")


def _sample(where: str, row: Wire, config: Wire, options: Options) -> Sample:
    model = _model(row)
    tools = wire_tools(_tools(row, config, model) or options.tools, where)
    rights, notes = _expected(row, tools, options)
    prompt = (row.get("prompt") or {}).get("raw")
    if not isinstance(prompt, str):
        raise Left("it does not hold its prompt")
    return Sample(
        where=where,
        asked=question(_turn_id(row, prompt), _messages(prompt), tools),
        rights=rights,
        model=model,
        answer=_answer(row),
        verdict=row["success"]
        if isinstance(row.get("success"), bool) and row.get("failureReason") != _FAILED
        else None,
        notes=notes,
    )


def _turn_id(row: Wire, prompt: str) -> str:
    """One name for a test and its prompt in every file, whatever stands before it and however often it was repeated."""
    case = row.get("testCase") or {}
    content = [prompt, case.get("vars"), case.get("assert"), case.get("metadata")]
    return f"test-{digest(content)}"


def _tools(row: Wire, config: Wire, model: str) -> Any:
    """The tools of a result's prompt or provider; references to files are not followed."""
    provider = row.get("provider")
    name = provider.get("id") if isinstance(provider, dict) else provider
    configs = [(row.get("prompt") or {}).get("config"), ((row.get("testCase") or {}).get("options"))]
    for one in config.get("providers") or ():
        one = {"id": next(iter(one)), **next(iter(one.values()))} if isinstance(one, dict) and len(one) == 1 else one
        if isinstance(one, dict) and (one.get("label") == model or one.get("id") in (name, model)):
            configs.append(one.get("config"))
    found = [each["tools"] for each in configs if isinstance(each, dict) and each.get("tools")]
    return next((tools for tools in found if not isinstance(tools, str)), None)


def _messages(prompt: str) -> list[Wire]:
    messages = opened(prompt)
    if isinstance(messages, dict) and isinstance(messages.get("messages"), list):
        messages = messages["messages"]
    if isinstance(messages, list) and messages and all(isinstance(one, dict) and "role" in one for one in messages):
        return messages
    return [{"role": "user", "content": prompt}]


def _expected(
    row: Wire, tools: list[Wire] | None, options: Options
) -> tuple[tuple[tuple[GoldCall, ...], ...] | None, tuple[str, ...]]:
    """The right answer, and what is to be said of it."""
    if options.gold:
        gold = gold_of(at_path(row, options.gold), tools)
        return None if gold is None else (gold,), ()
    for assertion in (row.get("testCase") or {}).get("assert") or ():
        value = assertion.get("value")
        if assertion.get("type") == "tool-call-f1":
            names = value.split(",") if isinstance(value, str) else value or []
            return (tuple(any_arguments(str(name).strip(), tools) for name in names),), (_NAMES_ONLY,)
        if assertion.get("type") == "equals" and (gold := gold_of(value, tools)) is not None:
            return (gold,), ()
    return None, ()


def _answer(row: Wire) -> Answer:
    """What the provider gave back."""
    response = row.get("response") or {}
    if row.get("failureReason") == _FAILED or response.get("error") or "output" not in response:
        return Answer(error=str(response.get("error") or row.get("error") or "promptfoo holds no output")[:500])
    output, reason = response["output"], response.get("finishReason")
    text, calls = _parts(output)
    beside = (response.get("metadata") or {}).get("toolCalls") or ()
    calls = calls or [call for one in beside if (call := _call({"type": "function", **one}))]
    return Answer(text=text, tool_calls=tuple(calls) or None, finish_reason=reason if isinstance(reason, str) else None)


def _parts(output: Any) -> tuple[str, list[Wire]]:
    """Text and calls of an output: a text, a message, a list of calls, or text with calls as JSON beside it."""
    if isinstance(output, dict) and ("content" in output or isinstance(output.get("tool_calls"), list)):
        return str(output.get("content") or ""), [
            call for one in output.get("tool_calls") or () if (call := _call(one))
        ]
    if not isinstance(output, str):
        values = output if isinstance(output, list) else [output]
        calls = [_call(one) for one in values if isinstance(one, dict)]
        if len(calls) != len(values) or not all(calls):
            raise Left("its output is neither text nor calls")
        return "", [call for call in calls if call]
    texts, calls = list[str](), list[Wire]()
    for part in output.split("\n\n"):
        values = opened(part)
        read = [_call(one) for one in (values if isinstance(values, list) else [values])]
        if values and all(read):
            calls += [call for call in read if call]
        else:
            texts.append(part)
    return "\n\n".join(texts), calls


def _call(value: Any) -> Wire | None:
    """A call as a provider of promptfoo notes it, in OpenAI's form; None where it is none."""
    if not isinstance(value, dict) or value.get("type") not in _CALLS:
        return None
    inner = value["function"] if isinstance(value.get("function"), dict) else value
    return wire_call(inner.get("name"), inner.get("arguments", inner.get("input")), value.get("id"))
