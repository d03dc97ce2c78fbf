"""What the loss looks at: every token weighs what it decides."""

import json
import random

import pytest
from conftest import ROOT

from callproof.config import LossWeights
from callproof.errors import UserError
from callproof.turns import Conversation, template_messages
from train.rows.encode import IGNORED, Encoder, Row
from train.synth.curriculum.lessons import DENSE, lesson

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WEIGHTS = LossWeights(decision=6.0, name=4.0, arguments=1.0, text=0.25)


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(str(ROOT / "models/tiny"))


def weights_of(tokenizer, rows: list[Row]) -> list[list[float]]:
    from train.loop.loss import TokenWeights

    labels = torch.full((len(rows), max(len(row.labels) for row in rows)), IGNORED)
    for at, row in enumerate(rows):
        labels[at, : len(row.labels)] = torch.tensor(row.labels)
    return TokenWeights(Encoder(tokenizer), WEIGHTS)(labels).tolist()


def one_by_one(tokenizer, row: Row) -> list[float]:
    """The definition, read token by token."""
    weights, kind, before = [], WEIGHTS.text, None
    for token, label in zip(row.input_ids, row.labels, strict=True):
        piece = tokenizer.convert_ids_to_tokens(token)
        if label == IGNORED:
            weights.append(0.0)
            before = None
            continue
        kind = WEIGHTS.text if before in (None, "</tool_call>") else kind
        kind = WEIGHTS.name if piece == "<tool_call>" else kind
        weights.append(WEIGHTS.decision if before in (None, "</tool_call>") else kind)
        kind = WEIGHTS.arguments if kind == WEIGHTS.name and "," in piece else kind
        before = piece
    return weights


def test_every_token_has_the_weight_of_what_it_decides(tokenizer) -> None:
    rng, encoder = random.Random(2), Encoder(tokenizer)
    talks = [lesson(rng, DENSE) for _ in range(20)]
    rows = [row for talk in talks for row in encoder.rows(talk)]
    for talk, row, weights in zip(talks, rows, weights_of(tokenizer, rows), strict=True):
        assert weights[: len(row.labels)] == one_by_one(tokenizer, row)
        assert not any(weights[len(row.labels) :])
        assert [weight > 0 for weight in weights[: len(row.labels)]] == [label != IGNORED for label in row.labels]
        heavy = [token for token, each in zip(row.input_ids, weights, strict=False) if each in (4.0, 6.0)]
        text = tokenizer.decode(heavy)
        for message in template_messages(talk.messages):
            for call in message.get("tool_calls") or ():
                assert f'"name": "{call["function"]["name"]}"' in text


def test_names_weigh_more_than_arguments_and_these_more_than_text(tokenizer) -> None:
    call = {
        "type": "function",
        "function": {"name": "find_cars", "arguments": json.dumps({"seats": 5, "color": "red, blue"})},
    }
    messages = [
        {"role": "user", "content": "Find me one"},
        {"role": "assistant", "tool_calls": [call, call]},
        {"role": "tool", "content": "{}"},
        {"role": "assistant", "content": "Here it is, with pleasure."},
    ]
    (row,) = Encoder(tokenizer).rows(Conversation(messages=tuple(messages), tools=()))
    (weights,) = weights_of(tokenizer, [row])
    shown = {
        weight: tokenizer.decode([token for token, each in zip(row.input_ids, weights, strict=True) if each == weight])
        for weight in (4.0, 1.0, 0.25)
    }
    assert shown[4.0].count('"find_cars"') == 2
    assert shown[1.0].count('arguments": {"seats": 5, "color": "red, blue"}}') == 2
    assert "with pleasure." in shown[0.25]
    assert weights.count(6.0) == 4, "one for each turn, one after each call"


def test_equal_weights_are_the_usual_loss_and_others_are_not(tokenizer) -> None:
    from train.loop.loss import TokenWeights, supervised_loss

    model = transformers.AutoModelForCausalLM.from_pretrained(str(ROOT / "models/tiny"), dtype=torch.float32)
    (row,) = Encoder(tokenizer).rows(lesson(random.Random(5), DENSE))
    inputs = {"input_ids": torch.tensor([row.input_ids]), "labels": torch.tensor([row.labels])}
    usual = model(**inputs).loss.item() * row.supervised
    equal, uneven = (
        TokenWeights(Encoder(tokenizer), weights)(inputs["labels"]) for weights in (LossWeights(), WEIGHTS)
    )
    assert supervised_loss(model, inputs).item() == pytest.approx(usual, rel=1e-4)
    assert supervised_loss(model, inputs, equal).item() == pytest.approx(usual, rel=1e-4)
    assert supervised_loss(model, inputs, uneven).item() != pytest.approx(usual, rel=1e-2)


def test_logits_at_supervised_positions_give_the_loss_and_gradient_of_all(tokenizer) -> None:
    from train.loop.loss import supervised_loss

    model = transformers.AutoModelForCausalLM.from_pretrained(str(ROOT / "models/tiny"), dtype=torch.float32)
    rng, encoder = random.Random(8), Encoder(tokenizer)
    rows = [row for _ in range(3) for row in encoder.rows(lesson(rng, DENSE))]
    made = transformers.DataCollatorForSeq2Seq(tokenizer)(
        [{"input_ids": r.input_ids, "labels": r.labels} for r in rows]
    )
    count, found, widths = sum(row.supervised for row in rows), [], []
    model.lm_head.register_forward_hook(lambda _module, _inputs, logits: widths.append(logits.shape[1]))
    for loss in (lambda: model(**made, num_items_in_batch=1).loss, lambda: supervised_loss(model, made)):
        model.zero_grad()
        value = loss() / count
        value.backward()
        found.append((value.item(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    (usual, gradient), (same, same_gradient) = found
    assert widths[1] < widths[0]
    assert same == pytest.approx(usual, rel=1e-5)
    assert torch.allclose(same_gradient, gradient, rtol=1e-3, atol=1e-6)
    assert gradient.abs().max() > 1e-3


def test_equal_weights_leave_the_loss_to_the_trainer(tokenizer) -> None:
    from train.loop.loss import token_weights

    assert token_weights(Encoder(tokenizer), LossWeights()) is None
    assert token_weights(Encoder(tokenizer), WEIGHTS) is not None


def test_a_template_that_writes_no_call_is_refused() -> None:
    from train.loop.loss import token_weights

    silent = transformers.AutoTokenizer.from_pretrained(str(ROOT / "models/tiny"))
    silent.chat_template = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    with pytest.raises(UserError, match=r"train.loss_weights: the chat template of .* no call of a known format"):
        token_weights(Encoder(silent), WEIGHTS)
