"""What the encoder puts before an answer is, token by token, what a server makes of the same messages and tools."""

from itertools import islice
from typing import Any

import pytest
from conftest import DOMAINS, ROOT

from callproof.config import RunConfig, load
from callproof.records import read_text
from callproof.turns import Conversation, Domain, split_sessions, template_messages
from train.rows.encode import Encoder
from train.rows.prompts import eval_prompts, row_prompts

transformers = pytest.importorskip("transformers")
trl = pytest.importorskip("trl")

QWEN = ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]
LLAMA = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"]
TEMPLATES: dict[str, tuple[list[str], dict[str, str]]] = {
    "qwen2_5": (QWEN, {"eos_token": "<|im_end|>"}),
    "qwen3_instruct_2507": (QWEN, {"eos_token": "<|im_end|>"}),
    "llama3_1": (LLAMA, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}),
}


def tokenizer_of(name: str) -> Any:
    """A byte-level tokenizer with the family's special tokens, and TRL's copy of its template."""
    from importlib.resources import files

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special, roles = TEMPLATES[name]
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator([read_text(ROOT / "datasets/car_sales/system_prompt.md")] * 3, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model, **roles)
    tokenizer.chat_template = (files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    return tokenizer


def as_served(tokenizer: Any, talk: Conversation, index: int) -> list[int]:
    """vLLM's way: wire messages with decoded arguments and canonical tools, rendered and tokenised in one go."""
    return tokenizer.apply_chat_template(
        template_messages(talk.messages[:index]),
        tools=list(talk.tools or ()) or None,
        add_generation_prompt=True,
        return_dict=False,
    )


def conversations(config: RunConfig, most_calls: int) -> list[Conversation]:
    domain = Domain(config)
    fitting = (
        domain.conversation(session, where)
        for where, session in split_sessions(config, "eval")
        if all(len(message.tool_calls) <= most_calls for message in session.messages)
    )
    return list(islice(fitting, 12))


@pytest.fixture(params=DOMAINS)
def config(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    monkeypatch.chdir(ROOT)
    return load(f"configs/{request.param}.yaml")


def spoken_indices(talk: Conversation) -> list[int]:
    return [index for index, message in enumerate(talk.messages) if message["role"] == "assistant"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_prompts_of_the_encoder_are_those_of_the_template(config: RunConfig, name: str) -> None:
    tokenizer = tokenizer_of(name)
    encoder = Encoder(tokenizer)
    for talk in conversations(config, most_calls=1 if name.startswith("llama") else 9):
        served = [as_served(tokenizer, talk, index) for index in spoken_indices(talk)]
        assert served
        assert row_prompts(encoder.rows(talk)) == served


def test_every_eval_prompt_of_the_embedded_base_is_that_of_its_template(config: RunConfig) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(config.model.base_model)
    prompts = {prompt.turn_id: list(prompt.input_ids) for prompt in eval_prompts(config, Encoder(tokenizer))}
    domain = Domain(config)
    for where, session in islice(split_sessions(config, "eval"), 40):
        talk = domain.conversation(session, where)
        spoken = {
            f"{session.session_id}/{index - 1}": as_served(tokenizer, talk, index) for index in spoken_indices(talk)
        }
        asked = {turn_id: tokens for turn_id, tokens in spoken.items() if turn_id in prompts}
        assert asked
        assert asked == {turn_id: prompts[turn_id] for turn_id in asked}


def test_a_token_that_reaches_over_the_border_of_the_answer_is_cut_there(config: RunConfig) -> None:
    """Where an answer begins with what a token of the prompt would take in, the row still has the server's prompt."""
    tokenizer = tokenizer_of("qwen2_5")
    tokenizer.add_tokens(["assistant\nI"])
    talk = conversations(config, most_calls=9)[0]
    answer = {"role": "assistant", "content": "I see."}
    spoken = talk.model_copy(update={"messages": (*talk.messages[:2], answer)})
    (row,) = Encoder(tokenizer).rows(spoken)
    assert row_prompts([row]) == [as_served(tokenizer, spoken, 2)]
    assert tokenizer.decode([label for label in row.labels if label >= 0]) == "I see.<|im_end|>"
