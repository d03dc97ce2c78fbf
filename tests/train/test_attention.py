"""Attention in blocks is the attention of the model, for rows of any length and padding on the right."""

import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("length", [1, 255, 256, 257, 600])
def test_logits_equal_those_of_the_usual_attention(length: int) -> None:
    from train import attention

    model = transformers.AutoModelForCausalLM.from_pretrained(str(ROOT / "models/tiny"), dtype=torch.float32).eval()
    torch.manual_seed(length)
    ids = torch.randint(0, model.config.vocab_size, (2, length))
    with torch.no_grad():
        usual = model(ids).logits
        model.set_attn_implementation(attention.register())
        in_blocks = model(ids).logits
    assert torch.allclose(usual, in_blocks, atol=1e-3)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_llama_is_attended_to_alike(groups: int) -> None:
    from train import attention

    torch.manual_seed(groups)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4 // groups,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    ids = torch.randint(0, 64, (2, 300))
    with torch.no_grad():
        usual = model(ids).logits
        model.set_attn_implementation(attention.register())
        assert torch.allclose(usual, model(ids).logits, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "stands"),
    [({}, True), ({"attention_dropout": 0.1}, False), ({"sliding_window": 64, "use_sliding_window": True}, False)],
)
def test_it_stands_for_plain_causal_attention_only(change: dict, stands: bool) -> None:
    from train import attention

    assert attention.stands_for(transformers.Qwen3Config(**change)) is stands
    assert not attention.stands_for(transformers.GPT2Config())


def test_padding_on_the_right_changes_nothing_before_it() -> None:
    from train import attention

    model = transformers.AutoModelForCausalLM.from_pretrained(str(ROOT / "models/tiny"), dtype=torch.float32).eval()
    model.set_attn_implementation(attention.register())
    ids = torch.randint(0, model.config.vocab_size, (1, 300))
    padded = torch.cat([ids, torch.zeros(1, 90, dtype=torch.long)], dim=1)
    mask = torch.cat([torch.ones(1, 300), torch.zeros(1, 90)], dim=1)
    with torch.no_grad():
        assert torch.allclose(model(ids).logits, model(padded, attention_mask=mask).logits[:, :300], atol=1e-3)
