"""Argument confusion, without a browser."""

import random
from typing import Any

import pytest
from weather import call

from callproof.scoring import Answer, MatchProfile, Outcome, judge
from callproof.turns import GoldCall, Turn, catalog_of
from evaluate.report import confusion
from evaluate.report.confusion import Confusion, Place, verdicts
from evaluate.report.report import Explorer

PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "default": 1},
        "unit": {"enum": ["C", "F"]},
        "sky": {"anyOf": [{"type": "string", "enum": ["blue", "grey"]}, {"type": "null"}]},
        "place": {"type": "object", "properties": {"zip": {"type": "string", "pattern": "^[0-9]+$"}}},
        "a.b": {"type": "string"},
    },
    "additionalProperties": False,
}
RIGHT = {"city": "Bern", "unit": "C", "sky": "blue", "place": {"zip": "3000"}, "a.b": "x"}


def turn(number: int = 0, session: int = 0, **gold: Any) -> Turn:
    expected = GoldCall.model_validate({"name": "get_weather", "arguments": RIGHT, **gold})
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}
    return Turn(turn_id=str(number), session_id=str(session), position=1, messages=(), tools=(tool,), gold=(expected,))


def place(of: Turn, number: int = 0) -> Place:
    return Place(number, catalog_of(of), of.order)


def answer(of: Turn, profile: MatchProfile = "strict", **arguments: Any) -> Outcome:
    text = call("get_weather", **arguments)
    return judge(of, Answer(text=text), "tiny", catalog_of(of), profile=profile)


def mistakes(of: Turn, profile: MatchProfile = "strict", **arguments: Any) -> dict[str, tuple[str, ...]]:
    found = verdicts(answer(of, profile, **arguments), place(of), profile)
    return {each.argument: tuple(each.mistake) for each in found if each.mistake}


@pytest.mark.parametrize(
    ("argument", "value", "mistake"),
    [
        ("city", "Basel", ("wrong_value", "city", '"Bern"', '"Basel"')),
        ("city", 3000, ("wrong_type", "city", '"Bern"', "3000")),
        ("city", None, ("wrong_type", "city", '"Bern"', "null")),
        ("days", 3, ("wrong_value", "days", "1", "3")),
        ("days", 0, ("schema_invalid", "days", "1", "0")),
        ("days", True, ("wrong_type", "days", "1", "true")),
        ("unit", "K", ("not_in_enum", "unit", '"C"', '"K"')),
        ("sky", "red", ("not_in_enum", "sky", '"blue"', '"red"')),
        ("place", {"zip": "x"}, ("schema_invalid", "place.zip", '"3000"', '"x"')),
        ("place", {}, ("missing", "place.zip", '"3000"', "nothing")),
        ("a.b", "y", ("wrong_value", "a.b", '"x"', '"y"')),
        ("hour", 9, ("extra", "hour", "nothing", "9")),
    ],
)
def test_each_way_of_being_wrong_has_its_kind(argument: str, value: Any, mistake: tuple[str, ...]):
    assert mistakes(turn(), **{**RIGHT, argument: value}) == {argument: mistake}


def test_an_argument_that_is_left_out_is_missing():
    rest = {name: value for name, value in RIGHT.items() if name != "city"}
    assert mistakes(turn(), **rest) == {"city": ("missing", "city", '"Bern"', "nothing")}


def test_what_gold_accepts_besides_is_right_and_what_it_ignores_is_not_compared():
    gold = turn(any_of={"city": ["Berne"]}, ignore=("sky",), optional=("unit",))
    written = {**RIGHT, "city": "Berne", "sky": "red"}
    del written["unit"]
    found = list(verdicts(answer(gold, **written), place(gold), "strict"))
    assert [each.argument for each in found] == ["city", "unit", "place", "a.b"]
    assert not any(each.mistake for each in found)


def test_the_match_profile_of_the_run_decides_what_is_wrong():
    assert mistakes(turn(), "bfcl", **{**RIGHT, "city": "b-e-r-n"}) == {}
    assert mistakes(turn(), "bfcl", **{**RIGHT, "city": "Basel"}).keys() == {"city"}


def test_an_answer_has_wrong_args_if_and_only_if_an_argument_is_wrong():
    chance, values = random.Random(1), ["Bern", "Basel", 1, True, None, {"zip": "3000"}, {"zip": 1}, "C", "blue", "x"]
    gold = turn()
    for _ in range(300):
        changed = {
            name: chance.choice([RIGHT.get(name), *values]) for name in chance.sample([*RIGHT, "days", "new"], 2)
        }
        outcome = answer(gold, **{**RIGHT, **changed})
        wrong = any(each.mistake for each in verdicts(outcome, place(gold), "strict"))
        assert wrong == ("wrong_args" in outcome.labels)


def test_calls_of_another_tool_and_calls_without_gold_are_not_compared():
    other = judge(turn(), Answer(text=call("nothing", city="Bern")), "tiny", catalog_of(turn()))
    assert list(verdicts(other, place(turn()), "strict")) == []


def confused(cities: list[list[str]], sessions: int = 1) -> dict[str, Any]:
    """The table of models that write these cities, turn after turn."""
    found = Confusion(len(cities), "strict")
    for model, written in enumerate(cities):
        for number, city in enumerate(written):
            of = turn(number, number % sessions)
            found.add(model, place(of, number), answer(of, **{**RIGHT, "city": city}))
    return found.table()


def test_rates_are_of_compared_calls_and_mistakes_lead_to_their_turns():
    table = confused([["Bern", "Basel", "Basel", "Chur"], ["Bern"] * 4], sessions=4)
    (row,) = table["rows"]
    assert (row["tool"], row["argument"]) == ("get_weather", "city")
    assert [(rate["value"], rate["n"], rate["clusters"]) for rate in row["rates"]] == [(0.75, 4, 4), (0.0, 4, 4)]
    assert row["rates"][0]["low"] < 0.75 < row["rates"][0]["high"]
    assert {each["got"]: each["turns"] for each in row["mistakes"]} == {'"Basel"': [[1, 2], []], '"Chur"': [[3], []]}
    assert (table["right"], table["left_out"]) == (4, 0)


def test_what_a_model_writes_cannot_make_the_table_large(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(confusion, "MAX_ARGUMENTS", 3)
    found, of = Confusion(1, "strict"), turn()
    long = "n" * 1_000_000
    for number in range(10):
        found.add(0, place(of), answer(of, **{**RIGHT, "city": long, f"{number}{long}": long}))
    table = found.table()
    assert table["rows"][0]["argument"] == "city"
    assert (len(table["rows"]), table["left_out"]) == (3, 8)
    assert len(str(table)) < 3_000


def test_of_repeated_answers_the_first_wrong_one_is_shown_and_every_one_is_counted():
    of = turn()
    cities = ("Bern", "Basel", "Chur", "Bern")
    explorer = Explorer(["tiny"], [of], "strict")
    for city in cities:
        explorer.add("tiny", answer(of, **{**RIGHT, "city": city}))
    tables = explorer.tables()
    assert tables["answers"][0][0]["calls"][0]["arguments"]["city"] == "Basel"
    assert tables["confusion"]["rows"][0]["rates"][0]["n"] == 4
