"""Files in the shapes that people have read as a person sees them, and broken ones cost one line with all mistakes."""

import re
from pathlib import Path

import pytest
from seen_sessions import seen
from shared_data import CASES, needs_cases

from callproof.errors import UserError
from callproof.sessions import read_sessions

pytestmark = needs_cases

ASKED = "user: Weather in Bern?"
PLAIN = [ASKED, "assistant: 24 degrees."]
TOOLS = "tools: get_weather"
CALL = 'assistant:  get_weather{"city": "Bern"}'
CALLED = [ASKED, CALL, 'tool: {"celsius": 24}', "assistant: 24 degrees."]
SHORT = [ASKED, CALL, "tool: 24", "assistant: 24 degrees."]
WEATHER = "system: You tell the weather."

WANTED: dict[str, list[str]] = {
    "anthropic.jsonl": [
        "system: Be brief.", TOOLS, ASKED, 'assistant: Let me look. get_weather{"city": "Bern"}', "tool: 24",
        "assistant: 24 degrees.",
    ],
    "apigen_mt.jsonl": ["system: Be brief.", TOOLS, *CALLED],
    "args_key_alias.jsonl": [TOOLS, ASKED, CALL],
    "args_missing.jsonl": [TOOLS, ASKED, "assistant:  get_weather{}"],
    "array.json": PLAIN,
    "chatml_text.jsonl": ["user: Hi", "assistant: <think>\n\n</think>\n\nHello"],
    "crlf.jsonl": PLAIN,
    "ends_with_user.jsonl": [TOOLS, ASKED, CALL, 'tool: {"celsius": 24}'],
    "extra_columns.jsonl": PLAIN,
    "glaive_v2.jsonl": [
        "system: You are a helpful assistant with access to the following functions. Use them if required -",
        TOOLS, *CALLED,
    ],
    "greeting_first.jsonl": [WEATHER, "-assistant: Hello, how can I help?", *PLAIN],
    "hermes_v1.jsonl": [
        "system: You are a function calling AI model.", TOOLS, ASKED, CALL,
        'tool: {"name": "get_weather", "content": {"celsius": 24}}', "assistant: 24 degrees.",
    ],
    "hermes_v1_pyquote.jsonl": ["system: You call functions.", TOOLS, ASKED, CALL],
    "hetero_tools.jsonl": [TOOLS, ASKED, CALL, "tools: other", *PLAIN, "tools: ", *PLAIN, *PLAIN],
    "inst.csv": ["user: Translate\n\nbread", "assistant: pain"],
    "langfuse.jsonl": [TOOLS, ASKED, "assistant: 24"],
    "langsmith.jsonl": [TOOLS, *PLAIN],
    "llama_pythontag_text.jsonl": [TOOLS, *SHORT],
    "llamafactory_alpaca.jsonl": ["system: Be brief.", "user: Hi", "assistant: Hello!", ASKED, "assistant: 24."],
    "mcp_tools.jsonl": [TOOLS, *SHORT],
    "messages_jsontext.jsonl": PLAIN,
    "mid_system.jsonl": [WEATHER, *PLAIN, "system: Now be rude.", *PLAIN],
    "missing_result.jsonl": [
        TOOLS, ASKED, f'{CALL} get_weather{{"city": "Bern"}}', 'tool: {"celsius": 24}', "assistant: 24 degrees.",
    ],
    "mixed_in_text.jsonl": [
        TOOLS, ASKED, 'assistant: Let me check.\n\nOne moment. get_weather{"city": "Bern"}', *SHORT[2:],
    ],
    "mixed_text_calls.jsonl": [TOOLS, ASKED, 'assistant: Let me check. get_weather{"city": "Bern"}', *CALLED[2:]],
    "openai_audio_null.jsonl": [ASKED, "assistant: ok"],
    "openai_dpo.jsonl": [TOOLS, *PLAIN],
    "openai_ft.jsonl": [WEATHER, TOOLS, *CALLED],
    "openai_preference.jsonl": ["tools: ", "user: Is it warm in Bern?", "assistant: Let me look."],
    "openai_refusal.jsonl": [ASKED, "assistant: I cannot."],
    "openai_responses.jsonl": [ASKED, "assistant:  get_weather{}", "assistant: x"],
    "openai_weight.jsonl": [WEATHER, "user: Hi", "-assistant: BAD ANSWER", ASKED, "assistant: Good."],
    "plain.jsonl.gz": PLAIN,
    "qwen35_xml_text.jsonl": [TOOLS, *CALLED],
    "reasoning_content.jsonl": [
        TOOLS, ASKED, 'assistant: (I need the weather.)  get_weather{"city": "Bern"}', 'tool: {"celsius": 24}',
        "assistant: (Done.) 24.",
    ],
    "result_list.jsonl": [TOOLS, ASKED, CALL, 'tool: [{"celsius": 24}, {"celsius": 25}]', "assistant: 24 degrees."],
    "result_null.jsonl": [TOOLS, ASKED, CALL, "tool: ", "assistant: 24 degrees."],
    "result_parts.jsonl": [TOOLS, ASKED, CALL, "tool: 24\ndry", "assistant: 24 degrees."],
    "rows.parquet": [TOOLS, *PLAIN],
    "sharegpt_weight.jsonl": ["user: Hi", "assistant: Hello"],
    "smoltalk2.jsonl": ["system: x", *PLAIN],
    "swift_toolcall.jsonl": [TOOLS, *CALLED],
    "tau_traj.jsonl": [WEATHER, *CALLED],
    "text_mentions_tag.jsonl": ["user: What does <tool_call> mean?", "assistant: The tag `<tool_call>` opens a call."],
    "text_parameters.jsonl": [TOOLS, ASKED, CALL],
    "think_then_call.jsonl": [
        TOOLS, ASKED, 'assistant: <think>\nwhich city\n</think> get_weather{"city": "Bern"}', *CALLED[2:],
    ],
    "tool_bad_type.jsonl": [TOOLS, ASKED, CALL],
    "tool_extra_keys.jsonl": [TOOLS, *PLAIN],
    "tool_response_schema.jsonl": [TOOLS, *PLAIN],
    "tool_response_user.jsonl": [TOOLS, *CALLED],
    "toolace.jsonl": [
        "system: You are an expert in composing functions. Here is a list of functions in JSON format that you can "
        "invoke:\nShould you decide to return the function call(s). Put it in the format of "
        "[func1(params_name=params_value)]",
        TOOLS, ASKED, CALL, 'tool: [{"name": "get_weather", "results": {"celsius": 24}}]', "assistant: 24 degrees.",
    ],
    "toucan.jsonl": [WEATHER, TOOLS, *CALLED],
    "trailing_space.jsonl": [ASKED, "assistant:   24 degrees. \n\n"],
    "trl_prompt_completion.jsonl": [WEATHER, TOOLS, ASKED, CALL],
    "trl_template_kwargs.jsonl": PLAIN,
    "trl_tools_objectargs.jsonl": [TOOLS, *SHORT],
    "two_assistants.jsonl": [TOOLS, ASKED, "assistant: Let me check.", *CALLED[1:]],
    "typed_text_parts_null.jsonl": ["user: Hi", "assistant: 24 degrees."],
    "when2call_sft.jsonl": [TOOLS, ASKED, CALL],
    "when2call_test.jsonl": [TOOLS, "user: Weather?", "assistant: Which city?"],
    "xlam60k.jsonl": [TOOLS, ASKED, CALL],
    "xlam60k_messages.jsonl": [TOOLS, ASKED, CALL],
}  # fmt: skip
BROKEN = {
    "dupe_tools.jsonl": ":1: tools: Value error, 2 tools have the name 'get_weather'",
    "empty.jsonl": ": is empty, holds no sessions",
    "empty_assistant.jsonl": ":1: messages.1: an answer without text and without calls",
    "eos_in_text.jsonl": ":1: messages.1.content: holds '<|im_end|>', which ends a turn",
    "image_part.jsonl": ":1: messages.0.content.0: expected a part of type text, got 'image_url'",
    "mistral_text.jsonl": ":1: text: expected a turn in ChatML",
    "nan.jsonl": ":1: malformed JSON (NaN is no JSON)",
}


