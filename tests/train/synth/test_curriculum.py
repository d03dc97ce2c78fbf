"""Lessons are sound: their calls fit their catalogs, their services are complete, and neither domain is in them."""

import itertools
import random
import re

import pytest

from callproof.calls import ToolCall
from callproof.catalog import Catalog
from train.synth.curriculum import services
from train.synth.curriculum.lessons import BARE, DENSE, FULL, MEDIUM, Level, lesson
from train.synth.curriculum.phrases import slots

LEVELS = {"bare": BARE, "dense": DENSE, "medium": MEDIUM, "full": FULL}
OF_THE_DOMAINS = re.compile(
    r"\b(cars?|vehicles?|test drives?|insur\w*|polic(y|ies)|premiums?|claims?|damages?|accidents?|coverage)\b", re.I
)


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
def test_every_call_of_a_lesson_is_valid_in_its_catalog(level: Level) -> None:
    rng, made = random.Random(4), 0
    for _ in range(60):
        talk = lesson(rng, level)
        catalog = Catalog.from_wire(talk.tools or ())
        for message in talk.messages:
            for call in message.get("tool_calls") or ():
                function = call["function"]
                assert catalog.problems(ToolCall(name=function["name"], arguments=function["arguments"])) == []
                made += 1
    assert made >= 60


@pytest.mark.parametrize("level", [DENSE, MEDIUM, FULL], ids=["dense", "medium", "full"])
def test_a_fifth_to_a_half_of_the_requests_expect_no_call(level: Level) -> None:
    rng, calls, words = random.Random(9), 0, 0
    for _ in range(100):
        messages = lesson(rng, level).messages
        for before, message in itertools.pairwise(messages):
            if before["role"] == "user":
                calls += bool(message.get("tool_calls"))
                words += not message.get("tool_calls")
    assert 0.2 < words / (words + calls) < 0.5


def test_a_lesson_follows_from_its_seed() -> None:
    assert lesson(random.Random(3), FULL) == lesson(random.Random(3), FULL)


def test_services_ask_for_every_required_argument_and_fill_every_slot() -> None:
    assert len(services.services()) >= 15
    for tool in (tool for service in services.services() for tool in service):
        names = {param.name for param in tool.params if param.kind not in ("bool", "object")}
        assert all(slots(text) <= names for text in tool.requests), tool.names
        assert sum(not slots(text) for text in tool.requests) >= 5, tool.names
        assert all(param.asks for param in tool.params if param.required), tool.names


def test_no_service_speaks_of_the_two_domains() -> None:
    for path in services.FOLDER.iterdir():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            assert not OF_THE_DOMAINS.search(line), f"{path.name}:{number}: {line}"


def test_every_line_of_small_talk_has_an_answer() -> None:
    assert len(services.small_talk()) > 100
    assert all(said and answer for said, answer in services.small_talk())
