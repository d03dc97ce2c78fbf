"""outcomes.jsonl as no run writes it: damaged or edited, it is one line with its place, and never figures that lie."""

import contextlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from rows import answer, lines, turn
from weather import Refused, call

from callproof.errors import UserError, exit_with
from evaluate.cli import main
from evaluate.report import load_run

pytest_plugins = ["weather_plugin"]

HOLE = "a hole for raw JSON"
HOSTILE = {
    "null": "null",
    "true": "true",
    "minus one": "-1",
    "half": "0.5",
    "large": "4294967296",
    "huge": "1" + "0" * 400,
    "longest": "9" * 5000,
    "float": "1e308",
    "beyond floats": "1e999",
    "NaN": "NaN",
    "text": '""',
    "half a character": '"\\ud800"',
    "list": "[]",
    "object": "{}",
    "nested": "[" * 150 + "]" * 150,
    "deep": "[" * 5000 + "]" * 5000,
}
Keys = tuple[str | int, ...]


def answers() -> list[dict[str, Any]]:
    """Of three turns: one right with an argument more, one malformed, one with an answer of the server's own."""
    function = {"name": "get_weather", "arguments": '{"city": "City2"}'}
    message = {"content": call("get_weather", city="Nowhere"), "tool_calls": [{"id": "1", "function": function}]}
    response = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9}}
    return [
        {**answer(0), "text": f"{call('get_weather', city='City0', days=1)} {call('list_cities')}"},
        {**answer(1), "text": "<tool_call>{</tool_call>"},
        {"turn_id": "s2/1", "response": response},
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two scored runs, `base` and `next`."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "turns.jsonl").write_text(lines(turn))
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers()))
    for name in ("base", "next"):
        words = ["--turns", folder / "turns.jsonl", "--answers", folder / "answers.jsonl", "--out", folder / name]
        assert main(["score", *map(str, words)]) == 0
    return folder


def places(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    """The keys that lead to each value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*keys, key)
        yield from places(inner, (*keys, key))


def spoil(row: dict[str, Any], keys: Keys, raw: str | None) -> str:
    """The row with other JSON text in one place, or without it."""
    row = json.loads(json.dumps(row))
    holder = row
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = HOLE
    if raw is None:
        del holder[keys[-1]]
    return json.dumps(row).replace(f'"{HOLE}"', raw or "")


def strict(text: str) -> Any:
    """JSON as a browser reads it."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse, parse_int=lambda digits: int(digits[:20]))


def attempt(*words: object) -> bool:
    """Whether a command worked, where it may only work or say in one line why not."""
    with contextlib.redirect_stderr(io.StringIO()) as stderr, pytest.raises(SystemExit) as exited:
        exit_with(lambda: main([str(word) for word in words]))
    errors = [line for line in stderr.getvalue().splitlines() if line.startswith("error: ")]
    assert len(errors) == (exited.value.code == 2)
    assert all(len(line) < 2000 for line in errors)
    return not errors


def check_figures(value: Any) -> None:
    """Every estimate is a proper fraction with its limits."""
    if isinstance(value, dict) and {"value", "low", "high", "n"} == value.keys() - {"clusters"}:
        assert value["n"] >= 0
        assert value["value"] is None or 0 <= value["low"] <= value["value"] <= value["high"] <= 1
        return
    for inner in value.values() if isinstance(value, dict) else ():
        check_figures(inner)


def use(runs: Path, run: Path, words: Sequence[object]) -> None:
    """Report, a table, and perhaps one of the commands that compare runs."""
    if attempt("report", run):
        check_figures(strict((run / "metrics.json").read_text())["models"])
        data = re.search(r'id="data">(.*?)</script>', (run / "report.html").read_text(encoding="utf-8"), re.DOTALL)
        assert data
        strict(data[1])
    if words and attempt(*words) and "gate" in words:
        strict((runs / "gate.json").read_text())
    with contextlib.suppress(UserError):
        load_run(run)


@pytest.mark.parametrize("hostile", [*HOSTILE, "missing"])
def test_whatever_stands_in_a_field_is_refused_in_one_line_or_does_no_harm(runs: Path, hostile: str):
    whole = (runs / "base" / "outcomes.jsonl").read_text().splitlines()
    number = list(HOSTILE).index(hostile) % len(whole) if hostile in HOSTILE else 0
    row, base, spoilt = json.loads(whole[number]), runs / "base", runs / "next"
    readers = cycle([
        ("gate", base, spoilt, "--json", runs / "gate.json"),
        ("gate", spoilt, base, "--json", runs / "gate.json"),
        ("noise", base, spoilt, "--out", runs / "noise.json"),
        ("bless", spoilt, "--as", "fuzzed", "--runs", runs),
        (), (), (),
    ])  # fmt: skip
    assert len(list(places(row))) > 50
    for keys in places(row):
        text = spoil(row, keys, HOSTILE.get(hostile))
        changed = [text if index == number else line for index, line in enumerate(whole)]
        (spoilt / "outcomes.jsonl").write_text("".join(f"{line}\n" for line in changed))
        use(runs, spoilt, next(readers))


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"exact_matches": 2**31}, "counts.exact_matches: Input should be less than or equal to 2147483647"),
        ({"exact_matches": 7}, "counts: exact_matches is 7, more than name_matches, 1"),
        ({"schema_valid": 2, "known": 1}, "counts: schema_valid is 2, more than known, 1"),
        ({"matched_args": 90}, "counts: matched_args is 90, more than gold_args, 1"),
        ({"exact": 1}, "counts: exact is 1, where the outcome is parse_error"),
        (
            {"infra": 1},
            "counts: turn is not the sum of answered_call_turn, answered_no_call_turn, answered_either_turn, infra",
        ),
        ({"call_turn": 0}, "counts: answered_call_turn is 1, more than call_turn, 0"),
        ({"no_call_turn": 1}, "counts: turn is not the sum of call_turn, no_call_turn"),
        ({"gold_calls": 5, "predicted_calls": 1}, "counts: gold_calls is 5, where gold holds 1"),
        ({"attempts": -1}, "counts.attempts: Input should be greater than or equal to 0"),
        ({"turn": 2}, "counts.turn: Input should be 1"),
    ],
)
def test_counts_that_no_answer_can_have_are_refused_with_their_line(
    runs: Path, refused: Refused, counts: dict[str, int], problem: str
):
    path = runs / "next" / "outcomes.jsonl"
    first, second, third = (runs / "base" / "outcomes.jsonl").read_text().splitlines()
    row = json.loads(third)
    path.write_text("\n".join([first, second, json.dumps({**row, "counts": {**row["counts"], **counts}}), ""]))
    for words in (["gate", runs / "base", runs / "next"], ["bless", runs / "next"], ["report", runs / "next"]):
        assert f"{path}:3: {problem}".replace(": counts: ", ": Value error, counts: ") in refused(*words)


def test_the_counts_of_a_tool_are_those_of_the_turn(runs: Path, refused: Refused):
    path = runs / "next" / "outcomes.jsonl"
    text = (runs / "base" / "outcomes.jsonl").read_text()
    path.write_text(
        text.replace('"per_tool":{"get_weather":{"gold_calls":1', '"per_tool":{"get_weather":{"gold_calls":2', 1)
    )
    assert "per_tool: gold_calls, name_matches and exact_matches are not those of the turn" in refused(
        "gate", runs / "base", runs / "next"
    )
