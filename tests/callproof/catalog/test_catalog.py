import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from callproof.calls import ToolCall
from callproof.catalog import Catalog, Tool, read_catalog
from callproof.catalog.catalog import MAX_PROBLEM_CHARACTERS
from callproof.catalog.plain_schemas import surely_a_schema
from callproof.errors import UserError

BOOK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "format": "date"},
        "seats": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1},
        "kind": {"enum": ["test", "visit"]},
        "who": {
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 1}, "mail": {"type": "string", "format": "email"}},
            "required": ["name"],
            "additionalProperties": False,
        },
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    },
    "required": ["day"],
    "additionalProperties": False,
}


def problems(schema: dict[str, Any], arguments: dict[str, Any]) -> list[str]:
    return Catalog(tools=(Tool(name="t", parameters=schema),)).problems(ToolCall(name="t", arguments=arguments))


def of_value(schema: dict[str, Any], value: Any) -> list[str]:
    return problems({"type": "object", "properties": {"v": schema}}, {"v": value})


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({}, "arguments: 'day' is a required property"),
        ({"day": "tomorrow"}, "day: 'tomorrow' is not a 'date'"),
        ({"day": "2026-02-30"}, "day: "),
        ({"day": 20260230}, "day: "),
        ({"day": "2026-01-01", "seats": "2"}, "seats: '2' is not of type 'integer'"),
        ({"day": "2026-01-01", "seats": True}, "seats: True is not of type 'integer'"),
        ({"day": "2026-01-01", "seats": 0}, "seats: 0 is less than the minimum of 1"),
        ({"day": "2026-01-01", "kind": "buy"}, "kind: 'buy' is not one of"),
        ({"day": "2026-01-01", "who": {}}, "who: 'name' is a required property"),
        ({"day": "2026-01-01", "who": {"name": "Zoé", "mail": "zoe"}}, "who.mail: 'zoe' is not a 'email'"),
        ({"day": "2026-01-01", "who": {"name": "Z", "x": 1}}, "who: Additional properties are not allowed ('x')"),
        ({"day": "2026-01-01", "tags": ["a", 1]}, "tags[1]: 1 is not of type 'string'"),
        ({"day": "2026-01-01", "tags": ["a", "a"]}, "tags: has non-unique elements"),
    ],
)
def test_a_problem_names_the_argument_and_the_reason(arguments: dict[str, Any], path: str) -> None:
    found = problems(BOOK, arguments)
    assert len(found) == 1
    assert found[0].startswith(path)


def test_a_valid_call_has_no_problems() -> None:
    arguments = {"day": "2026-01-01", "seats": 2.0, "kind": "test", "who": {"name": "Zoé"}, "tags": []}
    assert problems(BOOK, arguments) == []


def test_a_tool_without_parameters_takes_any_object() -> None:
    catalog = Catalog(tools=(Tool(name="now"),))
    assert catalog.problems(ToolCall(name="now")) == []


def test_an_unknown_tool_is_a_problem() -> None:
    assert Catalog(tools=()).problems(ToolCall(name="x")) == ["unknown tool 'x'"]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date", ["2026-02-28"], ["2026-2-28", "28.02.2026", "2026-02-29", "20260228", "2026-02-28T00:00"]),
        ("time", ["14:30", "14:30:00", "14:30:59.5", "14:30:00Z", "14:30+01:00"], ["24:00", "2 pm", "14h30", "14:60"]),
        ("date-time", ["2026-02-28T14:30:00Z", "2026-02-28T14:30"], ["2026-02-28", "2026-02-30T14:30", "28T14:30"]),
        ("email", ["a@b.ch", "é@zürich.ch"], ["a", "@b.ch", "a@", "a b@c.ch"]),
        ("ipv4", ["127.0.0.1"], ["256.1.1.1", "1"]),
        ("ipv6", ["::1"], ["127.0.0.1"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", "x"]),
        ("uri", ["https://example.ch/a?b#c", "mailto:a@b.ch"], ["example.ch", "https://a b"]),
        ("unheard-of", ["anything"], []),
    ],
)
def test_formats_are_asserted(form: str, good: list[str], bad: list[str]) -> None:
    schema = {"type": "string", "format": form}
    assert [value for value in good if of_value(schema, value)] == []
    assert [value for value in bad if not of_value(schema, value)] == []


def test_both_drafts_are_judged_by_their_own_rules() -> None:
    value = {"a": 1, "b": "x"}
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["c"]}}
    newest = {"$schema": "https://json-schema.org/draft/2020-12/schema", "dependentRequired": {"a": ["c"]}}
    assert problems(draft7, value) == ["arguments: 'c' is a dependency of 'a'"]
    assert problems(newest, value) == ["arguments: 'c' is a dependency of 'a'"]
    positional = {"items": [{"type": "string"}]}
    assert problems({"$schema": draft7["$schema"], "properties": {"v": positional}}, {"v": [1]})
    assert problems({"properties": {"v": {"prefixItems": [{"type": "string"}]}}}, {"v": [1]})


