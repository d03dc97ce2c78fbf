import json
import re
from collections import Counter
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest

from callproof.calls import ToolCall
from callproof.catalog import Catalog, read_catalog
from callproof.sessions import Session, read_sessions
from callproof.turns import check_gold

DATASETS = Path(__file__).parents[3] / "datasets"
DOMAINS = ("car_sales", "insurance")
SPLITS = ("train", "eval")

every_domain = pytest.mark.parametrize("domain", DOMAINS)
every_file = pytest.mark.parametrize(("domain", "split"), [(domain, split) for domain in DOMAINS for split in SPLITS])


@cache
def catalog(domain: str) -> Catalog:
    return read_catalog(DATASETS / domain / "tools.json")


def sessions(domain: str, split: str) -> list[Session]:
    return [session for _, session in read_sessions(DATASETS / domain / "sessions" / f"{split}.jsonl")]


def decisions(session: Session) -> list[tuple[ToolCall, ...]]:
    """Gold calls of each message that answers the user or calls."""
    messages = session.messages
    return [
        message.tool_calls
        for before, message in pairwise(messages)
        if message.role == "assistant" and (before.role == "user" or message.tool_calls)
    ]


def leaves(value: object) -> list[object]:
    """All strings, numbers and booleans inside a JSON value."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def plain(text: str) -> str:
    """Lower case, thousands written without separators."""
    return re.sub(r"(?<=\d)['’ ](?=\d{3}(?!\d))", "", text).lower()


def ways_to_say(value: object) -> list[str]:
    """How a value of a call may stand in a conversation."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        day = date.fromisoformat(value)
        return [f"{day:%d.%m.%Y}", f"{day.day} {day:%B %Y}".lower()]
    return [str(value).lower().replace("_", " ")]


@every_file
def test_every_gold_call_is_valid_in_its_catalog(domain: str, split: str) -> None:
    for session in sessions(domain, split):
        check_gold(session, catalog(domain), session.session_id)


@every_file
def test_every_argument_was_said_before_the_call(domain: str, split: str) -> None:
    for session in sessions(domain, split):
        said = ""
        for message in session.messages:
            said += " " + plain(message.content) if message.role != "assistant" else ""
            for call in message.tool_calls:
                for value in leaves(call.arguments):
                    known = value is True or any(way in said for way in ways_to_say(value))
                    assert known, f"{session.session_id}: {call.name} needs {value!r}"


@every_file
def test_every_number_that_a_customer_states_is_an_argument_of_a_call(domain: str, split: str) -> None:
    for session in sessions(domain, split):
        shown = {word for m in session.messages if m.role == "tool" for word in re.findall(r"\w+", m.content)}
        gold = {str(leaf) for message in session.messages for leaf in leaves([c.arguments for c in message.tool_calls])}
        for message in session.messages:
            if message.role == "user":
                stated = re.findall(r"(?<![\w.:-])\d{3,}(?:\.\d\d)?(?![\w:]|\.\d)", plain(message.content))
                models = {word for value in gold for word in value.split()}
                dates = {part for value in gold for part in value.split("-")}
                missing = set(stated) - gold - models - dates - shown
                assert not missing, f"{session.session_id}: {message.content!r}"


@every_file
def test_an_automatic_gearbox_and_the_police_are_in_the_call_exactly_when_they_are_mentioned(
    domain: str, split: str
) -> None:
    word, argument = {"car_sales": ("automatic", "automatic"), "insurance": ("police", "police")}[domain]
    for session in sessions(domain, split):
        mentioned = sum(
            bool(re.search(rf"\b{word}\b", message.content)) for message in session.messages if message.role == "user"
        )
        calls = [call.arguments for message in session.messages for call in message.tool_calls]
        made = sum(argument in arguments for arguments in calls)
        assert bool(made) == bool(mentioned), session.session_id


@every_file
def test_sessions_have_two_to_six_user_messages_and_at_least_one_call(domain: str, split: str) -> None:
    for session in sessions(domain, split):
        assert 2 <= sum(message.role == "user" for message in session.messages) <= 6
        assert any(message.tool_calls for message in session.messages)
        assert session.messages[-1].role == "assistant"


@every_domain
def test_the_eval_split_holds_enough_turns_from_its_first_sixty_sessions_on(domain: str) -> None:
    counts = [len(decisions(session)) for session in sessions(domain, "eval")]
    assert len(counts) == 160
    assert sum(counts) >= 680
    assert sum(counts[:60]) >= 250
    assert len(sessions(domain, "train")) == 720


@every_file
def test_about_thirty_percent_of_the_turns_expect_no_call(domain: str, split: str) -> None:
    gold = [calls for session in sessions(domain, split) for calls in decisions(session)]
    assert 0.28 <= sum(not calls for calls in gold) / len(gold) <= 0.33


@every_file
def test_every_tool_is_called_and_every_kind_of_turn_occurs(domain: str, split: str) -> None:
    called = Counter(call.name for one in sessions(domain, split) for calls in decisions(one) for call in calls)
    tags = Counter(tag for session in sessions(domain, split) for tag in session.tags)
    assert set(called) == set(catalog(domain).by_name)
    assert min(called.values()) >= 20
    assert set(tags) == {"parallel", "correction", "clarification", "out_of_scope", "small_talk", "typo"}


@every_file
def test_sessions_are_compact(domain: str, split: str) -> None:
    lengths = [sum(len(message.content.split()) for message in one.messages) for one in sessions(domain, split)]
    assert fmean(lengths) < 260


@every_domain
def test_the_system_prompt_has_short_sections_of_bullets(domain: str) -> None:
    text = (DATASETS / domain / "system_prompt.md").read_text(encoding="utf-8")
    preamble, *sections = text.strip().split("\n## ")
    assert "- " not in preamble
    assert 2 <= len(sections) <= 4
    for section in sections:
        _, *lines = section.strip().splitlines()
        bullets = [line for line in lines if line.strip()]
        assert 2 <= len(bullets) <= 4
        assert all(line.startswith("- ") for line in bullets)
    assert 30 <= len(text.split()) <= 140


@every_domain
def test_the_catalog_uses_the_breadth_of_json_schema_and_is_small(domain: str) -> None:
    text = (DATASETS / domain / "tools.json").read_text(encoding="utf-8")
    tools = json.loads(text)
    compact = json.dumps(tools)
    assert 8 <= len(tools) <= 12
    assert len(compact) <= 3000
    for kind in ("object", "array", "integer", "number", "boolean"):
        assert f'"type": "{kind}"' in compact
    assert all(word in compact for word in ('"enum"', '"default"', '"format": "date"'))
    parameters = [tool["function"]["parameters"] for tool in tools]
    assert {"type": "object", "properties": {}} in parameters
    assert any(p.get("type") == "object" for one in parameters for p in one["properties"].values())


def test_no_tool_of_one_domain_is_named_like_one_of_the_other() -> None:
    assert not set(catalog("car_sales").by_name) & set(catalog("insurance").by_name)
