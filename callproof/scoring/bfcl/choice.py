"""Which of BFCL's handlers reads the answers of a model: its name tells, or else what the answers are like."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callproof.calls import ToolCall, parse
from callproof.turns import Turn

from .handlers import HANDLERS, BfclReading, read_items

STRICT = "strict"  # no handler of BFCL's but callproof's own reading, for answers that none of theirs was made for


class Choice(NamedTuple):
    """How the answers of a model are read; `reading`: None stands for `STRICT`. `says`: which and why, for people."""

    name: str
    reading: BfclReading | None
    says: str


@dataclass
class _Counts:
    """Of one model: its answers, and by handler how many it reads, and the calls that name renamed tools either way."""

    answers: int = 0
    read: Counter[str] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    by_wire: Counter[str] = field(default_factory=Counter)


class HandlerCounter:
    """Counts the answers that each of some handlers reads: into calls that all name tools of their turn."""

    def __init__(self, handlers: Iterable[str] = (*HANDLERS, STRICT)) -> None:
        self._handlers = tuple(handlers)
        self._models: dict[str, _Counts] = {}

    def add(self, turn: Turn, model: str, text: str, tool_calls: Sequence[dict[str, Any]] | None = None) -> None:
        """Take an answer of a model to a turn."""
        counts = self._models.setdefault(model, _Counts())
        counts.answers += 1
        sources = set(turn.source_names.values())
        known = {tool["function"]["name"] for tool in turn.catalog} | sources
        for handler in self._handlers:
            names = _names(handler, text, tool_calls)
            if names and known.issuperset(names):
                counts.read[handler] += 1
                counts.by_source[handler] += sum(name in sources for name in names)
                counts.by_wire[handler] += sum(name in turn.source_names for name in names)

    def choices(self) -> dict[str, Choice]:
        """By model, the handler that its name tells, unless another reads ten times as many answers, and a tenth of
        all; or else the one that reads most, the first of several.

        Of tools that were renamed, the names are taken that most calls have; a tenth is enough where BFCL showed the
        names at the source.
        """
        return {model: self._choice(model, counts) for model, counts in self._models.items()}

    def _choice(self, model: str, counts: _Counts) -> Choice:
        name, why = self._chosen(model, counts)
        weight = 10 if name != STRICT and HANDLERS[name].source_names else 1
        source_names = weight * counts.by_source[name] > counts.by_wire[name]
        reading = None if name == STRICT else BfclReading(name, source_names)
        return Choice(name, reading, _says(model, counts, name, why, source_names))

    def _chosen(self, model: str, counts: _Counts) -> tuple[str, str]:
        """A handler, and why it was chosen."""
        if len(self._handlers) == 1:
            return self._handlers[0], "as was asked"
        best = max(self._handlers, key=lambda handler: counts.read[handler])
        hint = _hint(model)
        better = counts.read[best] > 10 * counts.read[hint] and 10 * counts.read[best] > counts.answers
        if hint in self._handlers and not better:
            return hint, "as its name tells"
        return (best, "which reads most") if counts.read[best] else (STRICT, "since none reads a call")


def _names(handler: str, text: str, tool_calls: Sequence[dict[str, Any]] | None) -> list[str]:
    """The tools that an answer calls; none where the handler cannot read all of it."""
    if handler != STRICT:
        return [name for item in read_items(handler, text, tool_calls) for name in item]
    calls = parse(text)
    names = [call.name for call in calls if isinstance(call, ToolCall)]
    return names if len(names) == len(calls) else []


def _hint(model: str) -> str:
    """The handler that the name of a model tells, or no name."""
    return next((name for name, handler in HANDLERS.items() if re.search(handler.models, model.lower())), "")


def _says(model: str, counts: _Counts, name: str, why: str, source_names: bool) -> str:
    form = HANDLERS[name].says if name in HANDLERS else "callproof's own reading"
    naming = ", tools by their names at the source" if source_names else ""
    share = f"calls in {counts.read[name]} of {counts.answers} answers"
    rivals = [other for other, number in counts.read.items() if other != name and number >= counts.read[name]]
    beside = f"; as many or more would {', '.join(rivals)}" if rivals else ""
    return f"{model}: read as {name} ({form}{naming}), {why}: {share}{beside}"
