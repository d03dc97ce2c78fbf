"""What trains faster on a CPU computes the same: losses and gradients of the usual layers, with a LoRA and without."""

import pytest
from conftest import ROOT

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "head_dim": 16,
    "initializer_range": 0.3,
}


def pair(lora: dict | None = None, family: str = "Qwen3", **shape):
    """A model of random weights, and the same one quickened; with a LoRA that changes its answers, if given."""
    from train.cpu import gathers, quicken

    made = []
    for quick in (False, True):
        torch.manual_seed(3)
        config = getattr(transformers, f"{family}Config")(**{**SHAPE, "num_key_value_heads": 4, **shape})
        model = getattr(transformers, f"{family}ForCausalLM")(config)
        if lora is not None:
            model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **lora))
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(weight, std=0.1)
        if quick:
            quicken(model)
        assert gathers(model) is quick
        made.append(model.train())
    return made


def batch(lengths: tuple[int, ...]) -> dict:
    """Rows padded on the right, of which a third is supervised."""
    torch.manual_seed(sum(lengths))
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, 96, (length,))
        chosen = torch.rand(length) < 1 / 3
        chosen[-1] = True
        labels[row, :length][chosen] = ids[row, :length][chosen]
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return {"input_ids": ids, "labels": labels, "attention_mask": mask.long()}


def gradients(model, inputs: dict, weights=None):
    from train.loop.loss import supervised_loss

    model.zero_grad()
    loss = supervised_loss(model, inputs, weights)
    loss.backward()
    return loss.item(), {name: weight.grad.float() for name, weight in model.named_parameters() if weight.requires_grad}


def assert_alike(one, other, relative: float) -> None:
    assert other[0] == pytest.approx(one[0], rel=relative)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        assert (other[1][name] - gradient).norm() <= relative * gradient.norm() + 1e-7, name


@pytest.mark.parametrize("lora", [None, {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}])
@pytest.mark.parametrize("shared", [4, 2, 1])
@pytest.mark.parametrize("lengths", [(2,), (40, 23), (300, 256, 257)])
def test_loss_and_gradients_are_those_of_the_usual_layers(lora: dict | None, shared: int, lengths) -> None:
    usual, quick = pair(lora, num_key_value_heads=shared)
    inputs = batch(lengths)
    weights = torch.rand(inputs["labels"].shape)
    assert_alike(gradients(usual, inputs), gradients(quick, inputs), 1e-4)
    assert_alike(gradients(usual, inputs, weights), gradients(quick, inputs, weights), 1e-4)


@pytest.mark.parametrize("family", ["Llama", "Qwen2"])
@pytest.mark.parametrize("shared", [4, 1])
def test_so_are_those_of_heads_without_a_norm_and_of_projections_with_a_bias(family: str, shared: int) -> None:
    lora = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear"}
    shape = {"attention_bias": True, "mlp_bias": True} if family == "Llama" and shared == 1 else {}
    usual, quick = pair(lora, family, num_key_value_heads=shared, **shape)
    inputs = batch((300, 256, 257))
    assert_alike(gradients(usual, inputs), gradients(quick, inputs), 1e-4)


def test_logits_are_made_where_a_row_has_something_to_learn() -> None:
    _, quick = pair()
    inputs, widths = batch((40, 23)), []
    quick.lm_head.register_forward_hook(lambda _module, _inputs, logits: widths.append(logits.shape[1]))
    gradients(quick, inputs)
    assert widths == [int((inputs["labels"][:, 1:] != -100).sum(1).max())]


@pytest.mark.parametrize(("family", "spread"), [("Llama", 0.1), ("Qwen3", 0.3)])
def test_in_bfloat16_they_are_no_further_from_float32_than_the_usual_ones(family: str, spread: float) -> None:
    usual, quick = pair({"r": 4, "target_modules": "all-linear"}, family, initializer_range=spread)
    inputs = batch((300, 200))
    exact = gradients(usual, inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow, quicker = gradients(usual, inputs), gradients(quick, inputs)

    def distance(found) -> float:
        return sum(((found[1][name] - gradient).norm() ** 2).item() for name, gradient in exact[1].items()) ** 0.5

    assert distance(quicker) < 1.25 * distance(narrow)
    assert quicker[0] == pytest.approx(exact[0], rel=0.02)


@pytest.mark.parametrize("family", ["Llama", "Qwen3"])
def test_logits_without_labels_and_answers_with_a_cache_stay_the_same(family: str) -> None:
    usual, quick = (model.eval() for model in pair({"r": 4, "target_modules": "all-linear"}, family))
    inputs = {"input_ids": batch((270,))["input_ids"]}
    ask = {**inputs, "attention_mask": torch.ones_like(inputs["input_ids"]), "max_new_tokens": 5, "do_sample": False}
    with torch.no_grad():
        assert torch.allclose(usual(**inputs).logits, quick(**inputs, use_cache=False).logits, atol=1e-3)
        assert torch.equal(usual.generate(**ask), quick.generate(**ask))
        with usual.disable_adapter(), quick.disable_adapter():
            without = usual(**inputs).logits
            assert torch.allclose(without, quick(**inputs, use_cache=False).logits, atol=1e-3)
        assert not torch.allclose(without, usual(**inputs).logits, atol=1e-2)


def test_what_it_does_not_compute_stays_as_it_is() -> None:
    from train.cpu import gathers, quicken
    from train.cpu.layers import QuickLora

    others = [
        transformers.MistralForCausalLM(transformers.MistralConfig(**SHAPE)),
        transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**SHAPE, attention_dropout=0.1)),
        transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(**SHAPE, use_sliding_window=True, sliding_window=8, max_window_layers=0)
        ),
    ]
    for model in others:
        before = [type(module) for module in model.modules()]
        quicken(model)
        assert [type(module) for module in model.modules()] == before
        assert not gathers(model)
    for kind in ({"lora_dropout": 0.1}, {"use_dora": True}, {"bias": "none", "lora_bias": True}):
        _, model = pair({"r": 4, "target_modules": ["q_proj"], **kind})
        assert not any(isinstance(module, QuickLora) for module in model.modules()), kind


def test_the_embedded_base_answers_alike() -> None:
    from train.cpu import quicken

    model = transformers.AutoModelForCausalLM.from_pretrained(str(ROOT / "models/tiny"), dtype=torch.float32).eval()
    ids = torch.randint(0, model.config.vocab_size, (1, 600), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        usual = model(ids, use_cache=False).logits
        quicken(model)
        assert torch.allclose(usual, model(ids, use_cache=False).logits, atol=1e-3)
