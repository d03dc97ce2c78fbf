"""How the base model reads: its template's catalog, its tokens, and what its loss looks at."""

import random

import pytest
from conftest import ROOT

from callproof.prompt import template_messages
from synth.curriculum.lessons import DENSE, lesson
from train.encode import IGNORED, Encoder

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(str(ROOT / "models/tiny"))


def shown(tokenizer, parameters: dict) -> str:
    """The line of a tool with these parameters in the prompt."""
    tool = {"type": "function", "function": {"name": "t", "description": "Does it", "parameters": parameters}}
    text = tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tools=[tool], tokenize=False)
    return text.split("<tools>\n")[1].split("\n</tools>")[0]


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date"}, "date"),
        ({"type": "string", "enum": ["a", "b"]}, "a|b"),
        ({"type": "integer", "enum": [24, 36]}, "integer 24|36"),
        ({"type": "boolean", "default": False}, "boolean = false"),
        ({"type": "array", "items": {"type": "string", "enum": ["x", "y"]}}, "[x|y]"),
        ({"type": "string", "description": "In francs"}, 'string "In francs"'),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]},
            "(a: integer, b?: {})",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, '{"anyOf": [{"type": "string"}, {"type": "null"}]}'),
        ({"type": ["string", "null"]}, '{"type": ["string", "null"]}'),
        ({"$ref": "#/$defs/q"}, '{"$ref": "#/$defs/q"}'),
        (True, "true"),
    ],
)
def test_the_template_shows_every_form_of_schema(tokenizer, schema, form) -> None:
    parameters = {"type": "object", "properties": {"p": schema}}
    assert shown(tokenizer, parameters) == f"t: Does it (p?: {form})"


def test_the_template_shows_a_tool_without_parameters(tokenizer) -> None:
    assert shown(tokenizer, {"type": "object", "properties": {}}) == "t: Does it ()"


def test_a_word_is_the_same_tokens_in_a_sentence_and_in_json(tokenizer) -> None:
    for word in ("Rüegsegger", "dashcam", "Kangoo"):
        alone = tokenizer(word)["input_ids"]
        for text in (f"see {word} now", f'{{"name": "{word}"}}', f"{word}."):
            ids = tokenizer(text)["input_ids"]
            assert any(ids[at : at + len(alone)] == alone for at in range(len(ids))), text


def test_the_loss_weighs_the_tokens_that_decide(tokenizer) -> None:
    base = pytest.importorskip("train.base")
    marks = tokenizer.get_vocab()
    rng = random.Random(2)
    for _ in range(20):
        talk = lesson(rng, DENSE)
        (row,) = Encoder(tokenizer).rows(talk)
        weights = base.loss_weights(row, marks)
        assert [weight > 0 for weight in weights] == [label != IGNORED for label in row.labels]
        named = [row.input_ids[at] for at, weight in enumerate(weights) if weight in (base.NAME, base.DECISION)]
        text = tokenizer.decode(named)
        for message in template_messages(talk.messages):
            for call in message.get("tool_calls") or ():
                assert f'"name": "{call["function"]["name"]}"' in text
