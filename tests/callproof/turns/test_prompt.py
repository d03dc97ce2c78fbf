"""One assembly of the prompt, the same on every machine and for everyone who asks."""

import json

import pytest

from callproof.catalog import Catalog, Tool
from callproof.config import PromptConfig
from callproof.sessions import Session
from callproof.turns import conversation, session_time, template_messages
from callproof.turns.prompt import system_prompt

ALL = PromptConfig(date_line=True, shuffle_sections=True, shuffle_tools=True)
TEMPLATE = "You are Ada.\n\n## One\n- a\n- b\n- c\n\n## Two\n- d\n- e\n\n## Three\n- f\n"
TOOLS = Catalog(tools=tuple(Tool(name=name, parameters={"type": "object", "properties": {}}) for name in "abcdef"))
SESSION = Session.model_validate(
    {
        "session_id": "s-7",
        "messages": [
            {"role": "user", "content": "both"},
            {"role": "assistant", "tool_calls": [{"name": "a"}, {"name": "b", "arguments": {"x": "Zürich"}}]},
            {"role": "tool", "name": "a", "content": "1"},
            {"role": "tool", "name": "b", "content": "2"},
            {"role": "assistant", "content": "done"},
            {"role": "user", "content": "again"},
            {"role": "assistant", "tool_calls": [{"name": "c"}]},
            {"role": "tool", "name": "c", "content": "3"},
        ],
    }
)


def test_the_same_session_always_gets_the_same_prompt_and_another_one_another() -> None:
    prompts = [system_prompt(TEMPLATE, f"s-{number}", ALL) for number in range(20)]
    assert prompts == [system_prompt(TEMPLATE, f"s-{number}", ALL) for number in range(20)]
    assert len(set(prompts)) == 20


def test_shuffling_keeps_every_bullet_in_its_section_and_the_preamble_first() -> None:
    prompt = system_prompt(TEMPLATE, "s-3", ALL)
    preamble, date, *sections = prompt.split("\n\n")
    assert preamble == "You are Ada."
    assert date.startswith("Current DateTime (Europe/Zurich): ")
    parts = {section.splitlines()[0]: set(section.splitlines()[1:]) for section in sections}
    assert parts == {"## One": {"- a", "- b", "- c"}, "## Two": {"- d", "- e"}, "## Three": {"- f"}}


def test_by_default_nothing_is_added_and_nothing_is_moved() -> None:
    wrapped = "\n## First\n\n1. Ask.\n2. Look\n   it up.\n\n\n```\n## no heading\n```\n- a\n  b\n"
    assert system_prompt(wrapped, "s-3", PromptConfig()) == wrapped.strip()
    talk = conversation(SESSION, TEMPLATE, TOOLS, PromptConfig())
    assert talk.messages[0]["content"] == TEMPLATE.strip()
    assert conversation(SESSION, "", TOOLS, PromptConfig()).messages[0]["role"] == "user"
    assert [tool["function"]["name"] for tool in talk.tools or ()] == list("abcdef")


def test_a_session_takes_place_in_opening_hours_and_in_its_time_zone() -> None:
    moments = [session_time(f"s-{number}", "Asia/Tokyo") for number in range(500)]
    assert all(8 <= moment.hour < 18 for moment in moments)
    assert {str(moment.tzinfo) for moment in moments} == {"Asia/Tokyo"}


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ("2026-05-04T23:30:00+00:00", "Tuesday, 2026-05-05 01:30"),
        ("2026-01-05T23:30:00Z", "Tuesday, 2026-01-06 00:30"),
        ("2026-05-04 10:30", "Monday, 2026-05-04 10:30"),
        ("2026-05-04", "Monday, 2026-05-04"),
        ("20260504", "Monday, 2026-05-04"),
    ],
)
def test_the_date_line_says_when_a_session_was_recorded(at: str, line: str) -> None:
    dated = SESSION.model_copy(update={"at": at})
    config = PromptConfig(date_line=True)
    sections = "## One\n- a\n- b\n- c\n\n## Two\n- d\n- e\n\n## Three\n- f"
    system = conversation(dated, TEMPLATE, TOOLS, config).messages[0]["content"]
    assert system == f"You are Ada.\n\nCurrent DateTime (Europe/Zurich): {line}\n\n{sections}"


def test_tool_results_carry_the_id_of_the_call_that_they_answer() -> None:
    wire = conversation(SESSION, TEMPLATE, TOOLS, PromptConfig()).messages
    made = [call["id"] for message in wire for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in wire if message["role"] == "tool"]
    assert made == answered
    assert len(set(made)) == 3


def test_the_template_sees_arguments_as_objects_and_the_wire_as_text() -> None:
    wire = conversation(SESSION, TEMPLATE, TOOLS, PromptConfig()).messages
    assert wire[2]["tool_calls"][1]["function"]["arguments"] == '{"x": "Zürich"}'
    assert template_messages(wire)[2]["tool_calls"][1]["function"]["arguments"] == {"x": "Zürich"}


@pytest.mark.parametrize("tools", [Catalog(tools=())])
def test_no_tools_are_none_and_not_an_empty_list(tools: Catalog) -> None:
    assert conversation(SESSION, TEMPLATE, tools, PromptConfig()).tools is None


def test_tools_keep_the_keys_and_the_order_of_the_server() -> None:
    wire = Tool(name="x", parameters={"type": "object"}).wire()
    assert list(wire) == ["type", "function"]
    assert list(wire["function"]) == ["name", "description", "parameters"]
    assert json.dumps(wire["function"]["description"]) == "null"
