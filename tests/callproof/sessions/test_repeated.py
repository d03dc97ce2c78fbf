"""JSON that is read with what is remembered has the value that the strict reader gives it, or is left to that."""

import json
import random
from typing import Any

import pytest

from callproof.calls import DECODER, MAX_DEPTH
from callproof.sessions.reading.repeated import Repeats

LONG = "a rule of the shop, " * 40
TOOLS = [{"name": f"f{number}", "parameters": {"type": "object", "description": "words " * 20}} for number in range(6)]


def text(chance: random.Random) -> str:
    """A record, or its messages alone; some parts are of few kinds, and white space stands anywhere."""
    system = {"role": "system", "content": LONG + chance.choice("abc"), "big": 10**30, "small": -0.5e-7}
    messages = [system, {"role": "user", "content": chance.choice(["ü", "\\u00fc", '"', "}{][", "x" * 300])}]
    tools = chance.choice([TOOLS, TOOLS[:3], TOOLS[::-1], [], {}])
    value = chance.choice([messages, {"id": 1, "messages": messages, "tools": tools}, {"tools": tools, "n": None}])
    ascii_only, indent = chance.random() < 0.5, chance.choice([None, None, 1])
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    return chance.choice(["", " ", "\t"]) + written + chance.choice(["", "\n", " \r\n"])


def test_values_are_those_of_the_strict_reader() -> None:
    chance, repeats = random.Random(5), Repeats()
    read = 0
    for _ in range(600):
        written = text(chance)
        checked = repeats.read(written)
        read += checked is not None
        if checked:
            assert checked.value == DECODER.decode(written.strip(" \t\r\n"))
    assert read > 500


def test_texts_with_a_character_changed_are_never_read_as_something_else() -> None:
    chance, repeats = random.Random(6), Repeats()
    accepted = 0
    for _ in range(4000):
        written = text(chance)
        at = chance.randrange(len(written))
        changed = written[:at] + chance.choice('{}[]",:\\ \x00u0eN-') * chance.randrange(2) + written[at + 1 :]
        checked = repeats.read(changed)
        if checked:
            accepted += 1
            assert checked.value == DECODER.decode(changed.strip(" \t\r\n"))
    assert accepted > 500


@pytest.mark.parametrize(
    "written",
    [
        '{"a": 1, "a": 2}',
        '{"messages": [{"role": "user", "role": "user"}]}',
        '{"a": NaN}',
        '{"a": 1e999}',
        f'{{"a": {"1" * 5000}}}',
        '{"a": "\\ud800"}',
        f'{{"a": {"[" * MAX_DEPTH}{"]" * MAX_DEPTH}}}',
        '{"a": 1} x',
        '{"a": 1,}',
        '[{"a": 1},]',
        '{"a": "\t"}',
        "{",
        "",
        "3",
    ],
)
def test_what_is_not_plain_is_left_to_the_strict_reader(written: str) -> None:
    assert Repeats().read(written) is None


def test_what_is_remembered_is_one_and_the_same_and_knows_its_text() -> None:
    repeats = Repeats()
    records = [repeats.read(json.dumps({"id": number, "tools": TOOLS})) for number in range(2)]
    first, second = (record.value["tools"] for record in records if record)
    assert first is second
    assert json.loads(first.text) == TOOLS


def test_memory_is_bounded() -> None:
    repeats: Any = Repeats()
    for number in range(1000):
        repeats.read(json.dumps({"tools": [{"name": f"{number} {LONG}"}]}))
    assert len(repeats._known) <= 128
