"""What is supervised reads back as what was recorded, whatever the template; what does not is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from template_tokenizers import LOSE_CALLS, template_tokenizer, trl_template, trl_templates

from callproof.calls import parse
from callproof.config import ModelConfig, load
from callproof.records import read_text
from callproof.turns import Conversation
from train.rows.data import encode_sessions
from train.rows.encode import IGNORED, Encoder, supervised_spans
from train.rows.template import Unrenderable

pytest.importorskip("trl")

TOOL = {
    "type": "function",
    "function": {
        "name": "book_room",
        "description": "Books a room.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "nights": {"type": "integer"}, "quiet": {"type": "boolean"}},
            "required": ["city"],
        },
    },
}
FIRST = {"city": 'Zürich\'s "x"', "nights": 3, "quiet": True}
SECOND = {"city": "3"}
SHOW_NO_TOOLS = ("deepseekv3",)
"""Templates that write calls, but leave the tools out: for `prompt.catalog: none`."""
MISTRAL = ROOT / "benchmarks" / "mistral.jinja"
KEEPS_CALLS = sorted(set(trl_templates()) - set(LOSE_CALLS))


def wire_call(number: int, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": "book_room", "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": f"call{number:05}", "type": "function", "function": function}


def talk(
    *calls: dict[str, Any], text: str = "", thinking: str = "", tool: dict[str, Any] | None = None
) -> Conversation:
    """A booking with these calls, its results, and a word of thanks."""
    made = [wire_call(number, arguments) for number, arguments in enumerate(calls)]
    reasoning = {"reasoning": thinking} if thinking else {}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "A room, please."},
        {"role": "assistant", "content": text, **reasoning, "tool_calls": made},
        *({"role": "tool", "content": '{"ok": 1}', "tool_call_id": call["id"]} for call in made),
        {"role": "assistant", "content": "It is booked."},
        {"role": "user", "content": "Thanks."},
        {"role": "assistant", "content": "You are welcome."},
    ]
    return Conversation(messages=tuple(messages), tools=(tool or TOOL,))


def said(encoder: Encoder, conversation: Conversation) -> list[str]:
    """The supervised spans, in order."""
    rows = encoder.rows(conversation)
    for row in rows:
        assert all(label in (IGNORED, token) for label, token in zip(row.labels, row.input_ids, strict=True))
    return [encoder.decode(before, span) for row in rows for before, span in supervised_spans(row)]


@pytest.mark.parametrize("name", KEEPS_CALLS)
def test_templates_that_write_calls_are_supervised_from_the_call_to_its_end(name: str) -> None:
    encoder = Encoder(template_tokenizer(name, trl_template(name)))
    form = encoder.template.format
    assert form is not None
    conversation = talk(FIRST)
    if name in SHOW_NO_TOOLS:
        with pytest.raises(Unrenderable, match="does not show the tool 'book_room'"):
            encoder.rows(conversation)
        conversation = conversation.model_copy(update={"tools": None, "unsent_tools": conversation.tools})
    called, answer, thanks = said(encoder, conversation)
    schemas = {"book_room": TOOL["function"]["parameters"]}
    ends = encoder.template.end_texts
    assert called.endswith(ends)
    assert answer.endswith(ends)
    assert thanks.endswith(ends)
    (read,) = parse(called, form.name, schemas)
    assert (read.name, read.arguments) == ("book_room", FIRST)
    assert "It is booked." in answer
    assert "You are welcome." in thanks


def test_calls_with_ids_in_mistrals_list_are_supervised_with_their_ids() -> None:
    encoder = Encoder(template_tokenizer("mistral", read_text(MISTRAL)))
    called, answer, _ = said(encoder, talk(FIRST, SECOND))
    assert '"id": "call00000"}, {' in called
    assert [call.arguments for call in parse(called, "mistral")] == [FIRST, SECOND]
    assert answer == " It is booked.</s>"


def test_a_call_is_said_name_first_also_where_the_servers_history_has_its_arguments_first() -> None:
    rows = Encoder(template_tokenizer("mistral", read_text(MISTRAL))).rows(talk(FIRST))
    assert '[TOOL_CALLS] [{"name": "book_room", "arguments": {' in rows[0].text
    assert '[TOOL_CALLS] [{"arguments": {' in rows[1].text
    assert '"name": "book_room", "id": "call00000"}]</s>[TOOL_RESULTS]' in rows[1].text


@pytest.mark.parametrize("special", [True, False])
def test_a_tag_that_only_its_token_marks_special_is_kept_where_answers_are_decoded(special: bool) -> None:
    from tokenizers import AddedToken

    template = read_text(MISTRAL)
    tokenizer = template_tokenizer("mistral", template.replace("TOOL_CALLS", "CALLED"))
    tokenizer.add_tokens([AddedToken("[TOOL_CALLS]", special=special, normalized=False)])
    tokenizer.chat_template = template
    assert "[TOOL_CALLS]" not in tokenizer.all_special_tokens
    written = tokenizer.decode(tokenizer.encode("[TOOL_CALLS] [", add_special_tokens=False), skip_special_tokens=True)
    assert ("[TOOL_CALLS]" in written) is not special
    assert Encoder(tokenizer).template.special_tags is special


@pytest.mark.parametrize("name", LOSE_CALLS)
def test_templates_that_lose_calls_are_refused_and_the_bundled_one_takes_their_place(name: str) -> None:
    tokenizer = template_tokenizer(name, trl_template(name))
    with pytest.raises(Unrenderable, match=r"model\.chat_template: hermes"):
        Encoder(tokenizer).rows(talk(FIRST))
    bundled = ModelConfig(chat_template="hermes").template_file
    assert bundled is not None
    tokenizer.chat_template = read_text(bundled)
    encoder = Encoder(tokenizer)
    called, *_ = said(encoder, talk(FIRST, SECOND, text="I look.", thinking="A room."))
    assert called.startswith("<think>\nA room.\n</think>\n\nI look.\n<tool_call>\n{")
    assert called.endswith(f"</tool_call>{tokenizer.eos_token}")
    assert [call.arguments for call in parse(called)] == [FIRST, SECOND]


def test_llama_takes_its_own_headers_in_the_bundled_template() -> None:
    tokenizer = template_tokenizer("llama3", trl_template("llama3"))
    tokenizer.chat_template = read_text(ModelConfig(chat_template="hermes").template_file or Path())
    (row,) = Encoder(tokenizer).rows(talk(FIRST))
    assert row.text.startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.")
    assert "<|start_header_id|>assistant<|end_header_id|>\n\nIt is booked.<|eot_id|>" in row.text
    assert "<|im_start|>" not in row.text


def test_a_template_that_changes_a_value_is_refused_with_the_span() -> None:
    tokenizer = template_tokenizer("qwen2_5", trl_template("qwen2_5"))
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "tool_call.arguments | tojson", "tool_call.arguments | tojson | replace('Zürich', 'Bern')"
    )
    assert "replace('Zürich'" in tokenizer.chat_template
    with pytest.raises(Unrenderable, match=r"message 1: writes '<tool_call>.*Bern.*not as book_room"):
        Encoder(tokenizer).rows(talk(FIRST))


def test_a_template_that_hides_the_tools_is_refused() -> None:
    tokenizer = template_tokenizer("qwen2_5", trl_template("qwen2_5"))
    tokenizer.chat_template = "{%- set tools = none %}" + tokenizer.chat_template
    with pytest.raises(Unrenderable, match="does not show the tool 'book_room'"):
        Encoder(tokenizer).rows(talk(FIRST))


@pytest.mark.parametrize(("role", "at"), [("assistant", 4), ("user", 1), ("tool", 3)])
def test_a_message_that_says_what_ends_a_turn_is_refused(role: str, at: int) -> None:
    conversation = talk(FIRST)
    messages = list(conversation.messages)
    messages[at] = {**messages[at], "content": "Say <|im_end|> and go."}
    encoder = Encoder(template_tokenizer("qwen2_5", trl_template("qwen2_5")))
    with pytest.raises(Unrenderable, match=rf"message {at - 1} \({role}\) holds '<\|im_end\|>', which ends a turn"):
        encoder.rows(conversation.model_copy(update={"messages": tuple(messages)}))


def test_ends_of_the_generation_config_end_turns_too() -> None:
    tokenizer = template_tokenizer("qwen2_5", trl_template("qwen2_5"))
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>"})
    own, more = Encoder(tokenizer), Encoder(tokenizer, [tokenizer.convert_tokens_to_ids("<|im_start|>")])
    assert set(own.template.end_texts) == {"<|endoftext|>", "<|im_end|>"}
    assert set(more.template.end_texts) == {"<|endoftext|>", "<|im_end|>", "<|im_start|>"}
    assert said(own, talk(FIRST))[1] == "It is booked.<|im_end|>"


def test_a_template_without_ends_borrows_the_next_speaker() -> None:
    encoder = Encoder(template_tokenizer("glm4moe", trl_template("glm4moe")))
    called, answer, thanks = said(encoder, talk(FIRST))
    assert called.endswith("</tool_call><|observation|>")
    assert answer.endswith("It is booked.<|user|>")
    assert thanks.endswith("You are welcome.<|user|>")


def test_several_calls_in_a_turn_are_one_line_with_the_place_or_dropped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("train.rows.data._positions", lambda _: None)  # the encoder is not that of the base
    config = load("configs/car_sales.yaml", ["data.train=sessions/eval.jsonl", "data.max_context_length=20000"])
    encoder = Encoder(template_tokenizer("llama3_1", trl_template("llama3_1")))
    with pytest.raises(Exception, match=r"eval.jsonl:\d+: session 'car_sales-eval-\d+': .*single tool-calls at once"):
        encode_sessions("train", config, encoder)
    dropping = config.model_copy(update={"data": config.data.model_copy(update={"unrenderable": "drop"})})
    rows = encode_sessions("train", dropping, encoder)
    several = [
        json.loads(line)["session_id"]
        for line in (ROOT / "datasets/car_sales/sessions/eval.jsonl").read_text().splitlines()
        if any(len(message.get("tool_calls", ())) > 1 for message in json.loads(line)["messages"])
    ]
    assert several
    assert set(several) <= set(rows.dropped)
    assert rows.rows
    assert f"session {several[0]!r} is left out" in capsys.readouterr().err


def test_thinking_is_supervised_where_the_template_writes_it() -> None:
    encoder = Encoder(template_tokenizer("qwen3", trl_template("qwen3")))
    called, *_ = said(encoder, talk(FIRST, thinking="Zürich it is."))
    assert called.startswith("<think>\nZürich it is.\n</think>\n\n")


def test_thinking_that_the_template_drops_is_refused() -> None:
    encoder = Encoder(template_tokenizer("qwen2_5", trl_template("qwen2_5")))
    with pytest.raises(Unrenderable, match="without the thinking that was recorded"):
        encoder.rows(talk(FIRST, thinking="Zürich it is."))


def test_tools_without_description_or_parameters_do_not_stop_a_template() -> None:
    bare = {"type": "function", "function": {"name": "book_room", "description": None, "parameters": None}}
    encoder = Encoder(template_tokenizer("gptoss", trl_template("gptoss")))
    called, *_ = said(encoder, talk({}, tool=bare))
    assert "to=functions.book_room" in called


def test_variables_of_the_template_reach_it() -> None:
    encoder = Encoder(template_tokenizer("qwen3", trl_template("qwen3")))
    conversation = talk(FIRST)
    plain = encoder.rows(conversation)[-1].text
    quiet = encoder.rows(conversation.model_copy(update={"template_kwargs": {"enable_thinking": False}}))[-1]
    assert quiet.text == plain
    assert encoder.decode([], [token for token in quiet.labels if token != IGNORED]) == "You are welcome.<|im_end|>"
