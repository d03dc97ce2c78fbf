"""Samples of lm-eval: `samples_<task>_<time>.jsonl`, with `results_<time>.json` beside it.

The question is what the model was sent: messages where a chat template was applied by the server, else one text, which
stays one message. `resps` are the answers, before any filter; of several filters the first one's line counts.
`target` says which calls are right, or what `--gold` names, such as `doc.calls`; tools stand in the document (`tools`,
`functions`) or come from `--tools`. The first metric is the verdict: 1 is right.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callproof.records import read_object
from callproof.scoring import Answer

from ..turns_file import Skipped
from .gold import gold_of
from .record import Found, Left, Options, Sample, Wire, at_path, opened, or_skipped, question, wire_tools

_NAME = re.compile(r"samples_(?P<task>.+?)(?P<time>_\d{4}-\d\d-\d\dT[\d.-]+)?")
_TOOLS = ("tools", "functions", "function")
_ONE_TEXT = "were asked as one text, which is kept as one message of the user"


def is_lm_eval(value: Any) -> bool:
    """Whether a line is a sample of lm-eval."""
    return isinstance(value, dict) and "doc_id" in value and bool(value.keys() & {"resps", "filtered_resps"})


def read_lm_eval(files: list[Found], options: Options) -> Iterator[Sample | Skipped]:
    """The samples, one for each answer to a document."""
    for found in files:
        named = _NAME.fullmatch(found.path.stem)
        task = named["task"] if named else found.path.stem
        model, seen = _model(found.path, (named and named["time"]) or ""), set[Any]()
        for where, row in found.rows():
            if row.get("doc_id") in seen:
                yield Skipped(where, f"it is the same answer behind another filter ({row.get('filter')})")
                continue
            seen.add(row.get("doc_id"))
            yield from _samples(where, row, task, model, options)


def _model(path: Path, time: str) -> str:
    """The model's name as the results beside the samples give it; else the name of the folder."""
    results = path.with_name(f"results{time}.json")
    named = read_object(results, "give lm-eval's own").get("model_name") if results.is_file() else None
    return str(named or path.absolute().parent.name)


def _samples(where: str, row: Wire, task: str, model: str, options: Options) -> Iterator[Sample | Skipped]:
    try:
        texts = _texts(row)
    except Left as error:
        yield Skipped(where, str(error))
        return
    for repeat, text in enumerate(texts):
        yield or_skipped(where, lambda r=repeat, t=text: _sample(where, row, task, model, options, r, t))


def _texts(row: Wire) -> list[str]:
    """The answers; raises Left where they are no texts."""
    resps = row.get("resps") or row.get("filtered_resps")
    answers = [one for each in resps for one in (each if isinstance(each, list) else [each])] if resps else []
    if not answers or not all(isinstance(one, str) for one in answers):
        raise Left("its answers are no text: likelihoods of choices show no call")
    if len(row.get("arguments") or ()) > 1:
        raise Left("it asks several requests")
    return answers


def _sample(where: str, row: Wire, task: str, model: str, options: Options, repeat: int, text: str) -> Sample:
    messages, notes = _messages(row)
    doc = row["doc"] if isinstance(row.get("doc"), dict) else {}
    tools = wire_tools(next((doc[key] for key in _TOOLS if doc.get(key)), None) or options.tools, where)
    gold = gold_of(at_path(row, options.gold) if options.gold else row.get("target"), tools)
    return Sample(
        where=where,
        asked=question(f"{task}/{row['doc_id']}", messages, tools, tag=task),
        rights=None if gold is None else (gold,),
        model=model,
        answer=Answer(text=text),
        repeat=repeat,
        verdict=_verdict(row),
        notes=notes,
    )


def _messages(row: Wire) -> tuple[list[Wire], tuple[str, ...]]:
    """The messages that were sent, and what is to be said of them."""
    arguments = row.get("arguments")
    request = next(iter(arguments.values())) if isinstance(arguments, dict) and arguments else arguments
    while isinstance(request, list) and request and not isinstance(request[0], dict):
        request = request[0]
    text = request.get("arg_0") if isinstance(request, dict) else request
    text = text[0] if isinstance(text, list) and len(text) == 1 else text
    if not isinstance(text, str):
        raise Left("it does not hold what the model was sent")
    messages = opened(text)
    if isinstance(messages, list) and messages and all(isinstance(one, dict) and "role" in one for one in messages):
        return messages, ()
    return [{"role": "user", "content": text}], (_ONE_TEXT,)


def _verdict(row: Wire) -> bool | None:
    metric = next((name for name in row.get("metrics") or () if isinstance(row.get(name), bool | int | float)), None)
    return None if metric is None else row[metric] == 1