def test_every_file_is_either_read_or_broken_by_intent() -> None:
    assert {path.name for path in (CASES / "sessions").iterdir()} == WANTED.keys() | BROKEN.keys()


@pytest.mark.parametrize("name", WANTED)
def test_a_file_reads_as_a_person_sees_it(name: str) -> None:
    assert [line for _, session in read_sessions(CASES / "sessions" / name) for line in seen(session)] == WANTED[name]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_costs_one_line(name: str) -> None:
    with pytest.raises(UserError) as caught:
        list(read_sessions(CASES / "sessions" / name))
    assert f"{CASES / 'sessions' / name}{BROKEN[name]}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["foreign_calls.jsonl", "lost_args.jsonl"])
def test_no_call_and_no_argument_is_lost(name: str) -> None:
    sessions = [session for _, session in read_sessions(CASES / name)]
    assert len(sessions) == len(Path(CASES / name).read_text(encoding="utf-8").splitlines())
    for session in sessions:
        (call,) = session.messages[1].tool_calls
        assert (call.name, call.arguments) == ("search_vehicles", {"max_price": 30000})
        assert not re.search(r"search_vehicles|30000", session.messages[1].content)


def test_a_translated_schema_does_not_accept_everything() -> None:
    ((_, session),) = read_sessions(CASES / "xlam_tools.jsonl")
    assert session.tools is not None
    (problem,) = session.tools.problems(session.messages[1].tool_calls[0])
    assert "nonsense" in problem
