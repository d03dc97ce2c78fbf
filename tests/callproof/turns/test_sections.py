"""Shuffling moves whole items; what cannot be told apart keeps its order, and that is said."""

import random
from itertools import permutations

import pytest

from callproof.console import command_line
from callproof.turns.sections import shuffled, split

WRAPPED = "- Never tell a price\n  before the identity is checked."
LAZY = "- Ask for the name,\nand spell it back."
NESTED = "- Payments:\n  - only by card\n  - never by cheque"
STEPS = "- Booking:\n  1. Ask.\n\n  2. Look it up."
FENCED = "- Answer so:\n  ```\n  - not a bullet\n\n  ## not a heading\n  ```"
BARE_FENCE = "- Or so:\n```\n- not a bullet\n## not a heading\n```"
SHORT = "- Be brief."


@pytest.fixture(autouse=True)
def _nothing_said_yet() -> None:
    command_line.forget_said()


def orders(text: str, count: int = 200) -> set[str]:
    return {shuffled(text, random.Random(seed)) for seed in range(count)}


@pytest.mark.parametrize("item", [WRAPPED, LAZY, NESTED, STEPS, FENCED, BARE_FENCE])
def test_what_belongs_to_a_bullet_moves_with_it(item: str, capsys: pytest.CaptureFixture[str]) -> None:
    items = (item, SHORT, "* Be kind.")
    wanted = {"## Rules\n" + "\n".join(order) for order in permutations(items)}
    assert orders("## Rules\n" + "\n".join(items)) == wanted
    assert capsys.readouterr().err == ""


def test_bullets_with_empty_lines_between_them_keep_those_and_the_text_before_stays_first() -> None:
    text = "## Rules\nAll of these hold:\n\n- a\n\n- b"
    assert orders(text) == {text, "## Rules\nAll of these hold:\n\n- b\n\n- a"}


def test_sections_move_whole() -> None:
    sections = ("## A\n1. one\n2. two\n\n   more", "## B\nText.\n\nMore text.", "## C\n```\n## fenced\n```\nText.")
    assert orders("\n\n".join(sections)) == {"\n\n".join(order) for order in permutations(sections)}


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("## R\n- a\n- b\n\nAll of them hold.", "'All of them hold.' stands between or after its bullets"),
        ("## R\n- a\n- b\n\n```\ncode\n```\n- c", "'```' stands between or after its bullets"),
        ("## R\n- a\n### Sub\n- b", "'### Sub' stands between or after its bullets"),
        ("## R\n1. one\n- a\n2. two\n- b", "it has bullets and numbered steps, such as '1. one'"),
    ],
)
def test_a_section_that_is_no_plain_list_keeps_its_order(
    section: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert orders(section) == {section}
    told = f"system prompt: section 'R' keeps its order, though shuffle_sections is on: {reason}\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("## A\n- a\n- b\n\n## B\n```\n- c", "a code fence is not closed"),
        ("## A\n- a\n\n# Part\n\n## B\n- b\n- c", "'# Part' stands above the sections that follow"),
        ("## A\n- a\n\n## B\n- b\n- c\n</rules>", "'</rules>' may hold several of them together"),
        ("## 1. Ask\n- a\n- b\n\n## 2. Book\n- c", "the section '1. Ask' is numbered"),
        ("## Step one\n- a\n\n## Step 2\n- b", "the section 'Step 2' is numbered"),
    ],
)
def test_sections_that_depend_on_each_other_keep_their_order(
    text: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert orders(text) == {text}
    told = f"system prompt: its sections and bullets keep their order, though shuffle_sections is on: {reason}\n"
    assert capsys.readouterr().err == told


def test_a_heading_in_a_fence_begins_no_section() -> None:
    assert split("You help.\n```\n## no\n```\n\n## Yes\n- a\n") == ("You help.\n```\n## no\n```", "## Yes\n- a")
    assert split("\n## Yes\n- a") == ("", "## Yes\n- a")
    assert split("Only this.\n") == ("Only this.", "")
