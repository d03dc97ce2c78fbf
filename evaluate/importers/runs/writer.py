"""Writes the turns and answers of other tools' runs, and counts what is left out and what the rest lacks."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from callproof.calls import Completion
from callproof.errors import UserError
from callproof.records import replacing
from callproof.sessions import Exchange, NoGold
from callproof.turns import GoldCall, Turn, digest

from ..openai_log import gold_calls
from ..turns_file import Import, Imported, Skipped, write_imported
from .forms import Runs
from .gold import NO_GOLD
from .record import Options, Sample

_Rights = tuple[tuple[GoldCall, ...], ...]
_NO_TOOLS = "calls are expected, and the record brings no tools: give --tools"


@dataclass
class Written:
    """What was written, beside the turns.

    `answers`: by model; `errors`: answers that are failed requests; `verdicts`: answers with a verdict of their tool;
    `left`: reason -> how many records were left out, and where the first one is; `notes`: note -> records;
    `gold_from`: the model whose answers are the gold.
    """

    turns: Import = field(default_factory=Import)
    answers: Counter[str] = field(default_factory=Counter)
    errors: int = 0
    verdicts: int = 0
    left: dict[str, tuple[int, str]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    gold_from: str | None = None


def write_runs(
    runs: Runs, out: Path, options: Options, *, model: str | None, gold_from: str | None, drop_bad_gold: bool
) -> Written:
    """Write `turns.jsonl` and `answers.jsonl` to the folder `out`, both or neither.

    Args:
        model: names the answers of a run of a single model.
        gold_from: the model whose answers are the gold; None: what the records say, and of spans those of the only one.

    Raises:
        UserError: one question id for two questions, a question answered twice, no turn at all, or a model that is not
            there (`path:place`).
    """
    written = Written(gold_from=gold_from or _only_model(runs, options))
    golds = _golds(runs, options, written.gold_from) if written.gold_from else None
    with replacing(out / "answers.jsonl") as file:
        turns = _Turns(written, file, golds, model).read(runs.read(options))
        written.turns = write_imported(turns, out / "turns.jsonl", drop_bad_gold=drop_bad_gold)
    return written


def _only_model(runs: Runs, options: Options) -> str | None:
    """The model whose answers are the gold where a form has no other; None of forms that say what is right."""
    if runs.form.has_gold:
        return None
    models = {item.model for item in runs.read(options) if isinstance(item, Sample)}
    if len(models) > 1:
        problem = f"holds answers of several models ({', '.join(sorted(models))}), and does not say which are right"
        raise UserError(
            runs.found[0].path, problem, "give --gold-from MODEL, whose answers the others are held against"
        )
    return next(iter(models), None)


def _golds(runs: Runs, options: Options, model: str) -> dict[str, _Rights | str]:
    """By turn, the first answer of a model as gold, or why it is none."""
    golds: dict[str, _Rights | str] = {}
    models: dict[str, None] = {}
    for item in runs.read(options):
        if isinstance(item, Sample):
            models[item.model] = None
            if item.model == model:
                golds.setdefault(item.asked.turn_id, _gold_answer(item))
    if not golds:
        raise UserError(f"--gold-from {model}", "answers nothing here", f"choose of: {', '.join(models)}")
    return golds


def _gold_answer(sample: Sample) -> _Rights | str:
    answer, asked = sample.answer, sample.asked
    if answer.failure:
        return f"the answer that would be its gold is none ({answer.failure})"
    completion = Completion(answer.text, answer.finish_reason, None, answer.tool_calls, answer.thinking)
    tools = list(asked.tools) if asked.tools else None
    try:
        return (gold_calls(Exchange(list(asked.messages), tools, completion, None, None, None, False)),)
    except NoGold as error:
        return f"the answer that would be its gold is none ({error})"


class _Turns:
    """Turns samples into turns, each question once, and writes the answers on the way."""

    def __init__(
        self, written: Written, file: IO[bytes], golds: dict[str, _Rights | str] | None, model: str | None
    ) -> None:
        self._written, self._file, self._golds, self._model = written, file, golds, model
        self._asked: dict[str, tuple[str, str]] = {}
        self._answered: dict[tuple[str, str, int], str] = {}
        self._models: dict[str, None] = {}

    def read(self, items: Iterator[Sample | Skipped]) -> Iterator[Imported | Skipped]:
        for item in items:
            if isinstance(item, Skipped):
                yield self._leave(item)
                continue
            rights = self._rights(item)
            if isinstance(rights, str):
                yield self._leave(Skipped(item.where, rights))
                continue
            turn = item.turn(rights)
            if self._is_new(item, turn):
                yield Imported(item.where, turn)
            self._write(item)

    def _leave(self, skipped: Skipped) -> Skipped:
        count, first = self._written.left.get(skipped.reason, (0, skipped.where))
        self._written.left[skipped.reason] = count + 1, first
        return skipped

    def _rights(self, sample: Sample) -> _Rights | str:
        """What is right, or why nobody knows."""
        rights = sample.rights if self._golds is None else self._golds.get(sample.asked.turn_id, NO_GOLD)
        if rights is None or isinstance(rights, str):
            return rights or NO_GOLD
        return _NO_TOOLS if any(rights) and not sample.asked.catalog else rights

    def _is_new(self, sample: Sample, turn: Turn) -> bool:
        """Whether the question was not asked before; raises a UserError where its id was, of another question."""
        content, new = digest(turn.model_dump(mode="json")), turn.turn_id not in self._asked
        first, where = self._asked.setdefault(turn.turn_id, (content, sample.where))
        if first != content:
            problem = f"asks or expects in {turn.turn_id!r} something else than {where}"
            raise UserError(sample.where, problem, "import the two runs by themselves")
        return new

    def _write(self, sample: Sample) -> None:
        name, written = self._name(sample), self._written
        key = (sample.asked.turn_id, name, sample.repeat)
        if key in self._answered:
            problem = f"{key[0]!r} was answered by {name} before, at {self._answered[key]}"
            raise UserError(sample.where, problem, "leave one out, or import it by itself with --model NAME")
        self._answered[key] = sample.where
        answer = sample.answer.model_dump(mode="json", exclude_none=True)
        row: dict[str, Any] = {"turn_id": key[0], "model": name, "repeat": sample.repeat, "answer": answer}
        if sample.verdict is not None:
            row["verdict"] = sample.verdict
        self._file.write(f"{json.dumps(row, ensure_ascii=False)}\n".encode())
        written.answers[name] += 1
        written.errors += sample.answer.failure is not None
        written.verdicts += sample.verdict is not None
        written.notes.update(sample.notes)

    def _name(self, sample: Sample) -> str:
        if self._model is None:
            return sample.model
        self._models[sample.model] = None
        if len(self._models) > 1:
            problem = f"names one model, and these are answers of {' and '.join(self._models)}"
            raise UserError(f"--model {self._model}", problem, "leave it out, or import each run by itself")
        return self._model