def test_references_inside_the_document_are_followed_even_in_a_circle() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"node": {"properties": {"next": {"$ref": "#/definitions/node"}, "id": {"pattern": "^(a+)+$"}}}},
        "properties": {"root": {"$ref": "#/definitions/node"}, "self": {"$ref": "#"}},
    }
    assert problems(schema, {"root": {"next": {"next": {"id": "aaa"}}}}) == []
    found = problems(schema, {"self": {"root": {"next": {"id": "a" * 40 + "!"}}}})
    assert [problem.split(":")[0] for problem in found] == ["self.root.next.id"]


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:9/x.json", "other.json", "#/$defs/none", "#nowhere", "http://["]
)
def test_a_reference_out_of_the_document_is_never_fetched(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    (problem,) = Catalog(
        tools=(Tool(name="t", parameters={"properties": {"a": {"$ref": reference}}}),)
    ).unusable.values()
    assert "leads nowhere" in problem


@pytest.mark.parametrize("keyword", ["pattern", "patternProperties", "propertyNames", "additionalProperties"])
@pytest.mark.parametrize(
    "draft", ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
)
def test_a_pathological_pattern_cannot_hang_a_run(keyword: str, draft: str) -> None:
    bad, text = "^(a+)+$", "a" * 60 + "!"
    schemas: dict[str, dict[str, Any]] = {
        "pattern": {"properties": {"v": {"pattern": bad}}},
        "patternProperties": {"patternProperties": {bad: False}, "properties": {"v": {"pattern": "b"}}},
        "propertyNames": {"propertyNames": {"pattern": bad}},
        "additionalProperties": {"patternProperties": {bad: True}, "additionalProperties": False},
    }
    started = time.process_time()
    assert problems({"$schema": draft, **schemas[keyword]}, {"v": text, text: 1})
    assert time.process_time() - started < 1


def test_pattern_properties_keep_their_meaning() -> None:
    schema = {"patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": {"type": "string"}}
    assert problems(schema, {"x-a": 1, "b": "c"}) == []
    assert problems(schema, {"x-a": "1", "b": 2}) == [
        "b: 2 is not of type 'string'",
        "['x-a']: '1' is not of type 'integer'",
    ]


@pytest.mark.parametrize("items", [[1, 1.0], [{"a": [1]}, {"a": [1.0]}], ["a", "a"], [None, None]])
def test_equal_items_are_not_unique(items: list[Any]) -> None:
    assert of_value({"uniqueItems": True}, items)


@pytest.mark.parametrize("items", [[1, True], [0, False], ["1", 1], [{}, []], [{"a": 1}, {"a": True}], []])
def test_items_of_different_types_are_unique(items: list[Any]) -> None:
    assert of_value({"uniqueItems": True}, items) == []


def test_unique_items_take_linear_time() -> None:
    started = time.process_time()
    assert of_value({"uniqueItems": True}, [{"a": number} for number in range(100_000)]) == []
    assert time.process_time() - started < 2


def test_deep_arguments_do_not_raise() -> None:
    value: Any = 1
    for _ in range(62):
        value = {"v": value}
    schema = {"$defs": {"n": {"anyOf": [{"properties": {"v": {"$ref": "#/$defs/n"}}}]}}, "$ref": "#/$defs/n"}
    assert len(problems(schema, {"v": value})) <= 1


def test_problems_are_few_and_short_whatever_the_arguments() -> None:
    found = problems({"additionalProperties": {"maxLength": 1}}, {str(number): "x" * 10_000 for number in range(500)})
    assert len(found) == 20
    assert max(map(len, found)) <= MAX_PROBLEM_CHARACTERS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "day", "who", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
value_schemas = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "number", "integer", "array", "object", ["null", "boolean"]]),
        "format": st.sampled_from(["date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "uri", "regex"]),
        "multipleOf": st.sampled_from([1, 0.1, 1e-300, 3]),
        "minimum": st.sampled_from([0, -1.5, 10**30]),
        "minLength": st.integers(0, 3),
        "uniqueItems": st.booleans(),
        "contains": st.just({"type": "string"}),
        "enum": st.lists(json_values, min_size=1, max_size=3),
        "const": json_values,
        "pattern": st.sampled_from(["^a", "(a+)+$", r"\d"]),
        "unevaluatedProperties": st.booleans(),
        "propertyNames": st.just({"maxLength": 1}),
        "not": st.just({"type": "null"}),
        "anyOf": st.just([{"type": "string"}, {"$ref": "#"}]),
    },
)


@given(value_schemas, st.dictionaries(st.sampled_from(["v", "day"]), json_values))
def test_no_schema_and_no_arguments_make_it_raise(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    problems({"properties": {"v": schema, "day": schema}}, arguments)


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308, 5e-324])
def test_numbers_beyond_floats_do_not_raise(value: float) -> None:
    of_value({"type": "number", "multipleOf": 0.1, "minimum": 0.5}, value)


