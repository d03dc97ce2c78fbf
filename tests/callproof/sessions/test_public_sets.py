"""The public data sets: a record in the layout that each one's card or its own code publishes, content of our own.

Where each layout is from: xLAM, APIGen-MT: their cards. hermes-function-calling-v1: its card, and that its tools and
calls are printed by Python: the converters that read them with `literal_eval`. ToolACE: its card, and converters that
take calls as `[Name With Blanks(a=1)]`. Toucan: the card's columns; its configurations Kimi-K2, Qwen3 and OSS hold
`function_call` and the role `function`, a message for each call, thinking in one of its own (a sample of it in
neulab/agent-data-protocol), and its configuration SFT what `data/ms_swift_format_converter.ipynb` of TheAgentArk/Toucan
writes, `str()` of the call. When2Call: README and `data/` of NVIDIA/When2Call. smoltalk, smoltalk2: the cards, and the
converters of its tool-calling splits: `xml_tools` is one text, with `<tools>` or a tool on each line.
"""

import json
from typing import Any

import pytest
from seen_sessions import seen

from callproof.sessions import to_session
from callproof.sessions.forms import own_form

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FLAT = {"name": "get_weather", "description": "Weather of a city.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FLAT}
CALL = {"name": "get_weather", "arguments": {"city": "Thun"}}
WIRED = {"name": "get_weather", "arguments": json.dumps(CALL["arguments"])}
NOW = {"type": "function", "function": {"name": "now", "description": "d", "parameters": {}}}
OUTSIDE = {**FLAT, "parameters": {"type": "dict", "properties": {"city": {"type": "str", "default": ""}}},
           "required": ["city"]}  # fmt: skip
TEXT = json.dumps(CALL)
CALLED = 'assistant:  get_weather{"city": "Thun"}'
TOOLS = "tools: get_weather"
DECLARED = f"<|im_system|>tool_declare<|im_middle|>{json.dumps([TOOL])}<|im_end|>"

SETS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "Salesforce/xlam-function-calling-60k": (
        {
            "id": 12,
            "query": "Thun today and tomorrow?",
            "answers": json.dumps([CALL, {"name": "get_weather", "arguments": {"city": "Thun", "days": 1}}]),
            "tools": json.dumps([{"name": "get_weather", "description": "d", "parameters": {
                "city": {"description": "where", "type": "str", "default": "Thun"},
                "days": {"description": "from today", "type": "int, optional"}}}]),
        },
        "xLAM",
        [TOOLS, "user: Thun today and tomorrow?", f'{CALLED} get_weather{{"city": "Thun", "days": 1}}'],
    ),
    "NousResearch/hermes-function-calling-v1": (
        {
            "id": "0001",
            "conversations": [
                {"from": "system", "value": f"You call functions. <tools> {[TOOL]} </tools> Answer with <tool_call>."},
                {"from": "human", "value": "Thun?"},
                {"from": "gpt", "value": f"<tool_call>\n{CALL}\n</tool_call>\n"},
                {"from": "tool", "value": '<tool_response>\n{"name": "get_weather", "content": "9"}\n</tool_response>'},
                {"from": "gpt", "value": "Nine degrees."},
            ],
            "tools": json.dumps([TOOL]), "category": "Weather", "subcategory": "Lakes", "task": "Ask",
        },
        "Hermes function calling",
        ["system: You call functions.  Answer with <tool_call>.", TOOLS, "user: Thun?", CALLED,
         'tool: {"name": "get_weather", "content": "9"}', "assistant: Nine degrees."],
    ),
    "Team-ACE/ToolACE": (
        {
            "system": "You compose functions. Here is a list of functions in JSON format that you can invoke:\n"
            + json.dumps([{"name": "Lake Weather", "description": "d", "parameters": {
                "type": "dict", "properties": {"lake": {"type": "string"}}, "required": ["lake"]}, "required": None}])
            + "\nAnswer as [func1(a=1)].",
            "conversations": [
                {"from": "user", "value": "Two lakes?"},
                {"from": "assistant", "value": '[Lake Weather(lake="Thun"), Lake Weather(lake="Brienz")]'},
                {"from": "tool", "value": json.dumps([{"name": "Lake Weather", "results": n} for n in (1, 2)])},
                {"from": "assistant", "value": "One and two."},
            ],
        },
        "ToolACE",
        ["system: You compose functions. Here is a list of functions in JSON format that you can invoke:\n"
         "Answer as [func1(a=1)].", "tools: Lake Weather", "user: Two lakes?",
         'assistant:  Lake Weather{"lake": "Thun"} Lake Weather{"lake": "Brienz"}',
         'tool: {"name": "Lake Weather", "results": 1}', 'tool: {"name": "Lake Weather", "results": 2}',
         "assistant: One and two."],
    ),
    "Salesforce/APIGen-MT-5k": (
        {
            "conversations": [
                {"from": "human", "value": "Thun?"},
                {"from": "function_call", "value": TEXT},
                {"from": "observation", "value": '{"celsius": 9}'},
                {"from": "gpt", "value": "Nine."},
            ],
            "tools": json.dumps([FLAT]), "system": "# Rules\n- Be brief.",
        },
        "LLaMA-Factory ShareGPT",
        ["system: # Rules\n- Be brief.", TOOLS, "user: Thun?", CALLED, 'tool: {"celsius": 9}', "assistant: Nine."],
    ),
    "Agent-Ark/Toucan-1.5M Kimi-K2": (
        {
            "uuid": "u-1", "subset_name": "multi-turn", "question": "Thun?", "target_tools": "get_weather",
            "question_quality_assessment": "{}", "response_quality_assessment": "{}", "metadata": '{"mcp": []}',
            "available_tools": json.dumps([TOOL]),
            "messages": json.dumps([
                {"role": "system", "content": DECLARED},
                {"role": "user", "content": "Thun, twice?"},
                {"role": "assistant", "content": "", "reasoning_content": "Two calls."},
                {"role": "assistant", "content": "I look."},
                {"role": "assistant", "content": "", "function_call": WIRED},
                {"role": "assistant", "content": "", "function_call": WIRED},
                {"role": "function", "content": "9", "name": "get_weather"},
                {"role": "function", "content": "8", "name": "get_weather"},
                {"role": "assistant", "content": "", "reasoning_content": "Once more.", "function_call": WIRED},
                {"role": "function", "content": "7", "name": "get_weather"},
                {"role": "assistant", "content": "Nine to seven."},
            ]),
        },
        "Toucan",
        ["system: ", TOOLS, "user: Thun, twice?",
         'assistant: (Two calls.) I look. get_weather{"city": "Thun"} get_weather{"city": "Thun"}',
         "tool: 9", "tool: 8",
         'assistant: (Once more.)  get_weather{"city": "Thun"}', "tool: 7", "assistant: Nine to seven."],
    ),
    "Agent-Ark/Toucan-1.5M SFT": (
        {
            "uuid": "u-2", "subset_name": "irrelevant", "question": "Thun?", "target_tools": "",
            "tools": json.dumps([TOOL]),
            "messages": json.dumps([
                {"role": "user", "content": "Thun?"},
                {"role": "assistant", "content": "I look."},
                {"role": "tool_call", "content": str({**CALL, "arguments": json.dumps({"city": "Thun's"})})},
                {"role": "tool_response", "content": "9"},
                {"role": "assistant", "content": "Nine."},
            ]),
        },
        "ms-swift messages",
        [TOOLS, "user: Thun?", 'assistant: I look. get_weather{"city": "Thun\'s"}', "tool: 9", "assistant: Nine."],
    ),
    "nvidia/When2Call SFT": (
        {"tools": [json.dumps(OUTSIDE)], "messages": [{"role": "user", "content": "Thun?"},
                                                      {"role": "assistant", "content": "Which day?"}]},
        "When2Call",
        [TOOLS, "user: Thun?", "assistant: Which day?"],
    ),
    "nvidia/When2Call SFT as its README prints it": (
        {"tools": [OUTSIDE], "messages": [{"role": "user", "content": "Thun?"},
                                          {"role": "assistant", "content": f"<TOOLCALL>[{TEXT}, {TEXT}]</TOOLCALL>"}]},
        "OpenAI messages",
        [TOOLS, "user: Thun?", f'{CALLED} get_weather{{"city": "Thun"}}'],
    ),
    "nvidia/When2Call preferences": (
        {"tools": [json.dumps(OUTSIDE)], "messages": [{"role": "user", "content": "Thun?"}],
         "chosen_response": {"role": "assistant", "content": f"<TOOLCALL>[{TEXT}]</TOOLCALL>"},
         "rejected_response": {"role": "assistant", "content": "I cannot."}},
        "When2Call preference pairs",
        [TOOLS, "user: Thun?", CALLED],
    ),
    "HuggingFaceTB/smoltalk2 hermes_function_calling_v1": (
        {"chat_template_kwargs": {"custom_instructions": "Be brief.", "enable_thinking": False, "python_tools": [],
                                  "xml_tools": [f"You may call. <tools> {[TOOL]} </tools>"]},
         "messages": [{"role": "user", "content": "Thun?"},
                      {"role": "assistant", "content": f"<tool_call>\n{CALL}\n</tool_call>"},
                      {"role": "tool", "content": "<tool_response>\n9\n</tool_response>"},
                      {"role": "assistant", "content": "Nine."}], "source": "h"},
        "SmolTalk2",
        ["system: Be brief.\n\nYou may call.", TOOLS, "user: Thun?", CALLED, "tool: 9", "assistant: Nine."],
    ),
    "HuggingFaceTB/smoltalk2 smolagents_toolcalling_traces": (
        {"chat_template_kwargs": {"custom_instructions": "", "enable_thinking": True, "python_tools": [],
                                  "xml_tools": [f"{TOOL}\n{NOW}"]},
         "messages": [{"role": "user", "content": "Thun?"},
                      {"role": "assistant", "content": f"<think>\nHm.\n</think>\n<tool_call>\n{TEXT}\n</tool_call>"}],
         "source": "s"},
        "SmolTalk2",
        ["system: ", f"{TOOLS}, now", "user: Thun?", 'assistant: <think>\nHm.\n</think> get_weather{"city": "Thun"}'],
    ),
    "HuggingFaceTB/smoltalk": (
        {"messages": [{"content": "Hello", "role": "user"}, {"content": "Hi!", "role": "assistant"}],
         "source": "smol-magpie-ultra"},
        "OpenAI messages",
        ["user: Hello", "assistant: Hi!"],
    ),
    "OpenAI fine-tuning": (
        {
            "messages": [
                {"role": "user", "content": "Thun?"},
                {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {
                    "name": "get_weather", "arguments": json.dumps(CALL["arguments"])}}], "weight": 0},
                {"role": "tool", "tool_call_id": "c", "content": "9"},
                {"role": "assistant", "content": "Nine.", "weight": 1},
            ],
            "parallel_tool_calls": False, "tools": [TOOL],
        },
        "OpenAI fine-tuning",
        [TOOLS, "user: Thun?", f"-{CALLED}", "tool: 9", "assistant: Nine."],
    ),
    "ms-swift": (
        {
            "tools": json.dumps([TOOL]),
            "messages": [
                {"role": "user", "content": "Thun, twice?"},
                {"role": "assistant", "content": "I look.", "loss": True},
                {"role": "tool_call", "content": TEXT, "loss": True},
                {"role": "tool_call", "content": TEXT, "loss": True},
                {"role": "tool_response", "content": '{"celsius": 9}'},
                {"role": "tool_response", "content": '{"celsius": 8}'},
                {"role": "assistant", "content": "Nine, eight.", "loss": False},
            ],
        },
        "ms-swift messages",
        [TOOLS, "user: Thun, twice?",
         'assistant: I look. get_weather{"city": "Thun"} get_weather{"city": "Thun"}',
         'tool: {"celsius": 9}', 'tool: {"celsius": 8}', "-assistant: Nine, eight."],
    ),
    "LLaMA-Factory glaive_toolcall": (
        {
            "conversations": [
                {"from": "human", "value": "Thun?"}, {"from": "gpt", "value": "Which day?"},
                {"from": "human", "value": "Today."}, {"from": "function_call", "value": TEXT},
                {"from": "observation", "value": "9"}, {"from": "gpt", "value": "Nine."},
            ],
            "tools": json.dumps([FLAT]),
        },
        "LLaMA-Factory ShareGPT",
        [TOOLS, "user: Thun?", "assistant: Which day?", "user: Today.", CALLED, "tool: 9", "assistant: Nine."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_record_of_a_public_set_reads_as_it_is_meant(name: str) -> None:
    record, form, lines = SETS[name]
    assert own_form(record, "here", "here").form == form
    session = to_session(record, "here", "here")
    assert seen(session) == lines
    assert seen(to_session(session.record(), "again", "again")) == lines
    if session.tools and name != "NousResearch/hermes-function-calling-v1":
        calls = [call for message in session.messages for call in message.tool_calls]
        assert [session.tools.problems(call) for call in calls] == [[]] * len(calls)


def test_columns_beside_the_conversation_are_metadata() -> None:
    record, _, _ = SETS["Agent-Ark/Toucan-1.5M Kimi-K2"]
    read = own_form(record, "here", "here")
    assert read.fields["session_id"] == "u-1"
    assert read.fields["metadata"]["subset_name"] == "multi-turn"
    assert read.fields["metadata"]["metadata"] == '{"mcp": []}'
    assert set(read.kept) == {
        "subset_name", "question", "target_tools", "question_quality_assessment", "response_quality_assessment",
    }  # fmt: skip


def test_when2call_s_test_reads_the_correct_answer() -> None:
    record = {
        "uuid": "w", "source": "BFCL v2 Live Simple", "source_id": "1", "question": "Thun?",
        "correct_answer": "tool_call",
        "answers": {"cannot_answer": "No.", "direct": "Nine.", "tool_call": TEXT},
        "target_tool": json.dumps(FLAT), "tools": [json.dumps(FLAT)], "orig_tools": [], "orig_question": "",
        "held_out_param": None,
    }  # fmt: skip
    assert seen(to_session(record, "here", "here")) == [TOOLS, "user: Thun?", CALLED]
