"""How the base model reads: its template's catalog, its tokens, and how it grows."""

import pytest
from conftest import ROOT

from callproof.errors import UserError

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


@pytest.mark.parametrize("layers", [4, 5, 6, 9])
def test_a_grown_model_answers_as_before(layers: int) -> None:
    torch, base = pytest.importorskip("torch"), pytest.importorskip("train.base.base")
    config = transformers.Qwen3Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16,
    )  # fmt: skip
    small = transformers.Qwen3ForCausalLM(config).eval()
    config.num_hidden_layers, config.layer_types = layers, ["full_attention"] * layers
    large = transformers.Qwen3ForCausalLM(config).eval()
    large.load_state_dict(base.grown(small.state_dict(), layers))
    ids = torch.randint(0, 64, (2, 20))
    with torch.no_grad():
        assert torch.allclose(small(ids).logits, large(ids).logits, atol=1e-5)


def test_an_array_of_anything_is_read_as_one(tokenizer) -> None:
    parameters = {"type": "object", "properties": {"tags": {"type": "array"}}, "required": ["tags"]}
    tool = {"type": "function", "function": {"name": "mark", "description": "Mark it", "parameters": parameters}}
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tools=[tool], tokenize=False)
    assert "mark: Mark it (tags: array)\n" in text


def test_a_model_of_another_shape_is_no_earlier_pass(tokenizer, tmp_path) -> None:
    base = pytest.importorskip("train.base.base")
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=16,
    )  # fmt: skip
    transformers.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no model of an earlier pass: its shape differs"):
        base.train_base(tmp_path / "out", tmp_path)