GOOD: dict[str, Any] = {"type": "function", "function": {"name": "book", "parameters": BOOK, "strict": True}}


def test_a_catalog_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([GOOD, {"type": "function", "function": {"name": "now"}}]))
    assert list(read_catalog(path).by_name) == ["book", "now"]


def tool(parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "t", "parameters": parameters}}


BAD_FILES: dict[str, tuple[Any, str]] = {
    "malformed": ('[\n{"a": }]', "tools.json:2: malformed JSON"),
    "duplicate key": ('[{"type": "function", "type": "function"}]', "an object has a key twice"),
    "nested without end": ("[" * 100_000, "nested deeper"),
    "half a character": (
        [GOOD, tool({"properties": {"a": {"description": "\ud800"}}})],
        "1.function.parameters.properties.a.description: holds half a surrogate pair",
    ),
    "half a character in a key": (
        [tool({"properties": {"\ud83d": {}}})],
        "0.function.parameters.properties.\\ud83d: holds half a surrogate pair",
    ),
    "an object": ({}, "expected a list of tools"),
    "empty": ([], "expected a list of tools"),
    "no function": ([GOOD, {"name": "book"}], "tool 1 has no `function`"),
    "function of a wrong type": ([{"function": []}], "tool 0 has no `function`"),
    "no object": (["book"], "tool 0 has no `function`"),
    "no name": ([{"function": {"parameters": BOOK}}], "name"),
    "unknown key": ([{"function": {"name": "x", "paramters": BOOK}}], "unknown key 'paramters'"),
    "duplicate names": ([GOOD, GOOD], "2 tools have the name 'book'"),
    "parameters of a wrong type": ([tool([])], "parameters"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_catalog_is_one_line_that_names_the_place(case: str, tmp_path: Path) -> None:
    content, expected = BAD_FILES[case]
    path = tmp_path / "tools.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(UserError) as caught:
        read_catalog(path)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(str(path))
    assert "\n" not in message


def test_whole_characters_written_in_halves_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([{"function": {"name": "book", "description": "\U0001f697"}}], ensure_ascii=True))
    assert read_catalog(path).tools[0].description == "\U0001f697"


def test_a_missing_catalog_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read"):
        read_catalog(tmp_path / "none.json")


def test_a_validator_is_made_once_a_tool() -> None:
    tool = Tool(name="t", parameters=BOOK)
    assert tool.compiled is tool.compiled


def test_a_default_named_ref_or_pattern_is_no_keyword() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "pattern": {"default": {"$ref": "#/none", "pattern": "("}}}}
    assert problems(schema, {"$ref": "x"}) == []


NAMES = st.sampled_from(["v", "day", "w"])
plain_schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "boolean", "null", ["string", "null"]]),
            "enum": st.lists(st.sampled_from(["a", "b", 1, 1.0, True, None]), min_size=1),
            "description": st.just("text"),
            "x-match": st.just({"case": False}),
            "minimum": st.integers(-1, 1),
        },
    )
    | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["object", "array"])},
        optional={
            "items": inner,
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "required": st.lists(NAMES, unique=True, max_size=2),
            "additionalProperties": inner,
        },
    ),
    max_leaves=6,
)
plain_values = st.recursive(
    st.sampled_from(["a", "b", "", 0, 1, 1.0, 2.5, True, False, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("dialect", "oracle"),
    [
        ("https://json-schema.org/draft/2020-12/schema", Draft202012Validator),
        ("http://json-schema.org/draft-07/schema", Draft7Validator),
    ],
)
@given(schema=st.dictionaries(NAMES, plain_schemas), arguments=st.dictionaries(NAMES, plain_values))
def test_plain_schemas_accept_just_what_jsonschema_accepts(
    dialect: str, oracle: Any, schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    whole = {"$schema": dialect, "type": "object", "properties": schema}
    assert (problems(whole, arguments) == []) == oracle(whole).is_valid(arguments)


odd_values = st.sampled_from([None, True, 0, 1.5, "a", "string", [], ["a"], ["a", "a"], [1], {}])
odd_schemas = st.dictionaries(
    st.sampled_from(["type", "enum", "items", "properties", "required", "additionalProperties", "title", "examples"]),
    odd_values
    | st.sampled_from(["object", "array", {"v": {"type": "string"}}, {"type": "string"}, {"v": {"type": 1}}]),
    max_size=3,
)


@given(schema=odd_schemas)
def test_what_is_taken_for_a_schema_at_a_look_is_one(schema: dict[str, Any]) -> None:
    if surely_a_schema(schema):
        for draft in (Draft7Validator, Draft202012Validator):
            draft.check_schema(schema)


def test_the_schemas_of_most_tools_need_no_closer_look() -> None:
    tool = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Bern"]}}, "required": ["city"]}
    assert surely_a_schema({**tool, "additionalProperties": False})
    assert not surely_a_schema({**tool, "minProperties": 1})
