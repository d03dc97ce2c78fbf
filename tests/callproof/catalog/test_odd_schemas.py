"""Schemas as tools really have them, and as nobody should: judged, refused at the tool, or unjudged; never a crash."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callproof.calls import ToolCall
from callproof.catalog import Catalog, Tool, Validity, read_catalog

DRAFT = "http://json-schema.org/draft-0{}/schema#"
COSTLY, TEXT = r"^(?:(a|aa)(?=[ab!]))+$", "a" * 60 + "!!"


def validity(schema: dict[str, Any], arguments: dict[str, Any]) -> Validity:
    return Catalog(tools=(Tool(name="t", parameters=schema),)).validity(ToolCall(name="t", arguments=arguments))


def of_value(schema: dict[str, Any], value: Any) -> Validity:
    return validity({"type": "object", "properties": {"v": schema}}, {"v": value})


def refusal(schema: dict[str, Any]) -> str:
    """What is wrong with a schema that cannot be used."""
    (problem,) = Catalog(tools=(Tool(name="t", parameters=schema),)).unusable.values()
    return problem


@pytest.mark.parametrize(
    ("factor", "good", "bad"),
    [
        (0.01, [19.99, 0.01, 1.15, 4.35, 0, 999.99, 20], [19.995, 0.001]),
        (0.1, [0.3, 1.1, -0.7], [0.35]),
        (0.05, [1.15, 0.35], [1.12]),
        (1e-8, [12391239123, 0.00000001], [1e-9]),
        (3, [9, 9.0, 10**400 * 3], [10, 10**400]),
        (1e-300, [1e300, 5], [5e-324]),
    ],
)
def test_a_multiple_is_one_in_decimals(factor: float, good: list[float], bad: list[float]) -> None:
    schema = {"type": "number", "multipleOf": factor}
    assert [number for number in good if of_value(schema, number) != Validity([])] == []
    assert [number for number in bad if not of_value(schema, number).problems] == []


def test_every_price_in_cents_below_1000_is_a_multiple_of_a_cent() -> None:
    schema = {"type": "number", "multipleOf": 0.01}
    assert [cents for cents in range(100_000) if cents % 7 == 0 and of_value(schema, cents / 100).problems] == []


@pytest.mark.parametrize(
    ("draft", "schema", "good", "bad"),
    [
        (DRAFT.format(4), {"maximum": 5, "exclusiveMaximum": True}, 4, 5),
        (DRAFT.format(6), {"exclusiveMaximum": 5}, 4, 5),
        (DRAFT.format(7), {"if": {"minimum": 3}, "then": {"maximum": 5}}, 4, 6),
        (DRAFT.format(7).replace("http:", "https:"), {"items": [{"type": "string"}]}, ["a"], [1]),
        ("https://json-schema.org/draft/2019-09/schema", {"items": [{"type": "string"}]}, ["a", 1], [1]),
        ("https://json-schema.org/draft/2020-12/schema", {"prefixItems": [{"type": "string"}]}, ["a", 1], [1]),
    ],
)
def test_each_draft_is_judged_by_its_own_rules(draft: str, schema: dict[str, Any], good: Any, bad: Any) -> None:
    whole = {"$schema": draft, "properties": {"v": schema}}
    assert validity(whole, {"v": good}) == Validity([])
    assert validity(whole, {"v": bad}).problems


def test_the_same_schema_key_further_down_changes_nothing() -> None:
    node = {"$schema": DRAFT.format(7), "type": "string", "pattern": "^(a+)+$"}
    schema = {"$schema": DRAFT.format(7), "properties": {"v": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}}
    assert validity(schema, {"v": "aaa"}) == Validity([])
    assert validity(schema, {"v": "a" * 40 + "!"}).problems


def test_null_is_valid_where_openapi_says_nullable() -> None:
    for schema in (
        {"type": "string", "nullable": True},
        {"type": "string", "enum": ["a"], "nullable": True},
        {"allOf": [{"$ref": "#"}], "nullable": True},
    ):
        assert of_value(schema, None) == Validity([])
    assert of_value({"type": "string", "nullable": True}, 1).problems == ["v: 1 is not of type 'string'"]
    assert of_value({"type": "string", "nullable": False}, None).problems
    assert of_value({"type": "array", "items": {"type": "string", "nullable": True}}, ["a", None]) == Validity([])
    assert of_value({"anyOf": [{"type": "string", "nullable": True}, {"type": "integer"}]}, None) == Validity([])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"properties": {"a": {"type": "strin"}}}, "parameters.properties.a.type is no usable JSON Schema"),
    "upper-case type": ({"properties": {"a": {"type": "STRING"}}}, "expected a type of array, boolean, integer, null"),
    "properties null": ({"type": "object", "properties": None}, "parameters.properties is no usable"),
    "required null": ({"type": "object", "required": None}, "parameters.required is no usable"),
    "required true": ({"properties": {"a": {"required": True}}}, "parameters.properties.a.required is no usable"),
    "draft 3": ({"$schema": "http://json-schema.org/draft-03/schema#"}, "draft-04/schema, got 'http"),
    "no draft": ({"$schema": 7}, "got 7"),
    "another draft inside": (
        {"properties": {"a": {"$schema": DRAFT.format(7)}}},
        "draft-07/schema#' inside a document",
    ),
    "an unknown draft inside": ({"properties": {"a": {"$schema": "x:y"}}}, "'x:y' inside a document"),
    "dangling reference": ({"properties": {"a": {"$ref": "#/$defs/a"}}}, "'#/$defs/a' leads nowhere"),
    "remote reference": ({"$ref": "https://example.com/a.json"}, "nothing is fetched"),
    "bad address": ({"$id": "http://[::1", "$ref": "x"}, "no usable JSON Schema"),
    "a reference to no schema": ({"$ref": "#/examples/0", "examples": [3]}, "#/examples/0"),
    "a bad schema in the examples": (
        {"properties": {"a": {"$ref": "#/examples/0"}}, "examples": [{"type": "strin"}]},
        "#/examples/0: type",
    ),
    "a bad pattern where no schema is looked for": (
        {"properties": {"a": {"$ref": "#/x-defs/a"}}, "x-defs": {"a": {"pattern": "("}}},
        "pattern '('",
    ),
    "draft 7 with a bad $defs": (
        {"$schema": DRAFT.format(7), "$ref": "#/$defs/a", "$defs": {"a": {"minLength": "3"}}},
        "#/$defs/a: minLength",
    ),
    "inline flag": ({"properties": {"a": {"pattern": "(?i)a"}}}, "'(?i)a' cannot be searched as ECMA-262 means it"),
    "misspelt relaxation": ({"properties": {"a": {"x-match": {"cases": False}}}}, "x-match"),
    "relaxation of a wrong type": ({"properties": {"a": {"x-match": {"tolerance": True}}}}, "x-match"),
    "tolerance without end": ({"properties": {"a": {"x-match": {"tolerance": float("inf")}}}}, "x-match"),
    "instant without format": ({"properties": {"a": {"type": "string", "x-match": {"instant": True}}}}, "date-time or"),
    "unordered of a wrong type": ({"properties": {"a": {"x-unordered": "yes"}}}, "x-unordered"),
    "patterns beside unevaluated ones": (
        {"unevaluatedProperties": False, "allOf": [{"patternProperties": {"a": {}}}]},
        "`patternProperties` with `unevaluatedProperties`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_odd_schema_is_refused_at_its_tool_in_one_line(case: str) -> None:
    schema, words = REFUSED[case]
    assert words in refusal(schema)
    assert "\n" not in refusal(schema)
    verdict = validity(schema, {"a": 1})
    assert verdict.problems == []
    assert verdict.unjudged == refusal(schema)


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"items": schema}
    assert "nested more than 256 deep" in refusal({"properties": {"v": schema}})


def test_references_into_examples_and_definitions_are_followed() -> None:
    schema = {"properties": {"v": {"$ref": "#/examples/0"}}, "examples": [{"type": "string"}]}
    assert validity(schema, {"v": 1}).problems == ["v: 1 is not of type 'string'"]
    older = {"$schema": DRAFT.format(7), "properties": {"v": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"minLength": 2}}}
    assert validity(older, {"v": "a"}).problems
    assert validity(older, {"v": "ab"}) == Validity([])


def test_one_odd_tool_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tools.json"
    schemas = {"odd": {"type": "object", "properties": None}, "good": {"required": ["a"]}}
    path.write_text(json.dumps([{"function": {"name": name, "parameters": schemas[name]}} for name in schemas]))
    catalog = read_catalog(path)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: the calls of tool 'odd' are not checked: parameters.properties is no usable")
    assert catalog.problems(ToolCall(name="good")) == ["arguments: 'a' is a required property"]
    assert catalog.validity(ToolCall(name="odd")).unjudged


def test_a_value_that_no_pattern_can_judge_is_unjudged() -> None:
    verdict = of_value({"pattern": COSTLY}, TEXT)
    assert verdict.problems == []
    assert verdict.unjudged is not None
    assert "gave up after" in verdict.unjudged


@pytest.mark.parametrize(
    ("schema", "problems", "unjudged"),
    [
        ({"anyOf": [{"pattern": COSTLY}, {"type": "string"}]}, 0, False),
        ({"anyOf": [{"pattern": COSTLY}, {"type": "integer"}]}, 0, True),
        ({"allOf": [{"pattern": COSTLY}, {"maxLength": 3}]}, 1, False),
        ({"pattern": COSTLY, "type": "string", "maxLength": 3}, 1, False),
        ({"not": {"pattern": COSTLY}}, 0, True),
        ({"oneOf": [{"pattern": COSTLY}, {"type": "string"}, {"minLength": 1}]}, 1, False),
        ({"if": {"pattern": COSTLY}, "then": {"maxLength": 3}, "else": {"maxLength": 2}}, 1, False),
        ({"if": {"pattern": COSTLY}, "then": {"minLength": 3}, "else": {"minLength": 2}}, 0, False),
    ],
)
def test_an_open_question_decides_only_where_its_answer_matters(
    schema: dict[str, Any], problems: int, unjudged: bool
) -> None:
    verdict = of_value(schema, TEXT)
    assert len(verdict.problems) == problems
    assert (verdict.unjudged is not None) == unjudged


def test_names_that_no_pattern_can_judge_are_unjudged() -> None:
    schema = {"patternProperties": {COSTLY: {"type": "integer"}}}
    assert validity(schema, {TEXT: 1}) == Validity([])
    assert validity(schema, {TEXT: "a"}).unjudged


def doubling(keyword: str, last: dict[str, Any]) -> dict[str, Any]:
    steps = {f"a{n}": {keyword: [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(28)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, "a28": last}}


@pytest.mark.parametrize(
    "schema",
    [
        doubling("allOf", {"type": "object"}),
        doubling("anyOf", {"type": "string"}),
        {"$ref": "#"},
        {"if": {"$ref": "#"}},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"dependentSchemas": {"x": {"$ref": "#"}}},
    ],
)
def test_schemas_without_end_are_unjudged_within_seconds(schema: dict[str, Any]) -> None:
    started = time.process_time()
    tool = Tool(name="t", parameters=schema)
    assert tool.validity({"x": 1}).unjudged
    tool.shape.property("x")
    assert time.process_time() - started < 20


def test_a_long_enumeration_takes_linear_time() -> None:
    words = [f"word {number}" for number in range(20_000)]
    started = time.process_time()
    schema = {"type": "array", "items": {"type": "string", "enum": words}}
    assert of_value(schema, words[::-4]) == Validity([])
    assert of_value(schema, ["none"]).problems
    assert time.process_time() - started < 4


@pytest.mark.parametrize("values", [[1], [[0]], [{"a": 1}], ["1"]])
def test_an_enumeration_never_takes_a_boolean_for_a_number(values: list[Any]) -> None:
    for value in (True, [False], {"a": True}):
        assert of_value({"enum": values}, value).problems
        assert of_value({"const": values[0]}, value).problems
    assert of_value({"enum": [*values, 2.0]}, 2) == Validity([])


@pytest.mark.parametrize("kind", ["plain", "null", "unevaluated"])
def test_a_tree_as_deep_as_an_answer_may_be_is_judged(kind: str) -> None:
    child: dict[str, Any] = {"$ref": "#/$defs/n"}
    node: dict[str, Any] = {"type": "object", "properties": {"child": child}}
    if kind != "plain":
        node["properties"]["child"] = {"anyOf": [child, {"type": "null"}]}
    if kind == "unevaluated":
        node = {"type": "object", "allOf": [{"properties": node["properties"]}]}
    schema = {"properties": {"root": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}}
    value: Any = {}
    for _ in range(60):
        value = {"child": value}
    assert validity(schema, {"root": value}) == Validity([])
    assert validity(schema, {"root": {"child": 3}}).problems


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
references = st.sampled_from(
    ["#", "#/$defs/a", "#/properties/v", "#/examples/0", "#a", "b", "http://[", "#/%ZZ/~3", ""]
)
keywords = st.sampled_from(
    "type enum const multipleOf maximum exclusiveMaximum minLength pattern items prefixItems additionalItems "
    "contains uniqueItems minContains properties patternProperties additionalProperties required "
    "dependentRequired propertyNames dependentSchemas dependencies allOf anyOf oneOf not if then else $ref "
    "$dynamicRef $recursiveRef $id id $anchor $dynamicAnchor $schema $defs definitions format default nullable "
    "x-match x-unordered unevaluatedItems unevaluatedProperties examples $vocabulary $comment".split()
)
patterns = st.sampled_from(["^a", "(a+)+$", r"\p{L}", "(", r"(a)\1", COSTLY, "(?i)a", "\ud800"])
drafts = st.sampled_from([DRAFT.format(4), DRAFT.format(7), "https://json-schema.org/draft/2019-09/schema", "x:y"])
hostile = st.recursive(
    odd | st.just({}) | st.just({"type": "object"}),
    lambda inner: st.dictionaries(
        keywords,
        st.one_of(
            inner,
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["v", "a", "^a", "$ref"]), inner, max_size=2),
            references,
            patterns,
            drafts,
            st.sampled_from(["string", "array", ["null", "object"], 0.1, 1e-300, {"instant": True}]),
        ),
        max_size=4,
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(keywords, hostile, max_size=5),
    st.dictionaries(st.sampled_from(["v", "a", "$ref"]), odd, max_size=3),
)
def test_no_schema_and_no_arguments_make_judging_raise(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    tool = Tool.model_construct(name="t", description=None, parameters=schema)
    verdict = tool.validity(arguments)
    assert not (verdict.problems and verdict.unjudged)
    assert all("\n" not in line for line in (*verdict.problems, verdict.unjudged or ""))
    tool.shape.property("v").item(0)
    tool.refusing_keywords(arguments)
