"""Each of BFCL's handlers by hand-made answers: what it reads, and what it takes for no call."""

import json
from typing import Any

import pytest

from callproof.calls import ToolCall
from callproof.catalog import Catalog, Tool
from callproof.scoring import Answer, judge
from callproof.scoring.bfcl import HANDLERS, BfclReading, read_items
from callproof.turns import GoldCall, Turn

ONE = [{"f": {"a": 1}}]
BOTH = [{"f": {"a": 1}}, {"g": {"b": "x"}}]
JSON_F, JSON_G = '{"name": "f", "arguments": {"a": 1}}', '{"name": "g", "arguments": {"b": "x"}}'

# handler -> text -> calls; none where the handler cannot read it
TEXTS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "hermes": {
        f"<tool_call>\n{JSON_F}\n</tool_call>\n<tool_call>\n{JSON_G}\n</tool_call>": BOTH,
        "<tool_call>\n{'name': 'f', 'arguments': {'a': 1}}\n</tool_call>": ONE,
        "<tool_call>\n" + JSON_F.replace("1", '"it\'s"') + "\n</tool_call>": [],
        f"Well.\n<tool_call>\n{JSON_F}": ONE,
        f"<tool_call>{JSON_F}</tool_call>": [],
        f"<tool_call>\n\n{JSON_F}\n</tool_call>": [],
        f"<tool_call>\n{JSON_F}\n</tool_call>\n<tool_call>\n{{\n</tool_call>": [],
    },
    "granite": {
        f"<function_call> {JSON_F}<function_call> {JSON_G}": BOTH,
        JSON_F: ONE,
        '<function_call> {"name": " f ", "arguments": {"a": 1}}': ONE,
        '<function_call> {"name": "no_function", "arguments": {}}': [],
        f"Here: <function_call> {JSON_F}": [],
        "": [],
    },
    "glm": {
        'f\n{"a": 1}': ONE,
        'f\n{"a": 1}\nmore': ONE,
        "f": [],
        "f\n{'a': 1}": [],
        f"\n{JSON_F}": [{"": json.loads(JSON_F)}],
    },
    "xlam": {
        f'\n{{"tool_calls": [{JSON_F}, {JSON_G}]}}': BOTH,
        f"[{JSON_F}, 5]": ONE,
        '{"tool_calls": []}': [],
        f"```\n[{JSON_F}]\n```": [],
        "5": [],
    },
    "glaive": {
        f"Well. <functioncall> {JSON_F}": ONE,
        '<functioncall> {"name": "f", "arguments": \'{"a": 1}\'}': ONE,
        f"<functioncall> {JSON_G} <functioncall> {JSON_F}": ONE,
        f"<functioncall> {JSON_F} <|endoftext|>": [],
        '<functioncall> {"name": "f", "arguments": []}': [],
    },
    "gpt": {
        "[f(a=1), g(b='x')]": BOTH,
        "\n\n[f(a=1)]": ONE,
        "f(a=1), g(b='x')": BOTH,
        "f(a=1)": [],
        "[f(a=1)": [],
        "[]": [],
    },
    "command_r": {"f(a=1)": ONE, "[f(a=1)": ONE, "[f(a=1),\n g(b='x')]": BOTH, " [f(a=1)]": [], "": []},
    "claude": {" [f(a=1)]": ONE, "f(a=1)": ONE, "  [f(a=1)]": [], "[f(a=1)]\n": [], "": []},
    "mistral": {"f\\_h(a=1)": [{"f_h": {"a": 1}}], " f(a=1)": ONE, " [f(a=1)]": []},
    "llama": {"\n\n[f(a=1)\n,\ng(b='x')]": BOTH, "f(\na=1\n)\n": ONE, "[f(a=1)] fits.": []},
    "gorilla": {"f(a=1), g(b='x')": BOTH, "[f(a=1)]": [], "f(a=1)\ng(b='x')": []},
    "nemotron": {
        "f(a=1)": ONE,
        "['f(a=1)', 'g(b=\"x\")']": BOTH,
        "\n[f(a=1)]": ONE,
        "['f(a=1)'": [],
        "['a', f(a=1)]": [],
    },
    "dbrx": {"f(a='h(b=1)')": [{"f": {"a": {"h": {"b": 1}}}}], "[f(a='x y')]": [{"f": {"a": "x y"}}], "f(a='x y')": []},
    "deepseek": {
        "So:\n```\n[f(a=1), g(b='x')]\n```": BOTH,
        "```python\n[f(a=1)][g(b='x')]```": ONE,
        "[f(a=1)]": [],
        "```\n[f(a=[1])]```": [],
    },
    "gemma": {"```python\n[f(a=1), g(b='x')]\n```": BOTH, "So: [f(a=1)].": ONE, "f(a=1)": [], "See [1]: [f(a=1)]": []},
    "raven": {
        "f(a=1);g(b='x');": BOTH,
        "f(a=1)": ONE,
        "f(a='x;y')": [{"f": {"a": "x,y"}}],
        "out_of_domain(user_query='x')": [],
    },
}
CASES = [(handler, text) for handler, texts in TEXTS.items() for text in texts]


