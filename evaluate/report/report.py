"""report.html: one static file with every figure and every turn of a run (see `callproof.console.html`)."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from callproof.console.html import page
from callproof.records import replacing
from callproof.scoring import LABELS, METRICS, MatchProfile, Outcome
from callproof.turns import GoldCall, Turn, catalog_of

from ..gate import Blessed
from ..runs import RunInfo
from .confusion import Confusion, Place
from .course import course_of
from .summary import HEADLINE, Summary

MAX_TURNS = 10_000
PRIMARY = (
    "turn_exact name_f1 decision_f1 parse_rate schema_valid arg_exact arg_exact_given_name arg_f1 "
    "hallucination_rate unknown_tool_rate false_abstention empty_rate infra_error_rate"
).split()
_LONG = 200
_ASSETS = Path(__file__).with_name("assets")
_SCRIPTS = """
charts.js overview.js warnings.js flips.js verdict.js decisions.js confusion.js turn.js explorer.js main.js
""".split()


def write_report(
    path: Path, info: RunInfo, summary: Summary, explorer: "Explorer", blessed: Blessed | None = None
) -> None:
    """Write the report of a run; everything but the metrics covers only the turns in `explorer`, and the page says so.

    Args:
        blessed: the baseline whose turns are compared with those of every model.

    Raises:
        UserError: the file cannot be written.
    """
    data = {
        "run": info.model_dump(mode="json", exclude={"config"}),
        "labels": LABELS,
        "headline": HEADLINE,
        "primary": PRIMARY,
        "metrics": {
            name: {"description": metric.description, "higher": metric.higher_is_better}
            for name, metric in METRICS.items()
        },
        "summary": summary.model_dump(mode="json"),
        "blessed": blessed and blessed.model_dump(mode="json"),
        "training": course_of(info),
        **explorer.tables(),
    }
    with replacing(path) as file:
        file.write(
            page(
                Path(__file__).with_name("assets"), f"{info.name}: {info.run_id}", data, ["report.css"], _SCRIPTS
            ).encode()
        )


def _calls(calls: Iterable[GoldCall]) -> list[dict[str, Any]]:
    return [call.model_dump(mode="json", exclude_defaults=True) for call in calls]


class Table:
    """Numbers distinct JSON values, so that what many turns share is written once."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[str | bytes, int] = {}

    def number(self, value: Any) -> int:
        key = value if isinstance(value, str) else to_json(value)
        number = self._numbers.setdefault(key, len(self.rows))
        if number == len(self.rows):
            self.rows.append(value)
        return number


class Explorer:
    """The explorer's data: turns and answers that point into tables of messages, tools, catalogs, lines and texts.

    Takes at most MAX_TURNS turns.

    Args:
        columns: see `evaluate.report.summary.series`.
    """

    def __init__(self, columns: Iterable[str], turns: Iterable[Turn], profile: MatchProfile) -> None:
        self._columns = {name: number for number, name in enumerate(columns)}
        self._confusion = Confusion(len(self._columns), profile)
        self._lines, self._messages, self._tools = Table(), Table(), Table()
        self._catalogs, self._texts = Table(), Table()
        self._places: dict[str, Place] = {}
        self._turns: list[dict[str, Any]] = []
        for turn in islice(turns, MAX_TURNS):
            self._places[turn.turn_id] = Place(len(self._turns), catalog_of(turn), turn.order)
            self._turns.append(self._turn(turn))
        self._answers: list[list[dict[str, Any] | None]] = [[None] * len(self._columns) for _ in self._turns]

    def __contains__(self, turn_id: str) -> bool:
        return turn_id in self._places

    def add(self, column: str, outcome: Outcome) -> None:
        """Take an answer; of repeated ones the first that is not `ok` is shown, as in `evaluate.gate.sides.Judged`."""
        place, number = self._places[outcome.turn_id], self._columns[column]
        self._confusion.add(number, place, outcome)
        earlier = self._answers[place.number][number]
        if earlier is None or earlier["outcome"] == "ok":
            self._answers[place.number][number] = self._answer(outcome)

    def tables(self) -> dict[str, Any]:
        """`answers` holds a list of models' answers for each turn, None where a model has none."""
        return {
            "turns": self._turns,
            "answers": self._answers,
            "confusion": self._confusion.table(),
            "lines": self._lines.rows,
            "messages": self._messages.rows,
            "tools": self._tools.rows,
            "catalogs": self._catalogs.rows,
            "texts": self._texts.rows,
        }

    def _turn(self, turn: Turn) -> dict[str, Any]:
        return {
            "id": turn.turn_id,
            "session": turn.session_id,
            "messages": [self._messages.number(self._message(message)) for message in turn.messages],
            "catalog": self._catalogs.number([self._tools.number(tool) for tool in turn.catalog]),
            "gold": _calls(turn.gold),
            "alternatives": list(map(_calls, turn.alternatives)),
            "any_call": turn.any_call,
            "order": turn.order,
            "tags": turn.tags,
        }

    def _message(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message whose long text is written as numbers of lines: system prompts differ in the order of theirs."""
        text = message.get("content")
        if not isinstance(text, str) or len(text) < _LONG:
            return message
        rest = {key: value for key, value in message.items() if key != "content"}
        return {**rest, "lines": [self._lines.number(line) for line in text.split("\n")]}

    def _answer(self, outcome: Outcome) -> dict[str, Any]:
        answer = outcome.answer
        row = {
            "outcome": outcome.outcome,
            "alternative": outcome.alternative,
            "labels": outcome.labels if len(outcome.labels) > 1 else None,
            "reasons": outcome.reasons,
            "calls": [call.model_dump(mode="json") for call in outcome.calls],
            "text": self._texts.number(answer.text),
            "thinking": answer.thinking and self._texts.number(answer.thinking),
            "finish": answer.finish_reason,
            "requests": answer.requests if answer.requests != 1 else None,
            "seconds": answer.latency_s and round(answer.latency_s, 3),
            "served": answer.tool_calls,
            "error": answer.error,
        }
        return {key: value for key, value in row.items() if value not in (None, (), [], "")}
