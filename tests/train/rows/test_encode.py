"""Training shows the model what the template says, and loss looks at exactly what the model must say."""

import json
import random
from itertools import islice

import pytest
from conftest import ROOT

from callproof.config import PromptConfig, load
from callproof.errors import UserError
from callproof.sessions import to_session
from callproof.turns import NO_TOOLS, Domain, conversation, split_sessions, template_messages
from train.rows.encode import IGNORED, Encoder
from train.rows.template import Unrenderable
from train.synth.curriculum.lessons import FULL, lesson

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(str(ROOT / "models/tiny"))


def with_template(template: str):
    changed = transformers.AutoTokenizer.from_pretrained(str(ROOT / "models/tiny"))
    changed.chat_template = template
    return changed


def spoken(row, tokenizer) -> list[str]:
    """Supervised runs of a row as text."""
    runs, current = [], []
    for label in [*row.labels, IGNORED]:
        if label != IGNORED:
            current.append(label)
        elif current:
            runs.append(tokenizer.decode(current))
            current = []
    return runs


@pytest.mark.parametrize("name", ["car_sales", "insurance"])
def test_supervised_tokens_are_exactly_the_assistant_turns_with_their_end(tokenizer, name, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load(f"configs/{name}.yaml")
    domain = Domain(config)
    for where, session in islice(split_sessions(config, "eval"), 30):
        (row,) = Encoder(tokenizer).rows(domain.conversation(session, where))
        expected = [message for message in session.messages if message.role == "assistant"]
        runs = spoken(row, tokenizer)
        assert len(runs) == len(expected)
        for text, message in zip(runs, expected, strict=True):
            assert text.startswith(message.content)
            assert text.endswith("<|im_end|>")
            calls = [json.loads(block.split("</tool_call>")[0]) for block in text.split("<tool_call>")[1:]]
            assert calls == [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls]


def test_answers_that_are_not_to_be_learnt_are_history_without_a_label(tokenizer, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    domain = Domain(load("configs/car_sales.yaml"))
    where, session = next(split_sessions(load("configs/car_sales.yaml"), "eval"))
    (whole,) = Encoder(tokenizer).rows(domain.conversation(session, where))
    (last,) = Encoder(tokenizer).rows(domain.conversation(session.learnt_at({1}), where))
    assert last.input_ids == whole.input_ids
    assert spoken(last, tokenizer) == spoken(whole, tokenizer)[1:2]


def test_a_row_is_the_whole_rendering_token_by_token(tokenizer) -> None:
    talk = lesson(random.Random(5), FULL)
    (row,) = Encoder(tokenizer).rows(talk)
    tools = list(talk.tools or ())
    whole = tokenizer.apply_chat_template(template_messages(talk.messages), tools=tools, tokenize=False)
    assert tokenizer.decode(row.input_ids) == whole


def test_a_template_that_rewrites_history_gives_one_row_for_each_turn(tokenizer) -> None:
    rewriting = with_template(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content if loop.last or m.role != 'assistant' else 'said' }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    talk = lesson(random.Random(8), FULL)
    messages = tuple({"role": m["role"], "content": m["content"] or "call"} for m in talk.messages)
    rows = Encoder(rewriting).rows(talk.model_copy(update={"tools": None, "messages": messages}))
    answers = [m["content"] for m in messages if m["role"] == "assistant"]
    assert [spoken(row, tokenizer) for row in rows] == [[f"{text}<|im_end|>"] for text in answers]


def test_a_template_without_end_of_turn_is_refused() -> None:
    endless = with_template(
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    with pytest.raises(UserError, match="no end-of-turn token"):
        Encoder(endless).rows(lesson(random.Random(8), FULL))


def test_a_template_whose_prompt_is_no_prefix_of_the_answer_is_refused() -> None:
    shifting = with_template(
        "{{ 'ask ' if add_generation_prompt else 'tell ' }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    )
    with pytest.raises(UserError, match="does not follow its own prompt"):
        Encoder(shifting).rows(lesson(random.Random(8), FULL))


def test_a_template_that_refuses_a_conversation_is_one_line() -> None:
    strict = with_template("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(UserError, match=r"refuses a conversation of .*roles must alternate"):
        Encoder(strict).rows(lesson(random.Random(8), FULL))


MASKED = [
    {"role": "assistant", "content": "Welcome."},
    {"role": "user", "content": "One?"},
    {"role": "assistant", "content": "Wrong.", "weight": 0},
    {"role": "user", "content": "Two?"},
    {"role": "assistant", "content": "Right."},
]


def encoded(tokenizer, messages: list[dict]) -> list:
    session = to_session({"id": "s", "system": "", "tools": [], "messages": messages}, "here", "here")
    return Encoder(tokenizer).rows(conversation(session, "", NO_TOOLS, PromptConfig()))


def test_an_answer_that_is_context_only_is_in_the_row_and_not_learned(tokenizer) -> None:
    (row,) = encoded(tokenizer, MASKED)
    assert spoken(row, tokenizer) == ["Right.<|im_end|>"]
    assert "Welcome." in row.text
    assert "Wrong." in row.text


def test_a_session_of_context_only_has_no_rows(tokenizer) -> None:
    assert encoded(tokenizer, [*MASKED[:3], MASKED[3], {**MASKED[4], "train": False}]) == []


def test_a_system_message_inside_is_shown_or_refused(tokenizer) -> None:
    late = [*MASKED[1:2], MASKED[4], {"role": "system", "content": "Now be rude."}, MASKED[3], MASKED[4]]
    (row,) = encoded(tokenizer, late)
    assert "Now be rude." in row.text
    assert spoken(row, tokenizer) == ["Right.<|im_end|>"] * 2
    deaf = with_template(
        "{% for m in messages %}{% if m.role != 'system' %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
        "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    with pytest.raises(Unrenderable, match=r"does not show message 2 \(system\)"):
        encoded(deaf, late)