def test_every_handler_of_text_has_cases() -> None:
    assert set(TEXTS) == set(HANDLERS) - {"tool_calls", "gemini"}


@pytest.mark.parametrize(("handler", "text"), CASES)
def test_text_is_read_as_the_handler_reads_it(handler: str, text: str) -> None:
    assert read_items(handler, text) == TEXTS[handler][text]


def served(name: str | None, arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


# text, tool calls -> calls of `tool_calls`, of `gemini`
SERVED: dict[str, tuple[str, list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]] = {
    "JSON text": ("", [served("f", '{"a": 1}'), served("g", '{"b": "x"}')], BOTH, BOTH),
    "an object": ("", [served("f", {"a": 1})], ONE, ONE),
    "text beside": ("So:", [served("f", '{"a": 1}')], ONE, []),
    "text alone": ("[f(a=1)]", [], [], []),
    "no JSON": ("", [served("f", '{"a": 1}'), served("g", "{'b': 'x'}")], [], []),
    "no arguments": ("", [served(None, None)], [], []),
}


@pytest.mark.parametrize("case", SERVED)
def test_tool_calls_are_read_whole_or_not_at_all(case: str) -> None:
    text, calls, tool_calls, gemini = SERVED[case]
    assert read_items("tool_calls", text, calls) == tool_calls
    assert read_items("gemini", text, calls) == gemini


POINT = {"type": "array", "items": {"type": "number"}}
CATALOG = Catalog(
    tools=(
        Tool(
            name="geo_near",
            parameters={"type": "object", "properties": {"at": {**POINT, "format": "tuple"}, "size": POINT}},
        ),
    )
)
TURN = Turn(
    turn_id="t",
    session_id="s",
    position=1,
    messages=({"role": "user", "content": "Near?"},),
    tools=tuple(tool.wire() for tool in CATALOG.tools),
    gold=(GoldCall(name="geo_near", arguments={"at": [1.5, 2.5]}, optional=("size",), any_of={"size": ([1.5],)}),),
    source_names={"geo_near": "geo.near"},
)


def outcome(text: str, handler: str = "gpt", source_names: bool = True, turn: Turn = TURN) -> str:
    reading = BfclReading(handler, source_names)
    return judge(turn, Answer(text=text), "m", CATALOG, profile="bfcl", reading=reading).outcome


def test_tools_are_called_by_their_names_at_the_source_or_by_those_of_the_wire() -> None:
    assert outcome("[geo.near(at=[1.5, 2.5])]") == "ok"
    assert outcome("[geo_near(at=[1.5, 2.5])]") == "unknown_tool"
    assert outcome("[geo.near(at=[1.5, 2.5])]", source_names=False) == "unknown_tool"
    assert outcome("[geo_near(at=[1.5, 2.5])]", source_names=False) == "ok"


def test_a_call_by_the_other_name_says_which_one_was_wanted() -> None:
    reading = BfclReading("gpt", source_names=True)
    found = judge(TURN, Answer(text="[geo_near(at=[1.5])]"), "m", CATALOG, profile="bfcl", reading=reading)
    assert found.reasons[0] == 'unknown tool "geo_near (not geo.near)"'


def test_a_tuple_is_right_only_where_one_is_declared() -> None:
    assert outcome("[geo.near(at=(1.5, 2.5))]") == "ok"
    assert outcome("[geo.near(at=[1.5, 2.5], size=[1.5])]") == "ok"
    assert outcome("[geo.near(at=[1.5, 2.5], size=(1.5,))]") == "wrong_args"


def test_what_cannot_be_read_is_no_call() -> None:
    no_call = TURN.model_copy(update={"gold": ()})
    for text in ("geo.near(at=[1.5])", "[geo.near()]", "[geo.near(at=[1.5]), 5]", "Sorry.", ""):
        assert outcome(text) == "missed_call"
        assert outcome(text, turn=no_call) == "ok"
    assert outcome("[f(a=1)]", turn=no_call) == "hallucinated_call"


@pytest.mark.parametrize(
    ("handler", "text", "name", "arguments"),
    [
        ("gpt", "[f(a=1j, b=b'x', c={1: 2})]", "f", {"a": "1j", "b": "b'x'", "c": {"1": 2}}),
        ("gpt", "[f(a='\\ud800')]", "f", {"a": "\ufffd"}),
        ("granite", '{"name": "", "arguments": [1]}', "(no name)", {"": [1]}),
        ("glm", "f\n" + "[" * 80 + "]" * 80, "f", {"": None}),
    ],
)
def test_calls_hold_only_what_json_can(handler: str, text: str, name: str, arguments: dict[str, Any]) -> None:
    reading = BfclReading(handler, source_names=False)
    found = judge(TURN, Answer(text=text), "m", CATALOG, profile="bfcl", reading=reading)
    (call,) = found.calls
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments) == (name, arguments)
    assert type(found).model_validate_json(found.model_dump_json()).calls == found.calls
